"""The nouns of the cell as plain values: what is submitted, claimed, placed, judged and reported.

Everything here is frozen data without I/O. Amounts are integers with the unit in the name. Times are
seconds since the Unix epoch as floats (virtual seconds in the simulator). Ids are integers; 0 is never
an id. Arrays carry their shape in the docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

DIMENSIONS = ("cpu_milli", "memory_bytes", "disk_bytes")
"""The resource dimensions every machine has, in the order of the columns of every [.., R] array."""


class Detection(StrEnum):
    """What makes a claim conflict. fine: it no longer fits. coarse: its machine was claimed since."""

    FINE = "fine"
    COARSE = "coarse"


class CommitMode(StrEnum):
    """What a refused claim means for the other claims of its job in the same transaction."""

    INCREMENTAL = "incremental"
    ALL_OR_NOTHING = "all_or_nothing"
    GANG = "gang"


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    BLOCKED = "blocked"
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the job can still change."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class TaskState(StrEnum):
    """Where a task stands; the last three are final."""

    PENDING = "pending"
    BACKOFF = "backoff"
    PLACED = "placed"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    """How one attempt of one task ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    START_FAILED = "start_failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    LOST = "lost"


class OnLost(StrEnum):
    """What becomes of a task whose machine was lost."""

    RERUN = "rerun"
    FAIL = "fail"


class TaskKind(StrEnum):
    """What a task is: an operating system command, or a pickled Python callable."""

    COMMAND = "command"
    FUNCTION = "function"


class Stop(StrEnum):
    """Why a placement should end; NONE while it should run."""

    NONE = ""
    CANCEL = "cancel"
    PREEMPT = "preempt"


class Operator(StrEnum):
    """How a constraint compares a machine's attribute with its values."""

    EQ = "="
    NE = "!="
    IN = "in"
    NOT_IN = "not in"
    EXISTS = "exists"
    GT = ">"
    LT = "<"


class Reason(IntEnum):
    """Why a claim was refused (in part or whole). 1 to 19 are conflicts in Omega's sense."""

    ACCEPTED = 0
    CPU = 1
    MEMORY = 2
    DISK = 3
    SEQUENCE = 10
    MACHINE_DOWN = 20
    MACHINE_CORDONED = 21
    MACHINE_UNKNOWN = 22
    JOB_NOT_CLAIMED = 30
    NOTHING_TO_PLACE = 31
    GROUP = 40
    GANG = 41
    TOKEN_LOST = 50

    @property
    def conflict(self) -> bool:
        """Whether a rival caused it: the claim no longer fits, or the machine was claimed since."""
        return 1 <= self.value <= 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """An amount in every dimension of DIMENSIONS; never negative."""

    cpu_milli: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0

    def vector(self) -> Int64:
        """int64[R], in the order of DIMENSIONS."""
        return np.array((self.cpu_milli, self.memory_bytes, self.disk_bytes), dtype=np.int64)


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
class JobSpec:
    """The immutable specification of a job, validated (spec.py makes it from what users write).

    `timeout_seconds`, `deadline_seconds` and `expected_duration_seconds` are 0 where not given. `policy`
    and `key` are "" where not given. `service` tasks run again whenever they end. `payload` is the
    pickled callable of a function job (empty for commands). `gang_min` is 0 for "all tasks".
    `surroundings` are variables of the place it was submitted from (PWD, PATH ...): defaults for what env and
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
    """

    submission_id: UUID
    spec: JobSpec
    inputs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The answer to a submission; created is False where the id or the key was already stored."""

    job_id: int
    created: bool


# --- machines, workers, schedulers ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """A machine as its worker registers it; attributes are strings (numbers compare as numbers)."""

    name: str
    capacity: Amounts
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredMachine:
    """The answer to a machine's registration: its id for ever, its epoch for this registration."""

    machine_id: int
    name: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """A worker process that asks for a lease. (host, boot_id, pid) prove the death of an earlier one."""

    name: str
    host: str
    boot_id: str
    pid: int
    log_directory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a registered process holds. `token` fences every later call of an earlier incarnation."""

    holder_id: int
    token: int
    lease_seconds: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker as the store sees it."""

    worker_id: int
    name: str
    host: str
    boot_id: str
    pid: int
    log_directory: str
    token: int
    expires_at: float
    alive: bool
    machine_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStatus:
    """A scheduler and what it did since it registered, in OMEGA.md's terms.

    `transactions_failed` counts (job, transaction) pairs in which at least one claim conflicted; `busy_seconds` is the
    time spent thinking as the scheduler reported it; waits are those of jobs whose first attempt was its.
    """

    scheduler_id: int
    name: str
    kind: str
    token: int
    expires_at: float
    alive: bool
    registered_at: float
    transactions_succeeded: int
    transactions_failed: int
    claims: int
    claims_refused: int
    placements: int
    attempts: int
    busy_seconds: float
    jobs_claimed: int
    wait_p50_seconds: float
    wait_p99_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineStatus:
    """A machine for people to look at; the scheduler's form is the snapshot."""

    machine_id: int
    name: str
    worker_id: int
    capacity: Amounts
    used: Amounts
    up: bool
    schedulable: bool
    epoch: int
    version: int
    claim_sequence: int
    placements: int
    attributes: Mapping[str, str]


# --- the feed ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MachineRows:
    """Current hot state of M machines, one row each.

    machine_id, version, claim_sequence: int64[M]; capacity, used: int64[M, R]; available: bool[M]
    (up and schedulable).
    """

    machine_id: Int64
    version: Int64
    claim_sequence: Int64
    capacity: Int64
    used: Int64
    available: Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """The cold facts of one machine."""

    machine_id: int
    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far a reader has read the feed: the store's generation and the text of its pg_snapshot.

    Opaque to readers; the in-memory store keeps its own position in `snapshot`.
    """

    generation: int
    snapshot: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """What changed since a watermark: rows to apply by version, facts to replace, the next watermark.

    full: the rows are all machines there are, and the reader must forget the others. `log_rows` counts
    the log rows read, so that tests can see that nothing was read twice.
    """

    full: bool
    rows: MachineRows
    facts: tuple[MachineFacts, ...]
    watermark: Watermark
    log_rows: int


# --- claiming jobs, claims, transactions, verdicts ------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job a scheduler holds and may place: what a policy needs of it, and nothing of what runs.

    `pending` is the number of tasks that may be placed now (unnumbered plus retries that are due), `ended`
    of those that have ended for good;
    `placed_on` maps machine id to its placements of this job (only filled for jobs with anti-affinity or
    spread, and for services). `attempts` counts earlier scheduling attempts, `fruitless` those in a row
    that placed nothing.
    """

    job_id: int
    name: str
    scheduler: str
    policy: str
    amounts: Amounts
    constraints: tuple[Constraint, ...]
    anti_affinity: tuple[AntiAffinity, ...]
    spread: str
    priority: int
    detection: Detection
    commit: CommitMode
    gang_min: int
    service: bool
    expected_duration_seconds: float
    task_count: int
    pending: int
    placed: int
    ended: int
    attempts: int
    fruitless: int
    submitted_at: float
    placed_on: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transaction:
    """Claims to be judged in one go.

    job_id, machine_id, slots, claim_sequence: int64[K]; a claim asks for `slots` placements of one task
    each, having seen `claim_sequence` on the machine. The claims of one job stand together; a job's
    claims are judged in order, jobs in order of their first claim.
    """

    txn_id: UUID
    scheduler_id: int
    token: int
    job_id: Int64
    machine_id: Int64
    slots: Int64
    claim_sequence: Int64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """The answer to a transaction, claim by claim, and the fresh rows of every machine it touched.

    accepted: int64[K], slots kept. reason: int64[K], a Reason; ACCEPTED iff accepted == slots.
    free: int64[K], what was free in the dimension that refused (or the sequence found; else 0).
    rival_txn: the transaction that last claimed the refusing machine, None where there is none.
    rival_scheduler: int64[K], its scheduler's id, 0 where there is none.
    first_index: int64[K], index of the first task placed by the claim (-1 where none; the rest follow in
    the store's numbering order, retries first).
    """

    txn_id: UUID
    accepted: Int64
    reason: Int64
    free: Int64
    first_index: Int64
    rival_txn: tuple[UUID | None, ...]
    rival_scheduler: Int64
    rows: MachineRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a scheduler decided about a job it holds: try again at `not_before`, or give up.

    `explanation` is a JSON object (see schedulers/explain.py); kept as the job's latest where it changed.
    """

    job_id: int
    not_before: float
    gave_up: bool
    placed_any: bool
    explanation: str


# --- placements, reports, outcomes ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What holds resources now: `count` tasks of a job, from first_index, on one machine."""

    job_id: int
    first_index: int
    count: int
    attempt: int
    failures: int
    lost: int
    machine_id: int
    epoch: int
    amounts: Amounts
    running: bool
    stop: Stop
    placed_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """Everything one machine holds, as of its version."""

    machine_id: int
    version: int
    epoch: int
    placements: tuple[Placement, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A worker's word that a placement began to run; compare-and-set on (epoch, attempt)."""

    job_id: int
    first_index: int
    attempt: int
    machine_id: int
    epoch: int
    started_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A worker's word that a placement ended; compare-and-set on (epoch, attempt).

    `exit_code` is -1 where there is none (callables, start failures); `result` is what a callable
    returned or raised, pickled; `error` is one line; the tails are the last bytes the task wrote.
    """

    job_id: int
    first_index: int
    attempt: int
    machine_id: int
    epoch: int
    state: AttemptState
    exit_code: int
    started_at: float
    ended_at: float
    result: bytes = b""
    error: str = ""
    stdout_tail: str = ""
    stderr_tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt of one task ended; `final` where no further attempt follows."""

    job_id: int
    task_index: int
    attempt: int
    state: AttemptState
    final: bool
    machine_id: int
    exit_code: int
    started_at: float
    ended_at: float
    result: bytes
    error: str
    stdout_tail: str
    stderr_tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRange:
    """Tasks first_index .. first_index + count - 1 of a job, to be run again from not_before on."""

    job_id: int
    first_index: int
    count: int
    attempt: int
    failures: int
    lost: int
    not_before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """Where a job stands. Counters are of tasks; `never_placed` ones were cancelled before numbering.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A broken invariant: its name and one sentence with the values that differ."""

    invariant: str
    detail: str
