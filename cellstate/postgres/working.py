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
    Ended,
    Holdings,
    Int64,
    Lease,
    MachineSpec,
    RegisteredMachine,
    Started,
    TaskDefinition,
    WorkerSpec,
)
from omegacell.cellstate.postgres.calls import Calls
from omegacell.cellstate.postgres.status import placement
from omegacell.cellstate.specification import from_json
from omegacell.cellstate.transactions import check_machines


class WorkerCalls(Calls):
    """The calls of workers; their contract is store.WorkerStore's."""

    def register_worker(self, spec: WorkerSpec, *, lease_seconds: float, replace_token: int = 0) -> Lease:
        """Become the current incarnation of worker `name`."""
        self._connections.call("ensure_partitions")
        (row,) = self._connections.call(
            "register_worker", spec.name, spec.host, spec.boot_id, spec.pid, spec.log_directory, lease_seconds,
            replace_token,
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
        self._connections.call("report_started", worker_id, token, *_keys(started))

    def report_ended(self, worker_id: int, token: int, ended: Sequence[Ended]) -> tuple[bool, ...]:
        """End placements, then fold the jobs."""
        rows = self._connections.call(
            "report_ended",
            worker_id,
            token,
            *_keys(ended),
            [one.state.value for one in ended],
            np.array([one.exit_code for one in ended], dtype=np.int64),
            [float(one.started_at) for one in ended],
            [float(one.ended_at) for one in ended],
            [one.result for one in ended],
            [_storable(one.error) for one in ended],
            [_storable(one.stdout_tail) for one in ended],
            [_storable(one.stderr_tail) for one in ended],
        )
        applied = {int(ordinal) for ordinal in rows[0][0]}
        # All of them: of a report sent again, the first copy may have been applied and its fold not be made.
        self._fold(np.unique(np.array([one.job_id for one in ended], dtype=np.int64)))
        return tuple(ordinal in applied for ordinal in range(1, len(ended) + 1))

    def fold(self, job_ids: Sequence[int] = ()) -> int:
        """Fold reported counts into job_state."""
        jobs = np.array(job_ids, dtype=np.int64) if job_ids else None
        return int(self._connections.call("fold_jobs", jobs, False)[0][0])


def _keys(reports: Sequence[Started] | Sequence[Ended]) -> tuple[Int64, ...]:
    names = ("job_id", "first_index", "attempt", "machine_id", "epoch")
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
    )
