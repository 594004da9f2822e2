"""New jobs: all of a call are stored, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from omegacell.cellstate.errors import KeyConflict, NotFound, SpecInvalid
from omegacell.cellstate.memory import expiry
from omegacell.cellstate.memory.dependencies import block, settle
from omegacell.cellstate.memory.log import note
from omegacell.cellstate.memory.queueing import requeue
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.model import Submission, Submitted
from omegacell.cellstate.specification import differing_fields, to_json


@dataclass(slots=True)
class _Staged:
    """The new jobs of a call, numbered from first_id on."""

    first_id: int
    submissions: list[Submission] = field(default_factory=list)
    of_submission: dict[UUID, int] = field(default_factory=dict)
    of_key: dict[tuple[str, str], int] = field(default_factory=dict)


def submit(cell: Cell, submissions: Sequence[Submission], *, now: float) -> tuple[Submitted, ...]:
    """Store all jobs or none: everything that can be refused is, before the first is stored."""
    staged = _Staged(cell.last_job_id + 1)
    answers: list[Submitted] = []
    job_ids: list[int] = []
    for submission in submissions:
        answers.append(_stage(cell, staged, _related(submission, job_ids)))
        job_ids.append(answers[-1].job_id)
    jobs = [
        _store(cell, job_id, one, now=now) for job_id, one in enumerate(staged.submissions, staged.first_id)
    ]
    due = {job.job_id: ended for job in jobs if (ended := block(cell, job))}
    for job in jobs:
        requeue(cell, job, now=now)
        expiry.watch(cell, job)
    note(cell, "submitted", [job.job_id for job in jobs], now=now)
    settle(cell, due, now=now)
    return tuple(answers)


def _related(submission: Submission, job_ids: Sequence[int]) -> Submission:
    """The submission with the ids of the jobs of its call that it comes after among those it names itself."""
    spec = submission.spec
    if not submission.after and not submission.after_any:
        return submission
    for position in (*submission.after, *submission.after_any):
        if not 0 <= position < len(job_ids):
            raise SpecInvalid(
                f"job {spec.name!r} comes after submission {position} of its call, expected an earlier one than "
                f"its own, {len(job_ids)}; put those it comes after before it"
            )
    after = {*spec.after, *(job_ids[position] for position in submission.after)}
    after_any = {*spec.after_any, *(job_ids[position] for position in submission.after_any)}
    spec = replace(spec, after=tuple(sorted(after)), after_any=tuple(sorted(after_any)))
    return replace(submission, spec=spec)


def _stage(cell: Cell, staged: _Staged, submission: Submission) -> Submitted:
    """The job that there is for a submission, or its place among the new ones."""
    spec, submission_id = submission.spec, submission.submission_id
    key = (spec.namespace, spec.key)
    known = cell.job_of_submission.get(submission_id) or staged.of_submission.get(submission_id)
    if known is None and spec.key:
        known = cell.job_of_key.get(key) or staged.of_key.get(key)
        if known is not None:
            stored = cell.jobs.get(known) or staged.submissions[known - staged.first_id]
            _refuse_another(stored, submission, known)
    if known is not None:
        return Submitted(job_id=known, created=False)
    job_id = staged.first_id + len(staged.submissions)
    for parent in (*spec.after, *spec.after_any):
        if parent not in cell.jobs and not staged.first_id <= parent < job_id:
            raise NotFound(f"there is no job j{parent} to come after; see `omega jobs` for those there are")
    staged.of_submission[submission_id] = job_id
    if spec.key:
        staged.of_key[key] = job_id
    staged.submissions.append(submission)
    return Submitted(job_id=job_id, created=True)


def _refuse_another(stored: Job | Submission, submission: Submission, job_id: int) -> None:
    """KeyConflict where the key's job differs from what is submitted under the same key."""
    fields = set(differing_fields(to_json(stored.spec), to_json(submission.spec)))
    inputs = tuple(stored.inputs)
    if stored.spec.open:
        inputs = inputs[: stored.spec.task_count]  # the others were added since
    if inputs != submission.inputs:
        fields.add("inputs")
    if fields:
        raise KeyConflict(
            f"key {submission.spec.key!r} belongs to job j{job_id}, which differs in "
            f"{', '.join(sorted(fields))}; submit the same specification or choose another key",
            tuple(sorted(fields)),
        )


def _store(cell: Cell, job_id: int, submission: Submission, *, now: float) -> Job:
    spec = submission.spec
    job = Job(
        job_id=job_id,
        submission_id=submission.submission_id,
        spec=spec,
        inputs=list(submission.inputs),
        task_count=spec.task_count,
        submitted_at=now,
        open=spec.grows,
        held=submission.held,
        deadline_at=now + spec.deadline_seconds if spec.deadline_seconds else 0.0,
        lease_until=now + submission.lease_seconds if submission.lease_seconds else 0.0,
    )
    cell.jobs[job_id] = job
    cell.last_job_id = job_id
    cell.job_of_submission[submission.submission_id] = job_id
    if spec.key:
        cell.job_of_key[(spec.namespace, spec.key)] = job_id
    return job
