"""The rows of a cell in memory, and the indexes that keep every operation as cheap as what it touches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from omegacell.cellstate.judge import Ruling
from omegacell.cellstate.memory.feed import Feed
from omegacell.cellstate.memory.log import Log
from omegacell.cellstate.memory.queue import JobQueue
from omegacell.cellstate.memory.retries import Retries
from omegacell.cellstate.model import (
    DEVICE_MILLI,
    Amounts,
    JobSpec,
    JobState,
    LogPiece,
    LogRequest,
    MachineSpec,
    Outcome,
    Placement,
    Preemption,
    Wanted,
    WorkerSpec,
)
from omegacell.cellstate.room import Room, as_tuple

TRANSACTIONS_KEPT = 100_000
"""How many answers are kept for transactions sent again; a client resends its latest, never an old one."""


@dataclass(slots=True, kw_only=True)
class Machine:
    """A machine: its registration, the room it has left, and what it holds.

    `reserved_job` is 0 where nothing was ever reserved; a reservation whose time has passed holds nothing back.
    """

    machine_id: int
    spec: MachineSpec
    worker_id: int
    room: Room
    up: bool = True
    schedulable: bool = True
    epoch: int = 0
    version: int = 0
    claim_sequence: int = 0
    last_claim_txn: UUID | None = None
    last_claim_scheduler: int = 0
    reserved_job: int = 0
    reserved_priority: int = 0
    reserved_until: float = 0.0
    holds: set[tuple[int, int]] = field(default_factory=set)
    """Keys (job_id, first_index) of its placements."""

    @property
    def devices_used(self) -> tuple[int, ...]:
        """Milli used, by index."""
        return tuple(DEVICE_MILLI - free for free in self.room.devices)

    @property
    def used(self) -> Amounts:
        """What its placements hold together."""
        capacity = self.spec.capacity
        cpu_milli, memory_bytes, disk_bytes = self.room.amounts
        named = ((name, milli - self.room.custom[name]) for name, milli in capacity.custom)
        return Amounts(
            cpu_milli=capacity.cpu_milli - cpu_milli,
            memory_bytes=capacity.memory_bytes - memory_bytes,
            disk_bytes=capacity.disk_bytes - disk_bytes,
            gpu_milli=sum(self.devices_used),
            custom=tuple((name, milli) for name, milli in named if milli),
        )


@dataclass(slots=True, kw_only=True)
class Job:
    """A job: its specification, its counters, and where its tasks are.

    `spec` is as altered since: of a service its task_count says how many replicas there should be; `task_count` here is
    how many tasks were added so far. `placed` counts tasks, `stopping` the slots that are told to stop;
    `measured_microseconds` is how long `measured_tasks` ran together. `waits_for` maps the jobs that it still waits for
    to whether their end is enough. `failing`: its cancellation makes it a failed job. `deadline_at` and `lease_until`
    are 0 where there is none. `reserved` are machines, on some of which its reservation may have passed.
    """

    job_id: int
    submission_id: UUID
    spec: JobSpec
    inputs: list[bytes]
    task_count: int
    submitted_at: float
    open: bool = False
    held: bool = False
    waits_for: dict[int, bool] = field(default_factory=dict)
    deadline_at: float = 0.0
    lease_until: float = 0.0
    state: JobState = JobState.PENDING
    next_index: int = 0
    placed: int = 0
    stopping: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    never_placed: int = 0
    attempts: int = 0
    fruitless: int = 0
    conflicts: int = 0
    measured_tasks: int = 0
    measured_microseconds: int = 0
    cancel_requested: bool = False
    failing: bool = False
    claimed_by: int = 0
    reason: str = ""
    explanation: str = "{}"
    first_attempt_at: float = 0.0
    first_placed_at: float = 0.0
    ended_at: float = 0.0
    placements: dict[int, Placement] = field(default_factory=dict)
    retries: Retries = field(default_factory=Retries)
    outcomes: list[Outcome] = field(default_factory=list)
    placed_on: Counter[int] = field(default_factory=Counter)
    preemptions: list[Preemption] = field(default_factory=list)
    reserved: set[int] = field(default_factory=set)

    @property
    def live_slots(self) -> int:
        """Slots that are not told to stop."""
        return len(self.placements) - self.stopping

    @property
    def unnumbered(self) -> int:
        """Tasks that have no index yet and may still get one."""
        return self.task_count - self.next_index - self.never_placed

    @property
    def ended(self) -> int:
        """Tasks that have ended for good."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def unplaced(self) -> bool:
        """Whether a task has not ended and is not placed."""
        return self.unnumbered > 0 or len(self.retries) > 0

    @property
    def has_work(self) -> bool:
        """Whether anything is left to be placed, now or later, and may be."""
        if self.held or self.waits_for or self.state.final:
            return False
        return self.unplaced and (not self.spec.max_running or self.placed < self.spec.max_running)

    def pending(self, now: float) -> int:
        """How many tasks may be placed now."""
        tasks = self.unnumbered + self.retries.due(now)
        return min(tasks, max(self.spec.max_running - self.placed, 0)) if self.spec.max_running else tasks


@dataclass(slots=True, kw_only=True)
class Worker:
    """A worker's latest incarnation; `token` is 0 once it was released or reaped."""

    worker_id: int
    spec: WorkerSpec
    token: int
    lease_seconds: float
    expires_at: float
    machine_ids: set[int] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Scheduler:
    """A scheduler's latest incarnation and what it did; `token` is 0 once it was released."""

    scheduler_id: int
    name: str
    kind: str
    token: int
    lease_seconds: float
    expires_at: float
    registered_at: float
    transactions_succeeded: int = 0
    transactions_failed: int = 0
    claims: int = 0
    claims_refused: int = 0
    placements: int = 0
    attempts: int = 0
    busy_seconds: float = 0.0
    wanted: Wanted = Wanted.RUN
    policy: str = ""
    claimed: set[int] = field(default_factory=set)
    first_attempts: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Of each job there is that it was the first to attempt: when it was claimed, and how long it had waited."""


@dataclass(slots=True, kw_only=True)
class AskedLog:
    """A request to read a task's log, and the worker's answer once there is one."""

    worker_id: int
    request: LogRequest
    asked_at: float
    answer: LogPiece | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedClaim:
    """What a claim got, as a transaction sent again is told: its ruling, and the tasks its slots hold."""

    ruling: Ruling
    first_index: int = -1
    tasks: int = 0


@dataclass(slots=True, kw_only=True)
class Cell:
    """Everything a MemoryStore keeps. Ids count from 1 in order of creation.

    `ended` are jobs, the oldest end first; `children` are those that come after a job that has not ended, by that
    job. `expiries` are times at which to look at a job's deadline or lease, as a heap; some may be out of date.
    `reserved` are machines, on some of which the reservation may have passed.
    """

    jobs: dict[int, Job] = field(default_factory=dict)
    last_job_id: int = 0
    ended: dict[int, None] = field(default_factory=dict)
    children: dict[int, list[int]] = field(default_factory=dict)
    expiries: list[tuple[float, int]] = field(default_factory=list)
    reserved: set[int] = field(default_factory=set)
    job_of_submission: dict[UUID, int] = field(default_factory=dict)
    job_of_key: dict[tuple[str, str], int] = field(default_factory=dict)
    machines: dict[int, Machine] = field(default_factory=dict)
    machine_of_name: dict[str, int] = field(default_factory=dict)
    workers: dict[int, Worker] = field(default_factory=dict)
    worker_of_name: dict[str, int] = field(default_factory=dict)
    schedulers: dict[int, Scheduler] = field(default_factory=dict)
    scheduler_of_name: dict[str, int] = field(default_factory=dict)
    queue: JobQueue = field(default_factory=JobQueue)
    feed: Feed = field(default_factory=Feed)
    log: Log = field(default_factory=Log)
    fleet: dict[str, int] = field(default_factory=dict)
    asked_logs: dict[int, AskedLog] = field(default_factory=dict)
    last_log_request: int = 0
    transactions: dict[UUID, tuple[CommittedClaim, ...]] = field(default_factory=dict)
    last_token: int = 0

    def new_token(self) -> int:
        """A fencing token, higher than every earlier one."""
        self.last_token += 1
        return self.last_token


def room_of(capacity: Amounts) -> Room:
    """All that a machine of this capacity has, free."""
    devices = [DEVICE_MILLI] * (capacity.gpu_milli // DEVICE_MILLI)
    return Room(as_tuple(capacity), devices=devices, custom=dict(capacity.custom))
