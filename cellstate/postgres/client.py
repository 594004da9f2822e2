"""ClientStore on PostgreSQL: submit, purge, drain. Listings are in status.py, what is done with a job in jobs.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from omegacell.cellstate import framing, invariants, tables
from omegacell.cellstate.errors import KeyConflict, NotFound
from omegacell.cellstate.model import MachineStatus, Purged, Submission, Submitted, Violation
from omegacell.cellstate.postgres import view
from omegacell.cellstate.postgres.jobs import JobCalls
from omegacell.cellstate.specification import differing_fields, to_json
from omegacell.cellstate.transactions import check_submissions


class ClientCalls(JobCalls):
    """The calls of people and their programs; their contract is store.ClientStore's."""

    def submit(self, submissions: Sequence[Submission], *, connection: Any = None) -> tuple[Submitted, ...]:
        """Store jobs, all or none; see store.ClientStore.submit."""
        check_submissions(submissions)
        written = [_written(submission) for submission in submissions]
        unique, position = _distinct(written)
        _relate(submissions, written, position)
        if not unique:
            return ()
        chunks = [
            (ordinal, first, count, chunk)
            for ordinal, index in enumerate(unique, start=1)
            for first, count, chunk in framing.chunks(submissions[index].inputs)
        ]
        columns: tuple[list[Any], ...] = (
            tuple(map(list, zip(*chunks, strict=True))) if chunks else ([], [], [], [])
        )
        arguments = (
            json.dumps([written[index] for index in unique]),
            [submissions[index].spec.payload for index in unique],
            *columns,
        )
        if connection is None:
            rows = self._connections.call("submit_jobs", *arguments)
            if any(one.spec.after or one.spec.after_any or one.after or one.after_any for one in submissions):
                self._release(due=self._connections.call("look_at_dependencies")[0][0])
        else:
            rows = self._connections.call_on(connection, "submit_jobs", *arguments)
        return tuple(
            Submitted(job_id=rows[at].job_id, created=rows[at].created and unique[at] == index)
            for index, at in enumerate(position)
        )

    def explanation(self, job_id: int) -> str:
        """The JSON object its scheduler left at its last settlement."""
        self.job(job_id)
        rows = self._connections.read(
            sa.select(sa.cast(tables.job_explanation.c.explanation, sa.Text)).where(
                tables.job_explanation.c.job_id == job_id
            )
        )
        return str(rows[0][0]) if rows else "{}"

    def purge(self, *, older_than_seconds: float) -> Purged:
        """Forget what ended longer ago; see store.ClientStore.purge."""
        return self._purge(older_than_seconds, older_than_seconds)

    def drain(self, machine_name: str, *, evict: bool = True) -> MachineStatus:
        """Cordon and, with `evict`, preempt what it holds; see store.ClientStore.drain."""
        self._connections.call("drain_machine", machine_name, False, evict)
        return self._machine(machine_name)

    def uncordon(self, machine_name: str) -> MachineStatus:
        """Take placements again."""
        self._connections.call("drain_machine", machine_name, True, False)
        return self._machine(machine_name)

    def _machine(self, name: str) -> MachineStatus:
        for machine in self.machines():
            if machine.name == name:
                return machine
        raise NotFound(f"machine {name} does not exist in this cell; omega machines lists those that do")

    def check(self) -> tuple[Violation, ...]:
        """Every broken invariant in one consistent view; empty is good."""
        return invariants.check(view.read(self._connections))


def _written(submission: Submission) -> dict[str, Any]:
    digest = (
        hashlib.sha256(b"".join(framing.framed(submission.inputs))).hexdigest() if submission.inputs else ""
    )
    return to_json(submission.spec) | {
        "submission_id": str(submission.submission_id),
        "inputs_digest": digest,
        "held": submission.held,
        "lease_seconds": submission.lease_seconds,
    }


def _relate(
    submissions: Sequence[Submission], written: Sequence[dict[str, Any]], position: Sequence[int]
) -> None:
    """Add which jobs of this call a job comes after, as positions from 1 among those that are sent."""
    for submission, job in zip(submissions, written, strict=True):
        for name in ("after", "after_any"):
            if parents := getattr(submission, name):
                job[f"{name}_batch"] = sorted({position[at] + 1 for at in parents})


def _distinct(written: Sequence[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """Indexes of the jobs to send, and for each job given which of those stands for it.

    The stored function takes no id and no key twice in a call; a key repeated with another specification is the
    same KeyConflict as a stored one.
    """
    unique: list[int] = []
    position: list[int] = []
    ids: dict[str, int] = {}
    keys: dict[tuple[str, str], int] = {}
    for index, job in enumerate(written):
        name = (job["namespace"], job["key"])
        at = ids.get(job["submission_id"])
        if at is None and job["key"]:
            at = keys.get(name)
            if at is not None:
                _same_or_conflict(written[unique[at]], job)
        if at is None:
            at = len(unique)
            unique.append(index)
            if job["key"]:
                keys[name] = at
        ids[job["submission_id"]] = at
        position.append(at)
    return unique, position


def _same_or_conflict(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    ignored = {"submission_id", "inputs_digest", "held", "lease_seconds"}
    differing = differing_fields(
        {name: value for name, value in earlier.items() if name not in ignored}
        | {"inputs": earlier["inputs_digest"]},
        {name: value for name, value in later.items() if name not in ignored}
        | {"inputs": later["inputs_digest"]},
    )
    if differing:
        raise KeyConflict(
            f"key {later['key']} of namespace {later['namespace']}: given twice in one call with specifications that "
            f"differ ({', '.join(differing)}); use another key or the same specification",
            differing,
        )
