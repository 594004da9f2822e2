"""What a scheduler asks for and what it is answered: claimed jobs, transactions, verdicts, settlements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from omegacell.cellstate.model.amounts import Amounts, Int64, no_entries
from omegacell.cellstate.model.feed import MachineRows
from omegacell.cellstate.model.jobs import AntiAffinity, Constraint
from omegacell.cellstate.model.states import CommitMode, Detection
from omegacell.cellstate.record import record


@record(eq=True)
class ClaimedJob:
    """A job a scheduler holds and may place: what a policy needs of it, and nothing of what runs.

    `pending` is the number of tasks that may be placed now (unnumbered plus retries that are due, and no more than
    max_running lets in beside those placed), `ended` of those that have ended for good;
    `placed_on` maps machine id to its placements of this job (only filled for jobs with anti-affinity or
    spread, and for services). `attempts` counts earlier scheduling attempts, `fruitless` those in a row
    that placed nothing, `conflicts` those in a row in which a claim conflicted. `measured_tasks` of the job's
    tasks ran to an end of their own, for `mean_task_seconds` each (0 where none did).
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
    conflicts: int = 0
    measured_tasks: int = 0
    mean_task_seconds: float = 0.0
    max_running: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Victims:
    """Placements that claims of higher priority would end: V of them, together by claim and in its order.

    claim: int64[V], the position of the claim in its transaction (which asks for one slot); job_id,
    first_index, attempt: int64[V], the placement, on the claim's machine. A claim takes only as many of its
    victims, from the first on, as it needs to fit.
    """

    claim: Int64 = field(default_factory=no_entries)
    job_id: Int64 = field(default_factory=no_entries)
    first_index: Int64 = field(default_factory=no_entries)
    attempt: Int64 = field(default_factory=no_entries)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alternatives:
    """Machines that a job's refused claims try next, A of them, together by job and ranked best first.

    job_id, machine_id: int64[A]. All are locked with the claims' own and judged as under fine detection;
    the job's claims ask for one slot each.
    """

    job_id: Int64 = field(default_factory=no_entries)
    machine_id: Int64 = field(default_factory=no_entries)


NO_VICTIMS = Victims()
NO_ALTERNATIVES = Alternatives()


@record()
class Transaction:
    """Claims to be judged in one go.

    job_id, machine_id, slots, claim_sequence: int64[K]; a claim asks for `slots` placements, having seen
    `claim_sequence` on the machine. The claims of one job stand together; a job's claims are judged in
    order, jobs in order of their first claim. tasks: int64[K], how many tasks each of a claim's slots runs
    one after another (at most TASKS_PER_SLOT; a gang's slots always hold one), empty where all hold one.
    devices: int64[K], a bit mask of the devices the claim's one slot wants, 0 where the store may choose,
    empty where it may for all.
    """

    txn_id: UUID
    scheduler_id: int
    token: int
    job_id: Int64
    machine_id: Int64
    slots: Int64
    claim_sequence: Int64
    tasks: Int64 = field(default_factory=no_entries)
    devices: Int64 = field(default_factory=no_entries)
    victims: Victims = NO_VICTIMS
    alternatives: Alternatives = NO_ALTERNATIVES


TASKS_PER_SLOT = 1000
"""The most tasks a slot may hold: a report carries as many outcomes."""


@record()
class Verdict:
    """The answer to a transaction, claim by claim, and the fresh rows of every machine it touched.

    accepted: int64[K], slots kept; tasks: int64[K], the tasks they hold. reason: int64[K], a Reason;
    ACCEPTED iff accepted == slots. machine_id: int64[K], where the slots are: the claim's machine, or the
    alternative that took it.
    free: int64[K], what was free in the dimension that refused (or the sequence found; else 0).
    rival_txn: the transaction that last claimed the refusing machine, None where there is none.
    rival_scheduler: int64[K], its scheduler's id, 0 where there is none.
    first_index: int64[K], index of the first task placed by the claim (-1 where none; the rest follow in
    the store's numbering order, retries first). preempted: int64[K], how many of its victims it took.
    """

    txn_id: UUID
    accepted: Int64
    tasks: Int64
    reason: Int64
    machine_id: Int64
    free: Int64
    first_index: Int64
    preempted: Int64
    rival_txn: tuple[UUID | None, ...]
    rival_scheduler: Int64
    rows: MachineRows


@record(eq=True)
class Settlement:
    """What a scheduler decided about a job it holds: try again at `not_before`, or give up.

    `explanation` is a JSON object (see schedulers/explain.py); kept as the job's latest where it changed.
    `conflicted` says that a claim of the attempt conflicted.
    """

    job_id: int
    not_before: float
    gave_up: bool
    placed_any: bool
    explanation: str
    conflicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preemptible:
    """Placements that a claim of some priority may name as victims: P of them, by machine, job and index.

    machine_id, job_id, first_index, attempt, tasks, priority, gpu_milli, devices (a bit mask): int64[P];
    amounts: int64[P, R]; custom: P tuples of (name, milli); placed_at: P times.
    """

    machine_id: Int64
    job_id: Int64
    first_index: Int64
    attempt: Int64
    tasks: Int64
    priority: Int64
    amounts: Int64
    gpu_milli: Int64
    devices: Int64
    custom: tuple[tuple[tuple[str, int], ...], ...]
    placed_at: tuple[float, ...]
