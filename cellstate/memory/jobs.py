"""What clients see of jobs, and which of them a purge forgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.model import JobState, JobStatus, Outcome, TaskDefinition


def purge(cell: Cell, *, ended_before: float) -> int:
    """Forget the jobs that ended before then; how many."""
    purged = 0
    while cell.ended and cell.jobs[oldest := next(iter(cell.ended))].ended_at < ended_before:
        del cell.ended[oldest]
        job = cell.jobs.pop(oldest)
        del cell.job_of_submission[job.submission_id]
        for scheduler in cell.schedulers.values():
            scheduler.first_attempts.pop(job.job_id, None)
        if job.spec.key:
            del cell.job_of_key[(job.spec.namespace, job.spec.key)]
        purged += 1
    return purged


def find(cell: Cell, job_id: int) -> Job:
    """The job of an id; NotFound if there is none."""
    job = cell.jobs.get(job_id)
    if job is None:
        raise NotFound(f"there is no job j{job_id}; see `omega jobs` for those there are")
    return job


def listing(
    cell: Cell, *, states: Sequence[JobState], labels: Mapping[str, str], limit: int
) -> tuple[JobStatus, ...]:
    """Newest first, at most `limit`."""
    found: list[JobStatus] = []
    for job in _newest_first(cell):
        if len(found) >= limit:
            break
        if states and job.state not in states:
            continue
        if all(job.spec.labels.get(name) == value for name, value in labels.items()):
            found.append(status(job))
    return tuple(found)


def _newest_first(cell: Cell) -> Iterator[Job]:
    return reversed(cell.jobs.values())


def status(job: Job) -> JobStatus:
    """Where the job stands."""
    return JobStatus(
        job_id=job.job_id,
        name=job.spec.name,
        namespace=job.spec.namespace,
        labels=dict(job.spec.labels),
        scheduler=job.spec.scheduler,
        priority=job.spec.priority,
        service=job.spec.service,
        state=job.state,
        task_count=job.task_count,
        next_index=job.next_index,
        placed=job.placed,
        waiting_retry=job.retries.tasks_again,
        succeeded=job.succeeded,
        failed=job.failed,
        cancelled=job.cancelled,
        never_placed=job.never_placed,
        attempts=job.attempts,
        cancel_requested=job.cancel_requested,
        claimed_by=job.claimed_by,
        reason=job.reason,
        submitted_at=job.submitted_at,
        first_attempt_at=job.first_attempt_at,
        first_placed_at=job.first_placed_at,
        ended_at=job.ended_at,
        held=job.held,
        open=job.open,
        blocked_by=len(job.waits_for),
        max_running=job.spec.max_running,
        replicas=job.spec.task_count if job.spec.service else 0,
    )


def outcomes(job: Job, *, task_indexes: Sequence[int], final_only: bool) -> tuple[Outcome, ...]:
    """By (task_index, attempt)."""
    wanted = set(task_indexes)
    return tuple(
        sorted(
            (
                outcome
                for outcome in job.outcomes
                if (not wanted or outcome.task_index in wanted) and (outcome.final or not final_only)
            ),
            key=lambda outcome: (outcome.task_index, outcome.attempt),
        )
    )


def definition(job: Job) -> TaskDefinition:
    """What a worker needs to run the job's tasks."""
    return TaskDefinition(
        job_id=job.job_id,
        name=job.spec.name,
        kind=job.spec.kind,
        command=job.spec.command,
        payload=job.spec.payload,
        env=job.spec.task_env(),
        cwd=job.spec.task_cwd(),
        timeout_seconds=job.spec.timeout_seconds,
        expected_duration_seconds=job.spec.expected_duration_seconds,
        amounts=job.spec.amounts,
        task_count=job.task_count,
        has_inputs=bool(job.inputs),
        service=job.spec.service,
        ports=job.spec.ports,
        health=job.spec.health,
    )
