"""A cell's history, read through its store by what people read it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omegacell.bench.record.history import (
    ConstraintRecord,
    Header,
    History,
    JobRecord,
    LimitRecord,
    MachineRecord,
)
from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import AttemptState, JobSpec, JobStatus, MachineStatus, Outcome
from omegacell.cellstate.store import Store

_ALL = 2**31 - 1
_BY_ITSELF = frozenset({AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.TIMED_OUT})
_SAY_EVERY = 5_000


def record(
    store: Store, *, now: float, since: float = 0.0, say: Callable[[str], None] = lambda text: None
) -> History:
    """The machines, and the jobs submitted at `since` or later, oldest first.

    Left out are jobs that ended before anything of them was placed. Two queries a job, on purpose the ones that exist:
    recording is rare.
    """
    statuses = [one for one in store.jobs(limit=_ALL) if one.submitted_at >= since and _to_record(one)]
    statuses.sort(key=lambda one: (one.submitted_at, one.job_id))
    jobs: list[JobRecord] = []
    for number, status in enumerate(statuses, start=1):
        try:
            specification = store.specification(status.job_id)
            outcomes = store.outcomes(status.job_id)
        except NotFound:  # purged meanwhile
            continue
        jobs.append(job_record(status, specification, outcomes))
        if number % _SAY_EVERY == 0:
            say(f"{number} of {len(statuses)} jobs")
    return History(
        header=Header(recorded_at=now, since=since),
        machines=tuple(map(machine_record, store.machines())),
        jobs=tuple(jobs),
    )


def _to_record(status: JobStatus) -> bool:
    never_ran = status.state.final and not status.first_placed_at
    return _tasks(status) > 0 and not never_ran


def _tasks(status: JobStatus) -> int:
    """Of a service, the replicas that it should have, not all that it ever had."""
    return status.replicas or status.task_count


def job_record(status: JobStatus, specification: JobSpec, outcomes: Sequence[Outcome]) -> JobRecord:
    """What is kept of one job."""
    amounts = specification.amounts
    return JobRecord(
        cpu_milli=amounts.cpu_milli,
        memory_bytes=amounts.memory_bytes,
        disk_bytes=amounts.disk_bytes,
        gpu_milli=amounts.gpu_milli,
        custom=dict(amounts.custom),
        submitted_at=status.submitted_at,
        tasks=_tasks(status),
        duration_seconds=mean_seconds(outcomes, over=status.state.final),
        scheduler=status.scheduler,
        policy=specification.policy,
        detection=specification.detection,
        commit=specification.commit,
        priority=status.priority,
        constraints=tuple(
            ConstraintRecord(attribute=one.attribute, operator=one.operator, values=one.values)
            for one in specification.constraints
        ),
        anti_affinity=tuple(
            LimitRecord(attribute=one.attribute, limit=one.limit) for one in specification.anti_affinity
        ),
        spread=specification.spread,
    )


def mean_seconds(outcomes: Sequence[Outcome], *, over: bool) -> float | None:
    """How long the attempts that ended by themselves ran on average; None if none did.

    Of a job that is over, where none did (a service that was cancelled), those that were stopped count.
    """
    ran = [one for one in outcomes if one.started_at and one.ended_at >= one.started_at]
    counted = [one for one in ran if one.state in _BY_ITSELF] or (ran if over else [])
    if not counted:
        return None
    return sum(one.ended_at - one.started_at for one in counted) / len(counted)


def machine_record(status: MachineStatus) -> MachineRecord:
    """What is kept of one machine."""
    capacity = status.capacity
    return MachineRecord(
        name=status.name,
        cpu_milli=capacity.cpu_milli,
        memory_bytes=capacity.memory_bytes,
        disk_bytes=capacity.disk_bytes,
        gpu_milli=capacity.gpu_milli,
        custom=dict(capacity.custom),
        attributes=dict(status.attributes),
    )
