"""What each command's --json holds: a dataclass, of which emit() makes the object and schemas.py the schema.

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
    EventKind,
    JobState,
    JobStatus,
    MachineStatus,
    Preemption,
    Purged,
    Reservation,
    SchedulerStatus,
    Violation,
)
from omegacell.client.conflicts import ConflictRow
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """omega machines: all by id, and what is reserved."""

    machines: tuple[MachineStatus, ...]
    reservations: tuple[Reservation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneMachine:
    """omega drain, uncordon: the machine after it."""

    machine: MachineStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedulers:
    """omega schedulers: all by id, with what they did since they registered."""

    schedulers: tuple[SchedulerStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneScheduler:
    """omega scheduler hold, release, drain, policy: the scheduler, with what is now wanted of it."""

    scheduler: SchedulerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """omega scheduler scale: how many of a kind the keeper of the local cell is to keep."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflicts:
    """omega conflicts: claims refused for a conflict in the last so many seconds, added up by `by`, most first."""

    by: tuple[str, ...]
    since_seconds: float
    conflicts: tuple[ConflictRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """omega events, one line of the stream: names of what it speaks of, "" for what it does not.

    Of "placed" and "refused": the scheduler's claim of so many slots, and the reason of a refusal.
    """

    at: float
    kind: EventKind
    job: str
    machine: str
    scheduler: str
    count: int
    reason: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """omega policies: what is installed here."""

    policies: tuple[str, ...]
    scheduler_kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """omega fsck: every broken invariant; none is good."""

    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """omega purge: what it took away."""

    purged: Purged


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """omega version: of omegacell, and of the database schema that it speaks."""

    version: str
    database_schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """omega db upgrade: the PostgreSQL schema, and its version now."""

    schema: str
    database_schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """omega up: the process that keeps the cell, and where it is."""

    pid: int
    data_dir: str
    runtime: str
    dsn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """omega down: whether there was a cell, and its process (0 if not)."""

    stopped: bool
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifiers:
    """What the demo's callables counted, and the ten most used names with how often."""

    files: int
    tokens: int
    most_common: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommands:
    """What the demo's shell commands counted."""

    count: int
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beacons:
    """The demo's service: the process of it that was killed, and the one that took its place."""

    replicas: int
    killed_pid: int
    successor_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """omega demo: what its three parts did; problems say what did not go as it should."""

    identifiers: Identifiers
    shell_commands: ShellCommands
    service: Beacons
    schedulers: tuple[SchedulerStatus, ...]
    violations: tuple[Violation, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaNames:
    """omega schema without a command: the commands whose --json has one."""

    commands: tuple[str, ...]


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
