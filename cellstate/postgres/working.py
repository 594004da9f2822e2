"""WorkerStore on PostgreSQL: lease, machines, pull, report, fold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import sqlalchemy as sa

from omegacell.cellstate import framing, tables
from omegacell.cellstate.model import (
    DEVICE_MILLI,
    Ended,
    Holdings,
    Int64,
    Kept,
    Lease,
    MachineSpec,
    RegisteredMachine,
    Started,
    TaskDefinition,
    WorkerSpec,
)
from omegacell.cellstate.postgres.calls import Calls
from omegacell.cellstate.postgres.rows import placement
from omegacell.cellstate.specification import from_json
from omegacell.cellstate.transactions import check_machines


class WorkerCalls(Calls):
    """The calls of workers; their contract is store.WorkerStore's."""

    def register_worker(self, spec: WorkerSpec, *, lease_seconds: float, replace_token: int = 0) -> Lease:
        """Become the current incarnation of worker `name`."""
        self._keep_house()
        (row,) = self._connections.call(
            "register_worker", spec.name, spec.host, spec.boot_id, spec.pid, spec.log_directory, spec.address,
            lease_seconds, replace_token,
        )  # fmt: skip
        self._fold(row.jobs)
        return Lease(
            holder_id=row.worker_id, token=row.token, lease_seconds=lease_seconds, expires_at=row.expires_at
        )

    def register_machines(
        self, worker_id: int, token: int, machines: Sequence[MachineSpec]
    ) -> tuple[RegisteredMachine, ...]:
        """Bring machines up under this worker, in the order given."""
        check_machines(machines)
        rows = self._connections.call(
            "register_machines",
            worker_id,
            token,
            [machine.name for machine in machines],
            *(
                np.array([getattr(machine.capacity, dimension) for machine in machines], dtype=np.int64)
                for dimension in ("cpu_milli", "memory_bytes", "disk_bytes")
            ),
            np.array([machine.capacity.gpu_milli // DEVICE_MILLI for machine in machines], dtype=np.int64),
            [json.dumps(dict(machine.capacity.custom)) for machine in machines],
            [json.dumps(dict(machine.attributes)) for machine in machines],
        )
        self._fold(rows[0].jobs if rows else None)
        return tuple(
            RegisteredMachine(machine_id=row.machine_id, name=machine.name, epoch=row.epoch)
            for row, machine in zip(rows, machines, strict=True)
        )

    def renew_worker(self, worker_id: int, token: int) -> float:
        """Extend the lease; the new expiry."""
        return float(self._connections.call("renew_worker", worker_id, token)[0][0])

    def release_worker(self, worker_id: int, token: int) -> None:
        """Leave in good order."""
        self._fold(self._connections.call("release_worker", worker_id, token)[0][0])

    def pull(self, worker_id: int, token: int, known: Mapping[int, int]) -> tuple[Holdings, ...]:
        """What the caller's machines hold, for those whose version is not the one in `known`."""
        rows = self._connections.call(
            "pull_placements",
            worker_id,
            token,
            np.fromiter(known.keys(), dtype=np.int64),
            np.fromiter(known.values(), dtype=np.int64),
        )
        found = []
        for machine_id, held in groupby(rows, key=lambda row: row.machine_id):
            mine = list(held)
            found.append(
                Holdings(
                    machine_id=machine_id,
                    version=mine[0].version,
                    epoch=mine[0].machine_epoch,
                    placements=tuple(placement(row, row.placed_at) for row in mine if row.job_id is not None),
                )
            )
        return tuple(found)

    def definitions(self, job_ids: Sequence[int]) -> tuple[TaskDefinition, ...]:
        """How to run the tasks of these jobs, by job id."""
        j = tables.job.c
        has_inputs = sa.exists().where(tables.task_input.c.job_id == j.job_id)
        statement = (
            sa.select(j.job_id, j.specification, j.payload, has_inputs.label("has_inputs"))
            .where(j.job_id == sa.any_(sa.literal(list(job_ids), sa.ARRAY(sa.BigInteger))))
            .order_by(j.job_id)
        )
        return tuple(_definition(row) for row in self._connections.read(statement))

    def inputs(self, job_id: int, first_index: int, count: int) -> tuple[bytes, ...]:
        """The data of tasks first_index .. first_index + count - 1; empty if the job has none."""
        i = tables.task_input.c
        statement = (
            sa.select(i.first_index, i.chunk)
            .where(
                i.job_id == job_id, i.first_index < first_index + count, i.first_index + i.count > first_index
            )
            .order_by(i.first_index)
        )
        found: list[bytes] = []
        for row in self._connections.read(statement):
            for index, item in enumerate(framing.items(bytes(row.chunk)), start=row.first_index):
                if first_index <= index < first_index + count:
                    found.append(item)
        return tuple(found)

    def report_started(self, worker_id: int, token: int, started: Sequence[Started]) -> None:
        """Note that placements run."""
        ports = [json.dumps(dict(one.ports)) for one in started]
        self._connections.call("report_started", worker_id, token, *_columns(started, _SLOT_KEY), ports)

    def report_ended(
        self, worker_id: int, token: int, ended: Sequence[Ended], *, kept: Sequence[Kept] = ()
    ) -> tuple[bool, ...]:
        """End slots, task by task, then fold the jobs."""
        first_words = {_task_of(one): at for at, one in reversed(tuple(enumerate(ended)))}
        told = [ended[at] for at in sorted(first_words.values())]
        rows = self._connections.call(
            "report_ended",
            worker_id,
            token,
            *_columns(told, _TASK_KEY),
            [one.state.value for one in told],
            np.array([one.exit_code for one in told], dtype=np.int64),
            [float(one.started_at) for one in told],
            [float(one.ended_at) for one in told],
            [one.result for one in told],
            [_storable(one.error) for one in told],
            [_storable(one.stdout_tail) for one in told],
            [_storable(one.stderr_tail) for one in told],
            *_columns(kept, _TASK_KEY),
        )
        applied = {_task_of(told[int(ordinal) - 1]) for ordinal in rows[0][0]}
        # All of them: of a report sent again, the first copy may have been applied and its fold not be made.
        jobs = {one.job_id for one in ended} | {one.job_id for one in kept}
        self._fold(np.array(sorted(jobs), dtype=np.int64))
        return tuple(
            _task_of(one) in applied and first_words[_task_of(one)] == at for at, one in enumerate(ended)
        )

    def fold(self, job_ids: Sequence[int] = ()) -> int:
        """Fold reported counts into job_state."""
        jobs = np.array(job_ids, dtype=np.int64) if job_ids else None
        return int(self._connections.call("fold_jobs", jobs, False)[0][0])


def _task_of(word: Ended) -> tuple[int, ...]:
    """What a word is about, as the store tells it from others."""
    return (word.job_id, word.first_index, word.task_index, word.attempt, word.machine_id, word.epoch)


_SLOT_KEY = ("job_id", "first_index", "attempt", "machine_id", "epoch")
_TASK_KEY = ("job_id", "first_index", "task_index", "attempt", "machine_id", "epoch")


def _columns(
    reports: Sequence[Started] | Sequence[Ended] | Sequence[Kept], names: Sequence[str]
) -> tuple[Int64, ...]:
    return tuple(np.array([getattr(one, name) for one in reports], dtype=np.int64) for name in names)


def _storable(text: str) -> str:
    """PostgreSQL's text has no NUL: shown as the replacement character instead."""
    return text.replace("\0", "\ufffd")


def _definition(row: Any) -> TaskDefinition:
    spec = from_json(row.specification, bytes(row.payload))
    return TaskDefinition(
        job_id=row.job_id,
        name=spec.name,
        kind=spec.kind,
        command=spec.command,
        payload=spec.payload,
        env=spec.task_env(),
        cwd=spec.task_cwd(),
        timeout_seconds=spec.timeout_seconds,
        expected_duration_seconds=spec.expected_duration_seconds,
        amounts=spec.amounts,
        task_count=spec.task_count,
        has_inputs=row.has_inputs,
        service=spec.service,
        ports=spec.ports,
        health=spec.health,
    )
