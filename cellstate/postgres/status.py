"""Listings for people: jobs, outcomes, machines, schedulers, workers, by SQLAlchemy Core on tables.py."""

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
    JobState,
    JobStatus,
    MachineStatus,
    Outcome,
    Placement,
    Preemption,
    Reservation,
    RetryRange,
    SchedulerStatus,
    WorkerStatus,
)
from omegacell.cellstate.postgres.calls import Calls
from omegacell.cellstate.postgres.rows import named_amounts, placement


def seconds(column: Any) -> Any:
    """A timestamp as seconds since the epoch, 0 where it is null."""
    return sa.cast(sa.func.coalesce(sa.extract("epoch", column), 0), sa.Float(53))


class StatusCalls(Calls):
    """What there is, as values; their contract is store.ClientStore's."""

    def job(self, job_id: int) -> JobStatus:
        """One job's status."""
        rows = self._connections.read(_jobs().where(t.job.c.job_id == job_id))
        if not rows:
            raise NotFound(f"job j{job_id} does not exist in this cell; omega jobs lists those that do")
        return _job(rows[0])

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
            .where(r.until > _now(self.schema))
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

    def schedulers(self) -> tuple[SchedulerStatus, ...]:
        """All schedulers that ever registered, by id."""
        s, j = t.scheduler.c, t.job_state.c
        since = t.scheduler.alias("since")  # counters start anew with each registration
        wait = sa.extract("epoch", j.first_attempt_at) - sa.extract("epoch", t.job.c.submitted_at)
        waits = (
            sa.select(
                j.first_scheduler,
                sa.func.count().label("jobs_claimed"),
                sa.func.percentile_cont(0.5).within_group(wait).label("p50"),
                sa.func.percentile_cont(0.99).within_group(wait).label("p99"),
            )
            .join(t.job, t.job.c.job_id == j.job_id)
            .join(
                since,
                (since.c.scheduler_id == j.first_scheduler) & (j.first_attempt_at >= since.c.registered_at),
            )
            .group_by(j.first_scheduler)
            .subquery()
        )
        statement = (
            sa.select(
                *(s[name] for name in _SCHEDULER_COLUMNS),
                (s.expires_at > _now(self.schema)).label("alive"),
                seconds(s.expires_at).label("expires_at"),
                seconds(s.registered_at).label("registered_at"),
                sa.func.coalesce(waits.c.jobs_claimed, 0).label("jobs_claimed"),
                sa.cast(sa.func.coalesce(waits.c.p50, 0), sa.Float(53)).label("wait_p50_seconds"),
                sa.cast(sa.func.coalesce(waits.c.p99, 0), sa.Float(53)).label("wait_p99_seconds"),
            )
            .outerjoin(waits, waits.c.first_scheduler == s.scheduler_id)
            .order_by(s.scheduler_id)
        )
        return tuple(SchedulerStatus(**row._asdict()) for row in self._connections.read(statement))

    def workers(self) -> tuple[WorkerStatus, ...]:
        """All workers that ever registered, by id."""
        w = t.worker.c
        count = (
            sa.select(sa.func.count())
            .select_from(t.machine)
            .where(t.machine.c.worker_id == w.worker_id, t.machine.c.up)
            .scalar_subquery()
        )
        statement = sa.select(
            w.worker_id,
            w.name,
            w.host,
            w.boot_id,
            w.pid,
            w.log_directory,
            w.token,
            seconds(w.expires_at).label("expires_at"),
            (w.expires_at > _now(self.schema)).label("alive"),
            count.label("machine_count"),
        ).order_by(w.worker_id)
        return tuple(WorkerStatus(**row._asdict()) for row in self._connections.read(statement))


_SCHEDULER_COLUMNS = (
    "scheduler_id", "name", "kind", "token", "transactions_succeeded", "transactions_failed", "claims",
    "claims_refused", "placements", "attempts", "busy_seconds",
)  # fmt: skip
_JOB_COLUMNS = ("job_id", "name", "namespace", "labels", "scheduler", "priority", "service")
_STATE_COLUMNS = (
    "task_count", "next_index", "placed", "succeeded", "failed", "cancelled", "never_placed", "attempts",
    "cancel_requested", "claimed_by", "reason",
)  # fmt: skip


def _now(schema: str) -> Any:
    """The store's present: cell_now()."""
    return getattr(sa.func, schema).cell_now()


def _jobs() -> Any:
    j, s = t.job.c, t.job_state.c
    waiting = (
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(t.retry.c.count), 0), sa.BigInteger))
        .where(t.retry.c.job_id == j.job_id)
        .scalar_subquery()
    )
    return sa.select(
        *(j[name] for name in _JOB_COLUMNS),
        *(s[name] for name in _STATE_COLUMNS),
        s.state,
        waiting.label("waiting_retry"),
        seconds(j.submitted_at).label("submitted_at"),
        seconds(s.first_attempt_at).label("first_attempt_at"),
        seconds(s.first_placed_at).label("first_placed_at"),
        seconds(s.ended_at).label("ended_at"),
    ).join(t.job_state, s.job_id == j.job_id)


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
