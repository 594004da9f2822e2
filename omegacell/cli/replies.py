"""What --json of commands on jobs holds: dataclasses, of which emit() makes the object and schemas.py the schema.

Where the model has what is told, the model's own dataclass is told, under its own names; times are seconds since
1970, amounts have their unit in their name, bytes are base64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from omegacell.cellstate.model import (
    AttemptState,
    Endpoint,
    JobState,
    JobStatus,
    Preemption,
    Reservation,
)
from omegacell.client.ids import job_text
from omegacell.client.logs import Logs


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(JobStatus):
    """Where a job stands, with its id as people write it."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """omega jobs, wait, cancel, hold, release, retry: where each stands."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitsFor:
    """A job that another comes after; any_end: its end is enough, else it must succeed."""

    id: str
    any_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInFull(Job):
    """omega job: where it stands, what it waits for, took, gave and has reserved, and where its ports answer."""

    waits_for: tuple[WaitsFor, ...]
    preemptions: tuple[Preemption, ...]
    reservations: tuple[Reservation, ...]
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedJob:
    """A job of a file; created is False where its key met one that existed. `ended` is null without --wait."""

    id: str
    created: bool
    ended: Job | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """omega submit: in the order of the file."""

    jobs: tuple[SubmittedJob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Job):
    """A service: the job that carries it, and where its ports answer."""

    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """omega services, scale."""

    services: tuple[Service, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedService:
    """A service as it was applied; created is False where it ran already."""

    id: str
    name: str
    namespace: str
    replicas: int
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """omega apply: in the order of the file."""

    services: tuple[AppliedService, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a task gave: a callable's value, a command's standard output; or the error that says why nothing."""

    task_index: int
    value: Any
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """omega results: by task."""

    id: str
    state: JobState
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLogs:
    """omega logs: the end of what a task wrote."""

    id: str
    logs: Logs


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """omega logs --follow, one line of the stream: what was written next, by stream ("stdout", "stderr")."""

    id: str
    stream: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """omega explain: sentences for people, and the note that the job's scheduler left at its last attempt."""

    id: str
    state: JobState
    sentences: tuple[str, ...]
    note: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """omega run: how the last attempt ended ("" and -1 where none did), and what it wrote."""

    id: str
    state: JobState
    attempt_state: AttemptState | str
    exit_code: int
    error: str
    stdout: str
    stderr: str


def job(status: JobStatus) -> Job:
    """A status as it is told."""
    return Job(id=job_text(status.job_id), **_fields_of(status))


def jobs(statuses: Iterable[JobStatus]) -> Jobs:
    """Statuses as they are told."""
    return Jobs(jobs=tuple(map(job, statuses)))


def job_in_full(
    status: JobStatus,
    *,
    waits_for: tuple[WaitsFor, ...],
    preemptions: tuple[Preemption, ...],
    reservations: tuple[Reservation, ...],
    endpoints: tuple[Endpoint, ...],
) -> JobInFull:
    """A status with what belongs to it."""
    return JobInFull(
        id=job_text(status.job_id),
        waits_for=waits_for,
        preemptions=preemptions,
        reservations=reservations,
        endpoints=endpoints,
        **_fields_of(status),
    )


def service(status: JobStatus, endpoints: tuple[Endpoint, ...]) -> Service:
    """A service's status with where it answers."""
    return Service(id=job_text(status.job_id), endpoints=endpoints, **_fields_of(status))


def _fields_of(status: JobStatus) -> dict[str, Any]:
    return {field.name: getattr(status, field.name) for field in fields(JobStatus)}
