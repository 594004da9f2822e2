"""Jobs and tasks that are no longer wanted, and how a job ends once it has nothing left."""

from __future__ import annotations

from collections.abc import Iterable

from omegacell.cellstate.memory import slots
from omegacell.cellstate.memory.queueing import requeue, unclaim
from omegacell.cellstate.memory.reservations import let_go
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.model import AttemptState, JobState, Outcome, RetryRange, Stop


def withdraw_only(
    cell: Cell, job: Job, reason: str, *, stop_placements: bool, failing: bool = False, now: float
) -> None:
    """Place nothing more of a job that is not final and, where asked, stop what it has placed; it is not folded.

    The first reason stays, and decides whether the job ends as failed (`failing`) or cancelled.
    """
    if not job.cancel_requested:
        job.cancel_requested, job.failing, job.reason = True, failing, reason
    job.open = False
    job.waits_for.clear()
    cancel_unnumbered(job, job.unnumbered)
    cancel_waiting(job, job.retries.cut(0, job.task_count), now=now)
    if stop_placements:
        told = [slot for slot in job.placements.values() if slot.stop is not Stop.CANCEL]
        slots.stop(cell, told, Stop.CANCEL)
    let_go(cell, job)
    unclaim(cell, job)
    cell.queue.remove(job.job_id)


def cancel_unnumbered(job: Job, tasks: int) -> None:
    """So many tasks will never get an index."""
    job.cancelled += tasks
    job.never_placed += tasks


def cancel_waiting(job: Job, ranges: Iterable[RetryRange], *, now: float) -> None:
    """Give tasks that waited, and no longer do, their final outcomes."""
    for waited in ranges:
        for task_index in range(waited.first_index, waited.first_index + waited.count):
            job.outcomes.append(
                Outcome(
                    job_id=job.job_id,
                    task_index=task_index,
                    attempt=waited.attempt,
                    state=AttemptState.CANCELLED,
                    final=True,
                    machine_id=0,
                    exit_code=-1,
                    started_at=0.0,
                    ended_at=now,
                    result=b"",
                    error="",
                    stdout_tail="",
                    stderr_tail="",
                )
            )
        job.cancelled += waited.count


def end_or_requeue(cell: Cell, job: Job, *, now: float) -> bool:
    """Let a job that is not final end if it has nothing left, else be queued if it has work; whether it ended."""
    if job.open or job.waits_for or job.placements or job.unplaced:
        requeue(cell, job, now=now)
        return False
    job.state = _final_state(job)
    job.ended_at = now
    unclaim(cell, job)
    cell.queue.remove(job.job_id)
    cell.ended[job.job_id] = None
    return True


def _final_state(job: Job) -> JobState:
    """How the job ended; the rules are those of WorkerStore.fold. One that was withdrawn before it had a task, did
    not succeed.
    """
    if job.succeeded == job.task_count and (job.task_count or not job.cancel_requested):
        return JobState.SUCCEEDED
    if job.failing:
        return JobState.FAILED
    if job.cancel_requested or not job.failed:
        return JobState.CANCELLED
    return JobState.FAILED
