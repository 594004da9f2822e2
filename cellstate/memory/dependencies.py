"""What jobs wait for: other jobs that must have ended, or succeeded, before they are placed.

A job knows whom it still waits for, and the cell which jobs come after one (Cell.children), so that an end costs as
much as the jobs that come right after it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from omegacell.cellstate.memory.log import note
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.memory.withdrawal import end_or_requeue, withdraw_only
from omegacell.cellstate.model import Dependency, JobState

Due = dict[int, list[int]]
"""Of jobs that wait, by id: those of their parents that have ended."""


def block(cell: Cell, job: Job) -> list[int]:
    """Let a new job wait for its parents but for those that ended well; those that ended otherwise, for settle()."""
    named = dict.fromkeys(job.spec.after_any, True) | dict.fromkeys(job.spec.after, False)
    job.waits_for = {
        parent: any_end for parent, any_end in named.items() if not _ended_well(cell.jobs[parent], any_end)
    }
    if job.waits_for:
        job.state = JobState.BLOCKED
    ended: list[int] = []
    for parent in job.waits_for:
        if cell.jobs[parent].state.final:
            ended.append(parent)
        else:
            cell.children.setdefault(parent, []).append(job.job_id)
    return ended


def _ended_well(parent: Job, any_end: bool) -> bool:
    return parent.state is JobState.SUCCEEDED or (any_end and parent.state.final)


def due_after(cell: Cell, ended: Iterable[int]) -> Due:
    """The jobs that come after jobs that have just ended."""
    due: Due = {}
    for parent in ended:
        for child in cell.children.pop(parent, ()):
            due.setdefault(child, []).append(parent)
    return due


def settle(cell: Cell, due: Due, *, now: float) -> None:
    """Queue the jobs that wait for nothing more, cancel those that wait in vain, and so on with who waits for these.

    By id, so that all of a job's parents have been looked at before it: their ids are lower.
    """
    order = sorted(due)
    ended: list[int] = []
    while order:
        job_id = heapq.heappop(order)
        job = cell.jobs.get(job_id)
        parents = due.pop(job_id)
        if job is not None and _settle_one(cell, job, parents, now=now):
            ended.append(job_id)
            for child in due_after(cell, (job_id,)):
                if child not in due:
                    heapq.heappush(order, child)
                due.setdefault(child, []).append(job_id)
    note(cell, "ended", ended, now=now)


def _settle_one(cell: Cell, job: Job, parents: Sequence[int], *, now: float) -> bool:
    """Let a job no longer wait for parents that have ended; whether it has ended by that itself."""
    if job.state is not JobState.BLOCKED:
        return False  # it was cancelled meanwhile
    in_vain = [
        parent
        for parent in sorted(parents)
        if not job.waits_for.pop(parent) and cell.jobs[parent].state is not JobState.SUCCEEDED
    ]
    if in_vain:
        withdraw_only(cell, job, _disappointed(cell.jobs[in_vain[0]]), stop_placements=False, now=now)
    elif job.waits_for:
        return False
    job.state = JobState.PENDING
    return end_or_requeue(cell, job, now=now)


def _disappointed(parent: Job) -> str:
    how = "failed" if parent.state is JobState.FAILED else "was cancelled"
    return f"j{parent.job_id}, which it comes after, {how}"


def listing(job: Job) -> tuple[Dependency, ...]:
    """What the job still waits for, by id."""
    return tuple(
        Dependency(parent_job=parent, any_end=any_end) for parent, any_end in sorted(job.waits_for.items())
    )
