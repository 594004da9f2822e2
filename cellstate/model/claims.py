"""What a scheduler asks for and what it is answered: claimed jobs, transactions, verdicts, settlements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from omegacell.cellstate.model.amounts import Amounts, Int64
from omegacell.cellstate.model.feed import MachineRows
from omegacell.cellstate.model.jobs import AntiAffinity, Constraint
from omegacell.cellstate.model.states import CommitMode, Detection


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
