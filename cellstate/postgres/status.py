"""Listings for people: jobs, outcomes, machines, by SQLAlchemy Core on tables.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from omegacell.cellstate import tables as t
from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import (
    DEVICE_MILLI,
    Amounts,
    AttemptState,
    Dependency,
    JobSpec,
    JobState,
    JobStatus,
    MachineStatus,
    Outcome,
    Placement,
    Preemption,
    Reservation,
    RetryRange,
)
from omegacell.cellstate.postgres.calls import Calls
from omegacell.cellstate.postgres.rows import named_amounts, placement
from omegacell.cellstate.postgres.times import now, seconds
from omegacell.cellstate.specification import from_json


class StatusCalls(Calls):
    """What there is, as values; their contract is store.ClientStore's."""

    def job(self, job_id: int) -> JobStatus:
        """One job's status."""
        rows = self._connections.read(_jobs().where(t.job.c.job_id == job_id))
        if not rows:
            raise _unknown(job_id)
        return _job(rows[0])

    def statuses(self, job_ids: Sequence[int]) -> tuple[JobStatus, ...]:
        """Those of these jobs that there are, by id."""
        wanted = sa.literal(list(job_ids), sa.ARRAY(sa.BigInteger))
        statement = _jobs().where(t.job.c.job_id == sa.any_(wanted)).order_by(t.job.c.job_id)
        return tuple(_job(row) for row in self._connections.read(statement))

    def specification(self, job_id: int) -> JobSpec:
        """What was submitted, as altered since."""
        rows = self._connections.read(
            sa.select(t.job.c.specification, t.job.c.payload).where(t.job.c.job_id == job_id)
        )
        if not rows:
            raise _unknown(job_id)
        return from_json(rows[0].specification, bytes(rows[0].payload))

    def dependencies(self, job_id: int) -> tuple[Dependency, ...]:
        """The jobs that a blocked job still waits for, by id."""
        self.job(job_id)
        d = t.dependency.c
        statement = sa.select(d.parent_job, d.any_end).where(d.child_job == job_id).order_by(d.parent_job)
        return tuple(Dependency(**row._asdict()) for row in self._connections.read(statement))

    def jobs(
        self, *, states: Sequence[JobState] = (), labels: Mapping[str, str] | None = None, limit: int = 100
    ) -> tuple[JobStatus, ...]:
        """Newest first."""
        statement = _jobs().order_by(t.job.c.job_id.desc()).limit(limit)
        if states:
            statement = statement.where(t.job_state.c.state.in_([state.value for state in states]))
        if labels:
            statement = statement.where(
                t.job.c.labels.op("@>")(sa.cast(sa.literal(json.dumps(dict(labels))), JSONB))
            )
        return tuple(_job(row) for row in self._connections.read(statement))

    def outcomes(
        self, job_id: int, *, task_indexes: Sequence[int] = (), final_only: bool = False
    ) -> tuple[Outcome, ...]:
        """Outcomes of a job by (task_index, attempt)."""
        self.job(job_id)
        o = t.outcome.c
        statement = (
            sa.select(
                *(o[name] for name in ("job_id", "task_index", "attempt", "state", "final", "machine_id")),
                o.exit_code,
                seconds(o.started_at).label("started_at"),
                seconds(o.ended_at).label("ended_at"),
                o.result,
                o.error,
                o.stdout_tail,
                o.stderr_tail,
            )
            .where(o.job_id == job_id)
            .order_by(o.task_index, o.attempt)
        )
        if task_indexes:
            wanted = sa.literal(list(task_indexes), sa.ARRAY(sa.BigInteger))
            statement = statement.where(o.task_index == sa.any_(wanted))
        if final_only:
            statement = statement.where(o.final)
        return tuple(
            Outcome(**row._asdict() | {"state": AttemptState(row.state), "result": bytes(row.result)})
            for row in self._connections.read(statement)
        )

    def placements(self, job_id: int) -> tuple[Placement, ...]:
        """What a job holds now, by first_index."""
        self.job(job_id)
        p = t.placement.c
        unless_preempted = (t.job.c.job_id == p.job_id) & p.preempted_by.is_(None)
        statement = (
            sa.select(t.placement, t.job.c.gpu_milli, t.job.c.custom, seconds(p.placed_at).label("at"))
            .outerjoin(t.job, unless_preempted)
            .where(p.job_id == job_id)
        )
        return tuple(
            placement(row, row.at) for row in self._connections.read(statement.order_by(p.first_index))
        )

    def retries(self, job_id: int) -> tuple[RetryRange, ...]:
        """The job's tasks that wait to run again, by first_index."""
        self.job(job_id)
        r = t.retry.c
        statement = sa.select(
            r.job_id,
            r.first_index,
            r.count,
            r.attempt,
            r.failures,
            r.lost,
            seconds(r.not_before).label("not_before"),
        ).where(r.job_id == job_id)
        return tuple(
            RetryRange(**row._asdict()) for row in self._connections.read(statement.order_by(r.first_index))
        )

    def preemptions(self, job_id: int) -> tuple[Preemption, ...]:
        """What the job took from others and what others took from it, by time."""
        self.job(job_id)
        p = t.preemption.c
        statement = (
            sa.select(
                seconds(p.at).label("at"),
                *(
                    p[name]
                    for name in ("machine_id", "winner_job", "victim_job", "first_index", "count", "attempt")
                ),
            )
            .where((p.winner_job == job_id) | (p.victim_job == job_id))
            .order_by(p.at, p.machine_id, p.victim_job, p.first_index)
        )
        return tuple(Preemption(**row._asdict()) for row in self._connections.read(statement))

    def reservations(self) -> tuple[Reservation, ...]:
        """What is reserved now, by machine."""
        r = t.reservation.c
        statement = (
            sa.select(r.machine_id, r.job_id, r.priority, seconds(r.until).label("until"))
            .where(r.until > now(self.schema))
            .order_by(r.machine_id)
        )
        return tuple(Reservation(**row._asdict()) for row in self._connections.read(statement))

    def machines(self) -> tuple[MachineStatus, ...]:
        """All machines by id."""
        held = (
            sa.select(t.placement.c.machine_id, sa.func.count().label("held"))
            .group_by(t.placement.c.machine_id)
            .subquery()
        )
        devices = (
            sa.select(
                t.device.c.machine_id,
                sa.func.array_agg(aggregate_order_by(t.device.c.used_milli, t.device.c.device_index)).label(
                    "devices"
                ),
            )
            .group_by(t.device.c.machine_id)
            .subquery()
        )
        c = t.machine_custom.c
        custom = (
            sa.select(
                c.machine_id,
                sa.func.jsonb_object_agg(c.name, c.capacity_milli).label("custom"),
                sa.func.jsonb_object_agg(c.name, c.used_milli).label("custom_used"),
            )
            .group_by(c.machine_id)
            .subquery()
        )
        statement = (
            sa.select(
                t.machine,
                t.machine_fact.c.name,
                t.machine_fact.c.attributes,
                sa.func.coalesce(held.c.held, 0).label("held"),
                devices.c.devices,
                sa.cast(custom.c.custom, JSONB).label("custom"),
                sa.cast(custom.c.custom_used, JSONB).label("custom_used"),
            )
            .join(t.machine_fact, t.machine_fact.c.machine_id == t.machine.c.machine_id)
            .outerjoin(held, held.c.machine_id == t.machine.c.machine_id)
            .outerjoin(devices, devices.c.machine_id == t.machine.c.machine_id)
            .outerjoin(custom, custom.c.machine_id == t.machine.c.machine_id)
            .order_by(t.machine.c.machine_id)
        )
        return tuple(_machine(row) for row in self._connections.read(statement))


_JOB_COLUMNS = ("job_id", "name", "namespace", "labels", "scheduler", "priority", "service")
_STATE_COLUMNS = (
    "task_count", "next_index", "placed", "succeeded", "failed", "cancelled", "never_placed", "attempts",
    "cancel_requested", "claimed_by", "reason", "held", "open", "blocked_by", "max_running",
)  # fmt: skip


def _jobs() -> Any:
    j, s = t.job.c, t.job_state.c
    waiting = (
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(t.retry.c.count), 0), sa.BigInteger))
        .where(t.retry.c.job_id == j.job_id, t.retry.c.attempt > 1)
        .scalar_subquery()
    )
    replicas = sa.case((j.service, sa.cast(j.specification["task_count"].astext, sa.BigInteger)), else_=0)
    return sa.select(
        *(j[name] for name in _JOB_COLUMNS),
        *(s[name] for name in _STATE_COLUMNS),
        s.state,
        waiting.label("waiting_retry"),
        replicas.label("replicas"),
        seconds(j.submitted_at).label("submitted_at"),
        seconds(s.first_attempt_at).label("first_attempt_at"),
        seconds(s.first_placed_at).label("first_placed_at"),
        seconds(s.ended_at).label("ended_at"),
    ).join(t.job_state, s.job_id == j.job_id)


def _unknown(job_id: int) -> NotFound:
    return NotFound(f"job j{job_id} does not exist in this cell; omega jobs lists those that do")


def _job(row: Any) -> JobStatus:
    return JobStatus(**row._asdict() | {"state": JobState(row.state)})


def _machine(row: Any) -> MachineStatus:
    devices = tuple(row.devices or ())
    return MachineStatus(
        machine_id=row.machine_id,
        name=row.name,
        worker_id=row.worker_id,
        capacity=Amounts(
            cpu_milli=row.cpu_milli,
            memory_bytes=row.memory_bytes,
            disk_bytes=row.disk_bytes,
            gpu_milli=DEVICE_MILLI * len(devices),
            custom=named_amounts(row.custom),
        ),
        used=Amounts(
            cpu_milli=row.used_cpu_milli,
            memory_bytes=row.used_memory_bytes,
            disk_bytes=row.used_disk_bytes,
            gpu_milli=sum(devices),
            custom=tuple((name, used) for name, used in named_amounts(row.custom_used) if used),
        ),
        up=row.up,
        schedulable=row.schedulable,
        epoch=row.epoch,
        version=row.version,
        claim_sequence=row.claim_sequence,
        placements=row.held,
        attributes=row.attributes,
        devices=devices,
    )
