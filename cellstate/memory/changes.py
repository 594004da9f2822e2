"""What clients change of jobs that are stored: cancelled, held, tried again, or altered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.memory import slots
from omegacell.cellstate.memory.fold import CANCELLED, fold, withdraw
from omegacell.cellstate.memory.log import note
from omegacell.cellstate.memory.queueing import requeue
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.memory.withdrawal import cancel_unnumbered, cancel_waiting
from omegacell.cellstate.model import AttemptState, JobState, Outcome, RetryRange, Stop


def cancel(cell: Cell, job: Job, *, now: float) -> None:
    """Withdraw a job by request."""
    withdraw(cell, job, CANCELLED, stop_placements=True, now=now)


def hold(cell: Cell, job: Job, *, held: bool, now: float) -> None:
    """Let a job be placed no more, or again; a final one stays as it is."""
    if job.held != held and not job.state.final:
        job.held = held
        requeue(cell, job, now=now)
        note(cell, "changed", (job.job_id,), "held" if held else "released", now=now)


def retry_failed(cell: Cell, job: Job, *, now: float) -> None:
    """Let a failed job run again what has no result."""
    if job.state is JobState.SUCCEEDED:
        return
    if job.state is not JobState.FAILED:
        raise SpecInvalid(
            f"job j{job.job_id} is {job.state}, expected a failed one; "
            "what was cancelled is submitted anew, and what runs ends first"
        )
    without_result = [one for one in job.outcomes if one.final and one.state is not AttemptState.SUCCEEDED]
    for retry in _again(without_result, now=now):
        job.retries.add(retry)
    job.outcomes = [
        one if one.state is AttemptState.SUCCEEDED else replace(one, final=False) for one in job.outcomes
    ]
    job.failed = job.cancelled = job.never_placed = job.fruitless = job.conflicts = 0
    job.cancel_requested = job.failing = False
    job.reason = ""
    job.deadline_at = job.lease_until = job.ended_at = 0.0
    job.state = JobState.PENDING
    del cell.ended[job.job_id]
    note(cell, "changed", (job.job_id,), "retried", now=now)
    fold(cell, (job.job_id,), now=now)


def _again(ended: list[Outcome], *, now: float) -> list[RetryRange]:
    """The next attempts of these tasks with budgets like new, neighbours of one attempt together."""
    again: list[RetryRange] = []
    for outcome in sorted(ended, key=lambda one: one.task_index):
        last = again[-1] if again else None
        attempt = outcome.attempt + 1
        if last and (last.first_index + last.count, last.attempt) == (outcome.task_index, attempt):
            again[-1] = replace(last, count=last.count + 1)
        else:
            again.append(
                RetryRange(
                    job_id=outcome.job_id,
                    first_index=outcome.task_index,
                    count=1,
                    attempt=attempt,
                    failures=0,
                    lost=0,
                    not_before=now,
                )
            )
    return again


def alter(
    cell: Cell,
    job: Job,
    *,
    replicas: int | None,
    priority: int | None,
    labels: Mapping[str, str] | None,
    now: float,
) -> None:
    """Change a job that has not ended: all that is asked, or nothing."""
    _refuse_altering(job, replicas, priority)
    changed: list[str] = []
    if priority is not None and priority != job.spec.priority:
        changed.append(f"priority {priority}")
        job.spec = replace(job.spec, priority=priority)
        cell.queue.rank(job.job_id, priority=priority)
    if labels is not None and dict(labels) != dict(job.spec.labels):
        changed.append("labels")
        job.spec = replace(job.spec, labels=dict(labels))
    if replicas is not None and replicas != job.spec.task_count:
        changed.append(f"scaled to {replicas}")
        more = replicas - job.spec.task_count
        job.spec = replace(job.spec, task_count=replicas)
        if more > 0:
            job.task_count += more
        else:
            _drop_replicas(cell, job, -more, now=now)
        requeue(cell, job, now=now)
    if changed:
        note(cell, "changed", (job.job_id,), ", ".join(changed), now=now)


def _refuse_altering(job: Job, replicas: int | None, priority: int | None) -> None:
    if job.state.final or job.cancel_requested:
        how = str(job.state) if job.state.final else "being cancelled"
        raise SpecInvalid(f"job j{job.job_id} is {how}, expected one that goes on; submit it anew")
    if priority is not None and not 0 <= priority <= 1000:
        raise SpecInvalid(f"priority of job j{job.job_id} is {priority}, expected 0 to 1000")
    if replicas is None:
        return
    if not job.spec.service:
        raise SpecInvalid(
            f"job j{job.job_id} is no service and has no replicas to scale to {replicas}; submit another job"
        )
    if replicas < 0:
        raise SpecInvalid(f"replicas of service j{job.job_id} is {replicas}, expected 0 or more")


def _drop_replicas(cell: Cell, job: Job, surplus: int, *, now: float) -> None:
    """Cancel so many replicas of a service, those first whose end is cheapest; its slots hold one each."""
    unnumbered = min(job.unnumbered, surplus)
    cancel_unnumbered(job, unnumbered)
    surplus -= unnumbered
    for waiting in reversed(list(job.retries)):
        count = min(waiting.count, surplus)
        end = waiting.first_index + waiting.count
        cancel_waiting(job, job.retries.cut(end - count, end), now=now)
        surplus -= count
    by_index = sorted(job.placements.items(), reverse=True)
    running = [slot for _, slot in by_index if slot.stop is not Stop.CANCEL]
    slots.stop(cell, running[:surplus], Stop.CANCEL)
