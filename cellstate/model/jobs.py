"""What is submitted, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from omegacell.cellstate.model.amounts import Amounts
from omegacell.cellstate.model.feed import Watermark
from omegacell.cellstate.model.placements import Outcome
from omegacell.cellstate.model.states import CommitMode, Detection, JobState, OnLost, Operator, TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A hard condition on one attribute of a machine; a machine without it fails all but NE, NOT_IN."""

    attribute: str
    operator: Operator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AntiAffinity:
    """At most `limit` placements of the job per value of `attribute` ("machine": per machine)."""

    attribute: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a worker asks a replica whether it is well: by a command (exit code 0) or HTTP GET (status 200 to 399).

    No check where `command` is () and `http_port` is "". `http_port` names one of the job's ports. Asked every
    interval; `failures` times in a row without a good answer within the timeout end the task as FAILED, but before
    its first good answer not until it has run for start_seconds. A replica counts as running from that answer on.
    """

    command: tuple[str, ...] = ()
    http_port: str = ""
    http_path: str = "/"
    interval_seconds: float = 5.0
    timeout_seconds: float = 2.0
    failures: int = 3
    start_seconds: float = 10.0

    @property
    def checked(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self.command or self.http_port)


NO_HEALTH = Health()
"""Of jobs that nobody asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """The immutable specification of a job, validated (spec.py makes it from what users write).

    `timeout_seconds`, `deadline_seconds` and `expected_duration_seconds` are 0 where not given. `policy`
    and `key` are "" where not given. `service` tasks run again whenever they end. `payload` is the
    pickled callable of a function job (empty for commands). `gang_min` is 0 for "all tasks".
    `max_running` and `max_failures` are 0 for no limit. `after` are jobs that must have succeeded, `after_any` jobs
    that must have ended, before anything is placed; ascending, and lower than the job's own id. `open`: tasks may
    still be added, and the job does not end before it is closed. `ports`: (name, number) by name, 0 for any that
    is free. `surroundings` are variables of the place it was submitted from (PWD, PATH ...): defaults for what env and
    cwd do not say, and no part of what a key stands for.
    """

    name: str
    kind: TaskKind
    task_count: int
    amounts: Amounts
    command: tuple[str, ...] = ()
    payload: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    surroundings: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "default"
    key: str = ""
    scheduler: str = "batch"
    policy: str = ""
    constraints: tuple[Constraint, ...] = ()
    anti_affinity: tuple[AntiAffinity, ...] = ()
    spread: str = ""
    priority: int = 100
    preemptible: bool = True
    detection: Detection = Detection.FINE
    commit: CommitMode = CommitMode.INCREMENTAL
    gang_min: int = 0
    service: bool = False
    retries: int = 0
    backoff_seconds: float = 1.0
    backoff_max_seconds: float = 60.0
    on_lost: OnLost = OnLost.RERUN
    max_lost: int = 5
    timeout_seconds: float = 0.0
    deadline_seconds: float = 0.0
    expected_duration_seconds: float = 0.0
    max_running: int = 0
    max_failures: int = 0
    after: tuple[int, ...] = ()
    after_any: tuple[int, ...] = ()
    open: bool = False
    ports: tuple[tuple[str, int], ...] = ()
    health: Health = NO_HEALTH

    @property
    def grows(self) -> bool:
        """Whether it starts open: a service always does, as its replicas can be scaled."""
        return self.open or self.service

    def task_env(self) -> dict[str, str]:
        """The environment its tasks get beside their own OMEGA_ variables."""
        return {name: value for name, value in self.surroundings.items() if name != "PWD"} | dict(self.env)

    def task_cwd(self) -> str:
        """The directory its tasks start in, "" for the worker's own."""
        return self.cwd or self.surroundings.get("PWD", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One job to be stored. `submission_id` is made by the client: sent twice, stored once.

    `inputs` are the tasks' own data in index order (empty, or one per task), each an opaque byte string.
    `after` and `after_any` are positions of earlier submissions of the same call: their ids join the
    specification's own. `lease_seconds` > 0: the job is cancelled unless its client renews it in time.
    `held`: nothing is placed before release().
    """

    submission_id: UUID
    spec: JobSpec
    inputs: tuple[bytes, ...] = ()
    after: tuple[int, ...] = ()
    after_any: tuple[int, ...] = ()
    lease_seconds: float = 0.0
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The answer to a submission; created is False where the id or the key was already stored."""

    job_id: int
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """What a worker needs to run the tasks of a job."""

    job_id: int
    name: str
    kind: TaskKind
    command: tuple[str, ...]
    payload: bytes
    env: Mapping[str, str]
    cwd: str
    timeout_seconds: float
    expected_duration_seconds: float
    amounts: Amounts
    task_count: int
    has_inputs: bool
    service: bool
    ports: tuple[tuple[str, int], ...] = ()
    health: Health = NO_HEALTH


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """Where a job stands. Counters are of tasks; `never_placed` ones were cancelled before numbering.

    `waiting_retry` are those that wait to run again (ranges with attempt > 1). `blocked_by` counts the jobs it still
    waits for. Of an open job `task_count` is what was added so far; of a service it holds all
    replicas it ever had, and `replicas` says how many there should be (0 elsewhere).
    `reason` is "" or one clause on why it ended as it did; times are 0 where not reached.
    """

    job_id: int
    name: str
    namespace: str
    labels: Mapping[str, str]
    scheduler: str
    priority: int
    service: bool
    state: JobState
    task_count: int
    next_index: int
    placed: int
    waiting_retry: int
    succeeded: int
    failed: int
    cancelled: int
    never_placed: int
    attempts: int
    cancel_requested: bool
    claimed_by: int
    reason: str
    submitted_at: float
    first_attempt_at: float
    first_placed_at: float
    ended_at: float
    held: bool = False
    open: bool = False
    blocked_by: int = 0
    max_running: int = 0
    replicas: int = 0

    @property
    def waiting(self) -> int:
        """Tasks that have never been placed and may still be."""
        ended = self.succeeded + self.failed + self.cancelled
        return self.task_count - ended - self.placed - self.waiting_retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """Final outcomes of an open job since a watermark, in any order, and the watermark to come back with."""

    outcomes: tuple[Outcome, ...]
    watermark: Watermark


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A job that another waits for; any_end: its end is enough, else it must have succeeded."""

    parent_job: int
    any_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one port of a running replica answers: `address` is how its worker's host is reached."""

    task_index: int
    name: str
    address: str
    port: int
    machine_id: int
