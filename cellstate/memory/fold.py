"""Where a job stands after something happened to its tasks: final, queued, or neither."""

from __future__ import annotations

from collections.abc import Iterable

from omegacell.cellstate.memory import slots
from omegacell.cellstate.memory.dependencies import due_after, settle
from omegacell.cellstate.memory.log import note
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.memory.withdrawal import cancel_waiting, end_or_requeue, withdraw_only
from omegacell.cellstate.model import CommitMode, Placement, Stop

GAVE_UP = "gave up: nothing more will be placed"
CANCELLED = "cancelled by request"


def fold(cell: Cell, job_ids: Iterable[int], *, now: float) -> None:
    """End jobs that have come to their end, queue those that have work again, and settle what waits for them."""
    job_ids = sorted(set(job_ids))
    ended = [job_id for job_id in job_ids if _fold_one(cell, cell.jobs[job_id], now=now)]
    note(cell, "ended", ended, now=now)
    restart_gangs(cell, job_ids)
    settle(cell, due_after(cell, ended), now=now)


def _fold_one(cell: Cell, job: Job, *, now: float) -> bool:
    """Whether the job ended."""
    if job.state.final:
        return False
    most = job.spec.max_failures
    if most and job.failed >= most and not job.cancel_requested:
        reason = f"max_failures={most} was reached"
        withdraw_only(cell, job, reason, stop_placements=True, failing=True, now=now)
    if job.cancel_requested:
        cancel_waiting(job, job.retries.cut(0, job.task_count), now=now)
    return end_or_requeue(cell, job, now=now)


def withdraw(
    cell: Cell, job: Job, reason: str, *, stop_placements: bool, failing: bool = False, now: float
) -> None:
    """Place nothing more of a job and, where asked, stop what it has placed; no effect on a final one."""
    if not job.state.final:
        withdraw_only(cell, job, reason, stop_placements=stop_placements, failing=failing, now=now)
        fold(cell, (job.job_id,), now=now)


def restart_gangs(cell: Cell, job_ids: Iterable[int]) -> None:
    """Stop what gangs that fell short of their minimum still hold; a machine's version rises once for all of them."""
    short = [slot for job_id in job_ids for slot in _left_of_short_gang(cell.jobs[job_id])]
    slots.stop(cell, short, Stop.PREEMPT)


def _left_of_short_gang(job: Job) -> list[Placement]:
    """What a gang that fell short of its minimum still holds: stopped, its tasks start together again."""
    if job.spec.commit is not CommitMode.GANG or job.cancel_requested or not job.unplaced:
        return []
    if job.live_slots >= (job.spec.gang_min or job.task_count) - job.ended:
        return []
    return [slot for slot in job.placements.values() if slot.stop is Stop.NONE]
