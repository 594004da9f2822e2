"""What follows when a placement ends: which attempts are run again, when, and what the others count as."""

from __future__ import annotations

from omegacell.cellstate.backoff import delay_seconds
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.model import (
    AttemptState,
    Ended,
    JobSpec,
    OnLost,
    Outcome,
    Placement,
    RetryRange,
    TaskState,
)


def what_follows(
    spec: JobSpec,
    placement: Placement,
    *,
    state: AttemptState,
    cancel_requested: bool,
    ran_seconds: float,
    now: float,
) -> RetryRange | TaskState:
    """The next attempt of a task whose attempt ended in `state`, or the final state it counts as.

    The rules are those of WorkerStore.report_ended; this is their one home in Python.
    """
    if state is AttemptState.SUCCEEDED and (cancel_requested or not spec.service):
        return TaskState.SUCCEEDED
    if state is AttemptState.CANCELLED or cancel_requested:
        return TaskState.CANCELLED
    if state in (AttemptState.PREEMPTED, AttemptState.LOST):
        unwanted = state is AttemptState.LOST and spec.on_lost is OnLost.FAIL
        if not spec.service and (unwanted or placement.lost >= spec.max_lost):
            return TaskState.FAILED
        return _next_attempt(placement, failures=placement.failures, lost=placement.lost + 1, at=now)
    if not spec.service and placement.failures >= spec.retries:
        return TaskState.FAILED
    return _after_backoff(spec, placement, ran_seconds=ran_seconds, now=now)


def _after_backoff(spec: JobSpec, placement: Placement, *, ran_seconds: float, now: float) -> RetryRange:
    """The next attempt of a task that ended by itself; a service that ran for long starts counting anew."""
    steady = spec.service and ran_seconds > spec.backoff_max_seconds
    failures = 1 if steady else placement.failures + 1
    delay = delay_seconds(
        backoff_seconds=spec.backoff_seconds,
        backoff_max_seconds=spec.backoff_max_seconds,
        failures=failures,
        job_id=placement.job_id,
        task_index=placement.first_index,
    )
    return _next_attempt(placement, failures=failures, lost=placement.lost, at=now + delay)


def _next_attempt(placement: Placement, *, failures: int, lost: int, at: float) -> RetryRange:
    return RetryRange(
        job_id=placement.job_id,
        first_index=placement.first_index,
        count=placement.count,
        attempt=placement.attempt + 1,
        failures=failures,
        lost=lost,
        not_before=at,
    )


def end_placement(cell: Cell, job: Job, placement: Placement, ended: Ended, *, now: float) -> None:
    """Free what a placement held, record how it ended, and queue or count its task. The job is not folded."""
    machine = cell.machines[placement.machine_id]
    machine.holds.remove((placement.job_id, placement.first_index))
    for index, amount in enumerate(job.amounts):
        machine.used[index] -= amount
    del job.placements[placement.first_index]
    job.placed_on[placement.machine_id] -= 1
    if not job.placed_on[placement.machine_id]:
        del job.placed_on[placement.machine_id]
    follows = what_follows(
        job.spec,
        placement,
        state=ended.state,
        cancel_requested=job.cancel_requested,
        ran_seconds=ended.ended_at - ended.started_at if ended.started_at else 0.0,
        now=now,
    )
    job.outcomes.append(_outcome(ended, final=not isinstance(follows, RetryRange)))
    if isinstance(follows, RetryRange):
        job.retries.add(follows)
    elif follows is TaskState.SUCCEEDED:
        job.succeeded += 1
    elif follows is TaskState.FAILED:
        job.failed += 1
    else:
        job.cancelled += 1


def _outcome(ended: Ended, *, final: bool) -> Outcome:
    return Outcome(
        job_id=ended.job_id,
        task_index=ended.first_index,
        attempt=ended.attempt,
        state=ended.state,
        final=final,
        machine_id=ended.machine_id,
        exit_code=ended.exit_code,
        started_at=ended.started_at,
        ended_at=ended.ended_at,
        result=ended.result,
        error=ended.error,
        stdout_tail=ended.stdout_tail,
        stderr_tail=ended.stderr_tail,
    )
