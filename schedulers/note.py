"""What a scheduler notes about a job that it gives back: a compact JSON object, of which the store keeps the latest.

A job that was placed in full leaves no new note, so look at the job's status first: what is kept tells of the last
attempt that left something. explain.py puts it in sentences.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from omegacell.cellstate.model import ClaimedJob, Reason
from omegacell.cellstate.snapshot import Snapshot
from omegacell.schedulers.attempt import Finished, JobAttempt, conflicting
from omegacell.schedulers.refusals import NOT_ASKED
from omegacell.schedulers.retry import GiveUp, RetryAt

_DEFAULT_PRIORITY = 100
"""Jobs of no more are not told that nobody gives way to them: they did not ask for it."""

_SHOWN = 5
"""Lost claims listed one by one; the rest is in the count."""


def build(scheduler: str, finished: Finished, position: int, snapshot: Snapshot, *, now: float) -> str:
    """One job of an attempt, as compact JSON; zeros, empty lists and empty texts are left out."""
    planned = finished.attempt.jobs[position]
    job, tally, step = planned.job, finished.tallies[position], finished.next[position]
    told: dict[str, Any] = {
        "at": round(now, 3),
        "scheduler": scheduler,
        "policy": planned.policy,
        "attempt": job.attempts + 1,
        "needs": {name: amount for name, amount in _amounts(job).items() if amount},
        "pending": job.pending - tally.accepted,
        "asked": planned.asked,
        "planned": planned.planned,
        "placed": tally.accepted,
        "limit": _limit(job, placed=tally.accepted),
        "gang": (job.gang_min or job.task_count) - job.placed if planned.withheld else 0,
        "error": _storable(planned.error),
        "room": _room(planned),
        "conflicts": tally.conflicts,
        "preempted": int(finished.verdict.preempted[_claims_of(finished, position)].sum()),
        "unyielding": _unyielding(planned),
        "alternatives": _alternatives(finished, position),
        "reserved": asdict(finished.holds[position]) if finished.holds[position] else {},
        "lost": _lost_claims(finished, position, snapshot),
        "retry_in": round(max(step.at - now, 0.0), 3) if isinstance(step, RetryAt) else 0,
        "gave_up": step.attempts if isinstance(step, GiveUp) else 0,
    }
    kept = {name: value for name, value in told.items() if value or name in ("pending", "placed", "planned")}
    return json.dumps(kept, separators=(",", ":"))


def given_back(scheduler: str, job: ClaimedJob, *, now: float) -> str:
    """A job that its scheduler put back unplanned, as it was told to claim nothing."""
    told = {"at": round(now, 3), "scheduler": scheduler, "pending": job.pending, "given_back": True}
    return json.dumps(told, separators=(",", ":"))


def _storable(text: str) -> str:
    """Text that the store can keep, from users' policies: no NUL, no lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def _amounts(job: ClaimedJob) -> dict[str, int]:
    """What a task takes, under the names that refusals.py uses."""
    amounts = job.amounts
    return {
        "cpu_milli": amounts.cpu_milli,
        "memory_bytes": amounts.memory_bytes,
        "disk_bytes": amounts.disk_bytes,
        "gpu": amounts.gpu_milli,
        **dict(amounts.custom),
    }


def _limit(job: ClaimedJob, *, placed: int) -> dict[str, int]:
    """A job's max_running where that lets in fewer tasks than wait, and how many are placed by now; else nothing."""
    waiting = job.task_count - job.ended - job.placed
    if not job.max_running or waiting <= job.pending:
        return {}
    return {"max_running": job.max_running, "placed": job.placed + placed}


def _unyielding(planned: JobAttempt) -> int:
    """The priority of a job that asks for more than the default's and found nobody to take the place of, else 0."""
    nobody = planned.refusals is not NOT_ASKED and not len(planned.claims.victims.claim)
    return planned.job.priority if nobody and planned.job.priority > _DEFAULT_PRIORITY else 0


def _claims_of(finished: Finished, position: int) -> slice:
    """Where a job's claims stand in the transaction."""
    return slice(*finished.attempt.bounds[position : position + 2])


def _alternatives(finished: Finished, position: int) -> dict[str, int]:
    """After how many lost attempts how many machines were named beside the claims' own, and how many claims moved."""
    planned = finished.attempt.jobs[position]
    if not len(planned.claims.alternatives):
        return {}
    went = finished.verdict.machine_id[_claims_of(finished, position)] != planned.claims.machine_id
    return {
        "conflicts": planned.job.conflicts,
        "machines": len(planned.claims.alternatives),
        "moved": int(went.sum()),
    }


def _room(planned: JobAttempt) -> dict[str, Any]:
    """What the machines said to one more task; empty where nobody asked them."""
    refused = planned.refusals
    if refused is NOT_ASKED:
        return {}
    return {
        "machines": refused.machines,
        "unavailable": refused.unavailable,
        "reserved": refused.reserved,
        "constraints": refused.constraints,
        "dimensions": refused.dimensions,
        "anti_affinity": refused.anti_affinity,
        "fitting": refused.fitting,
        "nearest": refused.nearest,
        "nearest_free": refused.nearest_free,
        "largest": refused.largest,
    }


def _lost_claims(finished: Finished, position: int, snapshot: Snapshot) -> list[dict[str, Any]]:
    """The first few refused claims: where, why, what was left, and who was faster."""
    verdict, claims = finished.verdict, finished.attempt.transaction
    mine = _claims_of(finished, position)
    wanted = np.zeros_like(claims.slots)
    wanted[mine] = claims.slots[mine] * finished.attempt.jobs[position].claims.tasks_of_each()
    refused = (mine.start + np.flatnonzero(verdict.reason[mine] != Reason.ACCEPTED)).tolist()
    # A claim that merely fell with its group says less than the one that brought the group down.
    refused.sort(key=lambda k: verdict.reason[k] in (Reason.GROUP, Reason.GANG))
    rows = snapshot.rows_of(claims.machine_id[refused[:_SHOWN]])
    lost = []
    for k, row in zip(refused[:_SHOWN], rows.tolist(), strict=True):
        entry: dict[str, Any] = {
            "machine": snapshot.names[row] if row >= 0 else str(claims.machine_id[k]),
            "reason": Reason(int(verdict.reason[k])).name.lower(),
            "tasks": int(wanted[k] - verdict.tasks[k]),
        }
        if conflicting(verdict.reason)[k] or verdict.reason[k] == Reason.MACHINE_RESERVED:
            entry["free"] = int(verdict.free[k])
        if verdict.rival_scheduler[k]:
            entry["rival_scheduler"] = int(verdict.rival_scheduler[k])
            entry["rival_txn"] = str(verdict.rival_txn[k])
        lost.append(entry)
    return lost
