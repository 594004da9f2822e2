"""Where a job with work is: in the queue, or with the scheduler that has claimed it. Without work it is in neither."""

from __future__ import annotations

from omegacell.cellstate.memory.state import Cell, Job


def requeue(cell: Cell, job: Job, *, now: float, not_before: float = 0.0) -> None:
    """Queue a job that has work and is nobody's, from `not_before` on or from when it can be placed.

    One that has none any more is taken from the queue, or from who claimed it.
    """
    if not job.has_work:
        unclaim(cell, job)
        cell.queue.remove(job.job_id)
    elif not job.claimed_by:
        placeable = job.unnumbered > 0 or job.retries.due(now) > 0
        earliest = now if placeable else job.retries.next_not_before()
        cell.queue.put(
            job.job_id,
            kind=job.spec.scheduler,
            priority=job.spec.priority,
            not_before=max(earliest, not_before),
        )


def unclaim(cell: Cell, job: Job) -> None:
    """Let a job be nobody's, without queueing it."""
    if job.claimed_by:
        cell.schedulers[job.claimed_by].claimed.discard(job.job_id)
        job.claimed_by = 0
