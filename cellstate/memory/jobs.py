"""What clients do with jobs: submit, cancel, look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from omegacell.cellstate.errors import KeyConflict, NotFound
from omegacell.cellstate.memory.fold import CANCELLED, requeue, withdraw
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.model import JobState, JobStatus, Outcome, Submission, Submitted, TaskDefinition
from omegacell.cellstate.specification import differing_fields, to_json


def submit(cell: Cell, submissions: Sequence[Submission], *, now: float) -> tuple[Submitted, ...]:
    """Store all jobs or none: everything that can be refused is, before the first is stored."""
    staged: list[Submission] = []
    answers: list[Submitted] = []
    of_submission: dict[UUID, int] = {}
    of_key: dict[tuple[str, str], int] = {}
    first_id = cell.last_job_id + 1
    for submission in submissions:
        key = (submission.spec.namespace, submission.spec.key)
        known = cell.job_of_submission.get(submission.submission_id) or of_submission.get(
            submission.submission_id
        )
        if known is None and submission.spec.key:
            known = cell.job_of_key.get(key) or of_key.get(key)
            if known is not None:
                stored = cell.jobs.get(known) or staged[known - first_id]
                _refuse_another(stored, submission, known)
        if known is not None:
            answers.append(Submitted(job_id=known, created=False))
            continue
        job_id = first_id + len(staged)
        of_submission[submission.submission_id] = job_id
        if submission.spec.key:
            of_key[key] = job_id
        staged.append(submission)
        answers.append(Submitted(job_id=job_id, created=True))
    for job_id, submission in enumerate(staged, first_id):
        _store(cell, job_id, submission, now=now)
    return tuple(answers)


def _refuse_another(stored: Job | Submission, submission: Submission, job_id: int) -> None:
    """KeyConflict where the key's job differs from what is submitted under the same key."""
    fields = set(differing_fields(to_json(stored.spec), to_json(submission.spec)))
    if stored.inputs != submission.inputs:
        fields.add("inputs")
    if fields:
        raise KeyConflict(
            f"key {submission.spec.key!r} belongs to job j{job_id}, which differs in "
            f"{', '.join(sorted(fields))}; submit the same specification or choose another key",
            tuple(sorted(fields)),
        )


def _store(cell: Cell, job_id: int, submission: Submission, *, now: float) -> None:
    job = Job(
        job_id=job_id,
        submission_id=submission.submission_id,
        spec=submission.spec,
        inputs=submission.inputs,
        submitted_at=now,
    )
    cell.jobs[job_id] = job
    cell.last_job_id = job_id
    cell.job_of_submission[submission.submission_id] = job_id
    if job.spec.key:
        cell.job_of_key[(job.spec.namespace, job.spec.key)] = job_id
    requeue(cell, job, now=now)


def cancel(cell: Cell, job_id: int, *, now: float) -> JobStatus:
    """Withdraw a job by request."""
    job = find(cell, job_id)
    withdraw(cell, job, CANCELLED, stop_placements=True, now=now)
    return status(job)


def purge(cell: Cell, *, ended_before: float) -> int:
    """Forget the jobs that ended before then; how many."""
    purged = 0
    while cell.ended and cell.jobs[cell.ended[0]].ended_at < ended_before:
        job = cell.jobs.pop(cell.ended.popleft())
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
        task_count=job.spec.task_count,
        next_index=job.next_index,
        placed=job.placed,
        waiting_retry=len(job.retries),
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
        task_count=job.spec.task_count,
        has_inputs=bool(job.inputs),
        service=job.spec.service,
    )
