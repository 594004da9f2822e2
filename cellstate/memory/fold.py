"""Where a job stands after something happened to its tasks: final, queued, or neither."""

from __future__ import annotations

from collections.abc import Iterable

from omegacell.cellstate.memory import slots
from omegacell.cellstate.memory.reservations import let_go
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.model import AttemptState, CommitMode, JobState, Outcome, Placement, Stop

GAVE_UP = "gave up: nothing more will be placed"
CANCELLED = "cancelled by request"


def fold(cell: Cell, job_ids: Iterable[int], *, now: float) -> None:
    """Set the final state of jobs that have come to their end, and queue those that have work again."""
    job_ids = sorted(set(job_ids))
    for job_id in job_ids:
        job = cell.jobs[job_id]
        if job.state.final:
            continue
        if job.cancel_requested:
            _cancel_retries(job, now=now)
        if not job.placements and not job.has_work:
            job.state = _final_state(job)
            job.ended_at = now
            cell.ended.append(job_id)
        else:
            requeue(cell, job, now=now)
    restart_gangs(cell, job_ids)


def _final_state(job: Job) -> JobState:
    if job.succeeded == job.spec.task_count:
        return JobState.SUCCEEDED
    return JobState.CANCELLED if job.cancel_requested else JobState.FAILED


def restart_gangs(cell: Cell, job_ids: Iterable[int]) -> None:
    """Stop what gangs that fell short of their minimum still hold; a machine's version rises once for all of them."""
    _stop(cell, [slot for job_id in job_ids for slot in _left_of_short_gang(cell.jobs[job_id])], Stop.PREEMPT)


def _left_of_short_gang(job: Job) -> list[Placement]:
    """What a gang that fell short of its minimum still holds: stopped, its tasks start together again."""
    spec = job.spec
    if spec.commit is not CommitMode.GANG or job.cancel_requested or not job.has_work:
        return []
    ended = job.succeeded + job.failed + job.cancelled
    if job.live_slots >= (spec.gang_min or spec.task_count) - ended:
        return []
    return [slot for slot in job.placements.values() if slot.stop is Stop.NONE]


def requeue(cell: Cell, job: Job, *, now: float, not_before: float = 0.0) -> None:
    """Queue a job that has work and is nobody's, from `not_before` on or from when it can be placed."""
    if job.state.final or job.claimed_by or not job.has_work:
        return
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


def withdraw(cell: Cell, job: Job, reason: str, *, stop_placements: bool, now: float) -> None:
    """Place nothing more of a job and, where asked, stop what it has placed; no effect on a final one."""
    if job.state.final:
        return
    if not job.cancel_requested:
        job.cancel_requested = True
        job.reason = reason
    job.cancelled += job.unnumbered
    job.never_placed += job.unnumbered
    if stop_placements:
        _stop(cell, [slot for slot in job.placements.values() if slot.stop is not Stop.CANCEL], Stop.CANCEL)
    let_go(cell, job)
    unclaim(cell, job)
    cell.queue.remove(job.job_id)
    fold(cell, (job.job_id,), now=now)


def _cancel_retries(job: Job, *, now: float) -> None:
    """Give every task that waits to run again its final outcome."""
    for retry in job.retries:
        for task_index in range(retry.first_index, retry.first_index + retry.count):
            job.outcomes.append(
                Outcome(
                    job_id=job.job_id,
                    task_index=task_index,
                    attempt=retry.attempt,
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
        job.cancelled += retry.count
    job.retries.clear()


def _stop(cell: Cell, told: Iterable[Placement], stop: Stop) -> None:
    """Ask that slots end; their workers' reports free the machines.

    Only workers are told, by the version: nothing that schedulers read has changed, so the feed is silent.
    """
    touched: set[int] = set()
    for slot in told:
        slots.tell(cell, slot, stop)
        touched.add(slot.machine_id)
    for machine_id in touched:
        cell.machines[machine_id].version += 1
