"""Jobs whose time is up: their deadline has passed, or their client no longer renews its lease."""

from __future__ import annotations

import heapq

from omegacell.cellstate.memory.fold import withdraw
from omegacell.cellstate.memory.state import Cell, Job

CLIENT_GONE = "its program has ended"


def watch(cell: Cell, job: Job) -> None:
    """See to it that the job is looked at when its time is up."""
    times = [at for at in (job.deadline_at, job.lease_until) if at]
    if times:
        heapq.heappush(cell.expiries, (min(times), job.job_id))


def expire(cell: Cell, *, now: float) -> None:
    """End the jobs whose time is up, by id; of a renewed lease the new end is noted only here."""
    due: set[int] = set()
    while cell.expiries and cell.expiries[0][0] <= now:
        due.add(heapq.heappop(cell.expiries)[1])
    for job in [cell.jobs[job_id] for job_id in sorted(due & cell.jobs.keys())]:
        if job.state.final:
            continue
        if 0 < job.deadline_at <= now:
            reason = f"its deadline of {job.spec.deadline_seconds:.15g} s has passed"
            withdraw(cell, job, reason, stop_placements=True, failing=True, now=now)
        elif 0 < job.lease_until <= now:
            withdraw(cell, job, CLIENT_GONE, stop_placements=True, now=now)
        else:
            watch(cell, job)
