"""The processes that hold leases, and what people want of them: schedulers, workers, the fleet of a local cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from omegacell.cellstate import tables as t
from omegacell.cellstate.model import SchedulerStatus, Wanted, WorkerStatus
from omegacell.cellstate.postgres.calls import Calls
from omegacell.cellstate.postgres.times import now, seconds


class ProcessCalls(Calls):
    """Who lives, and what he is to do; their contract is store.ClientStore's."""

    def schedulers(self) -> tuple[SchedulerStatus, ...]:
        """All schedulers that ever registered, by id."""
        rows = self._connections.read(_schedulers(self.schema).order_by(t.scheduler.c.scheduler_id))
        return tuple(_scheduler(row) for row in rows)

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
            (w.expires_at > now(self.schema)).label("alive"),
            count.label("machine_count"),
            w.address,
        ).order_by(w.worker_id)
        return tuple(WorkerStatus(**row._asdict()) for row in self._connections.read(statement))

    def control_scheduler(
        self, name: str, *, wanted: Wanted | None = None, policy: str | None = None
    ) -> SchedulerStatus:
        """Say what a scheduler is to do from its next renewal on."""
        said = None if wanted is None else wanted.value
        scheduler_id = self._connections.call("control_scheduler", name, said, policy)[0][0]
        statement = _schedulers(self.schema).where(t.scheduler.c.scheduler_id == scheduler_id)
        return _scheduler(self._connections.read(statement)[0])

    def fleet(self) -> Mapping[str, int]:
        """How many schedulers of a kind people asked for, by kind."""
        f = t.fleet.c
        rows = self._connections.read(sa.select(f.kind, f.wanted).order_by(f.kind))
        return {row.kind: row.wanted for row in rows}

    def set_fleet(self, kind: str, count: int) -> None:
        """Ask for so many schedulers of a kind."""
        self._connections.call("set_fleet", kind, count)


_SCHEDULER_COLUMNS = (
    "scheduler_id", "name", "kind", "token", "transactions_succeeded", "transactions_failed", "claims",
    "claims_refused", "placements", "attempts", "busy_seconds", "wanted", "policy",
)  # fmt: skip


def _schedulers(schema: str) -> Any:
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
    return sa.select(
        *(s[name] for name in _SCHEDULER_COLUMNS),
        (s.expires_at > now(schema)).label("alive"),
        seconds(s.expires_at).label("expires_at"),
        seconds(s.registered_at).label("registered_at"),
        sa.func.coalesce(waits.c.jobs_claimed, 0).label("jobs_claimed"),
        sa.cast(sa.func.coalesce(waits.c.p50, 0), sa.Float(53)).label("wait_p50_seconds"),
        sa.cast(sa.func.coalesce(waits.c.p99, 0), sa.Float(53)).label("wait_p99_seconds"),
    ).outerjoin(waits, waits.c.first_scheduler == s.scheduler_id)


def _scheduler(row: Any) -> SchedulerStatus:
    return SchedulerStatus(**row._asdict() | {"wanted": Wanted(row.wanted)})
