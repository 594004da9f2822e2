"""What follows when a slot ends: which tasks run again, when, and what the others count as."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from omegacell.cellstate.backoff import delay_seconds
from omegacell.cellstate.memory import slots
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.model import (
    AttemptState,
    Ended,
    JobSpec,
    OnLost,
    Outcome,
    Placement,
    RetryRange,
    Stop,
    TaskState,
)


def end_slot(
    cell: Cell, slot: Placement, reports: Mapping[int, Ended], *, now: float, kept: int = -1
) -> None:
    """End a slot of which `reports` says how tasks ended, by index; it goes on with the task `kept`, if any.

    Frees what it held, records the outcomes, and queues or counts its tasks: those of which nothing is said
    wait to be placed at once. The job is not folded.
    """
    job = cell.jobs[slot.job_id]
    slots.drop(cell, slot)
    again: list[RetryRange] = []
    for task_index in range(slot.first_index, slot.first_index + slot.count):
        if task_index == kept:
            slots.put(cell, replace(slot, first_index=kept, count=1))
        elif task_index in reports:
            again += _end_task(job, slot, reports[task_index], now=now)
        else:
            again.append(_next_attempt(slot, task_index, failures=slot.failures, lost=slot.lost, at=now))
    for retry in _joined(again):
        job.retries.add(retry)


def _end_task(job: Job, slot: Placement, ended: Ended, *, now: float) -> list[RetryRange]:
    """Record how one task ended, and count it; its next attempt, if there is one."""
    if ended.started_at > 0 and ended.state in (AttemptState.SUCCEEDED, AttemptState.FAILED):
        job.measured_tasks += 1
        job.measured_microseconds += max(0, math.floor((ended.ended_at - ended.started_at) * 1e6))
    cancelled = job.cancel_requested or slot.stop is Stop.CANCEL
    follows = what_follows(job.spec, slot, ended, cancelled=cancelled, now=now)
    job.outcomes.append(_outcome(ended, final=not isinstance(follows, RetryRange)))
    if isinstance(follows, RetryRange):
        return [follows]
    job.succeeded += follows is TaskState.SUCCEEDED
    job.failed += follows is TaskState.FAILED
    job.cancelled += follows is TaskState.CANCELLED
    return []


def what_follows(
    spec: JobSpec, slot: Placement, ended: Ended, *, cancelled: bool, now: float
) -> RetryRange | TaskState:
    """The next attempt of a slot's task, by how this one ended, or the final state it counts as.

    `cancelled` says that its job's cancellation was asked for, or that the slot was told to stop for good. The
    rules are those of WorkerStore.report_ended; this is their one home in Python.
    """
    state, task_index = ended.state, ended.task_index
    if state is AttemptState.SUCCEEDED and (cancelled or not spec.service):
        return TaskState.SUCCEEDED
    if state is AttemptState.CANCELLED or cancelled:
        return TaskState.CANCELLED
    if state in (AttemptState.PREEMPTED, AttemptState.LOST):
        unwanted = state is AttemptState.LOST and spec.on_lost is OnLost.FAIL
        if not spec.service and (unwanted or slot.lost >= spec.max_lost):
            return TaskState.FAILED
        return _next_attempt(slot, task_index, failures=slot.failures, lost=slot.lost + 1, at=now)
    if not spec.service and slot.failures >= spec.retries:
        return TaskState.FAILED
    return _after_backoff(spec, slot, ended, now=now)


def _after_backoff(spec: JobSpec, slot: Placement, ended: Ended, *, now: float) -> RetryRange:
    """The next attempt of a task that ended by itself; a service that ran for long starts counting anew."""
    ran_seconds = ended.ended_at - ended.started_at if ended.started_at else 0.0
    steady = spec.service and ran_seconds > spec.backoff_max_seconds
    failures = 1 if steady else slot.failures + 1
    delay = delay_seconds(
        backoff_seconds=spec.backoff_seconds,
        backoff_max_seconds=spec.backoff_max_seconds,
        failures=failures,
        job_id=slot.job_id,
        task_index=ended.task_index,
    )
    return _next_attempt(slot, ended.task_index, failures=failures, lost=slot.lost, at=now + delay)


def _next_attempt(slot: Placement, task_index: int, *, failures: int, lost: int, at: float) -> RetryRange:
    return RetryRange(
        job_id=slot.job_id,
        first_index=task_index,
        count=1,
        attempt=slot.attempt + 1,
        failures=failures,
        lost=lost,
        not_before=at,
    )


def _joined(again: Iterable[RetryRange]) -> list[RetryRange]:
    """Ranges by index, with neighbours that differ in nothing else made one."""
    joined: list[RetryRange] = []
    for retry in again:
        if joined:
            last = joined[-1]
            if retry == replace(last, first_index=last.first_index + last.count, count=1):
                joined[-1] = replace(last, count=last.count + 1)
                continue
        joined.append(retry)
    return joined


def _outcome(ended: Ended, *, final: bool) -> Outcome:
    return Outcome(
        job_id=ended.job_id,
        task_index=ended.task_index,
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
