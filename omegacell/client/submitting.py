"""From jobs as they were written to the store: surroundings, known kinds, dependencies, ids made here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from omegacell.cellstate.model import JobSpec, Submission, Submitted
from omegacell.cellstate.spec import Job
from omegacell.cellstate.store import ClientStore
from omegacell.client import pickling
from omegacell.client.dependencies import Step, ordered
from omegacell.client.kinds import with_known_kinds
from omegacell.client.surroundings import with_surroundings

_EMPTY_LEASE_SECONDS = 60.0
"""Of the array without items, which is closed a moment after: should its program die before that, it goes."""


def submit(store: ClientStore, jobs: Sequence[Job], connection: Any) -> list[Submitted]:
    """Store jobs, all or none; the answers in the order of `jobs`, whichever comes after which."""
    steps = ordered(jobs)
    submissions = [_submission(store, jobs[step.position], step) for step in steps]
    found: list[Submitted | None] = [None] * len(jobs)
    for step, submitted in zip(steps, store.submit(submissions, connection=connection), strict=True):
        found[step.position] = submitted
    return [one for one in found if one is not None]


def submit_call(
    store: ClientStore, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Submitted:
    """Store the job of one function with its arguments."""
    spec, _ = Job(function=function).compile(pickling.dump)
    inputs = (pickling.dump((tuple(args), dict(kwargs))),)
    return store.submit([submission(store, spec, inputs)])[0]


def submit_map(
    store: ClientStore, function: Callable[[Any], Any], items: Iterable[Any], fields: Mapping[str, Any]
) -> Submitted:
    """Store the array of a function over items. Without any it is a job of no tasks, which has succeeded at once."""
    job = Job(function=function, each=items, **fields)
    if job.each:
        return submit(store, [job], None)[0]
    (step,) = ordered([job])
    one = _submission(store, job.model_copy(update={"each": None}), step)
    empty = replace(one, spec=replace(one.spec, task_count=0, open=True), lease_seconds=_EMPTY_LEASE_SECONDS)
    submitted = store.submit([empty])[0]
    store.close_job(submitted.job_id)
    return submitted


def submission(store: ClientStore, spec: JobSpec, inputs: tuple[bytes, ...] = ()) -> Submission:
    """What the store gets of one job. Its id is made here: a call that is sent again stores nothing twice."""
    complete = with_surroundings(with_known_kinds(spec, store))
    return Submission(submission_id=uuid.uuid4(), spec=complete, inputs=inputs)


def _submission(store: ClientStore, job: Job, step: Step) -> Submission:
    spec, inputs = job.compile(pickling.dump)
    spec = replace(spec, after=step.after.ids, after_any=step.after_any.ids)
    return replace(
        submission(store, spec, inputs),
        after=step.after.positions,
        after_any=step.after_any.positions,
        held=job.held,
    )
