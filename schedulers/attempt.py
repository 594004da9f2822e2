"""What passes between `begin` and `finish`: the plans of an attempt, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from uuid import UUID

import numpy as np

from omegacell.cellstate.model import (
    ClaimedJob,
    CommitMode,
    Int64,
    MachineRows,
    Reason,
    Transaction,
    Verdict,
)
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.refusals import Refusals
from omegacell.schedulers.retry import Next, Tally


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobAttempt:
    """One job in an attempt: `asked` tasks of its pending ones, of which the plan places `planned`.

    machine_id, slots, claim_sequence: int64[K], its claims (none, if the plan was withheld). `error` is what
    the policy did wrong, "" for nothing. `withheld` says that the plan was too small for the job's gang.
    """

    job: ClaimedJob
    policy: str
    asked: int
    planned: int
    withheld: bool
    machine_id: Int64
    slots: Int64
    claim_sequence: Int64
    refusals: Refusals
    error: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Attempt:
    """Jobs with plans, made at `started_at` on the snapshot of that moment; the claims, grouped by job."""

    started_at: float
    jobs: tuple[JobAttempt, ...]
    transaction: Transaction

    @property
    def idle(self) -> bool:
        """Whether the queue had nothing for it."""
        return not self.jobs

    @cached_property
    def bounds(self) -> tuple[int, ...]:
        """Where each job's claims begin in the transaction, and where the last one's end."""
        return (0, *np.cumsum([len(job.machine_id) for job in self.jobs]).tolist())

    def think_seconds(self, config: SchedulerConfig) -> float:
        """t_job + t_task x (tasks of the job still unplaced), over its jobs. Omega, section 4."""
        return sum(
            config.think_job_seconds + config.think_task_seconds * planned.job.pending
            for planned in self.jobs
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """What came of an attempt: the verdict (without claims if nothing was sent), and each job's next step."""

    attempt: Attempt
    verdict: Verdict
    tallies: tuple[Tally, ...]
    next: tuple[Next, ...]

    @property
    def placed(self) -> int:
        """Tasks placed."""
        return sum(tally.accepted for tally in self.tallies)

    @property
    def conflicts(self) -> int:
        """Claims that conflicted."""
        return sum(tally.conflicts for tally in self.tallies)


def transaction_of(jobs: Sequence[JobAttempt], *, txn_id: UUID, scheduler_id: int, token: int) -> Transaction:
    """The claims of all jobs, those of one job together, in the order of the jobs."""
    lengths = [len(planned.machine_id) for planned in jobs]
    return Transaction(
        txn_id=txn_id,
        scheduler_id=scheduler_id,
        token=token,
        job_id=np.repeat(np.array([planned.job.job_id for planned in jobs], dtype=np.int64), lengths),
        machine_id=_joined([planned.machine_id for planned in jobs]),
        slots=_joined([planned.slots for planned in jobs]),
        claim_sequence=_joined([planned.claim_sequence for planned in jobs]),
    )


def _joined(pieces: Sequence[Int64]) -> Int64:
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)


_CONFLICT_OF = np.array(
    [value in set(Reason) and Reason(value).conflict for value in range(max(Reason) + 1)], dtype=np.bool_
)
"""bool, by the value of a Reason."""


def tally(attempt: Attempt, verdict: Verdict) -> tuple[Tally, ...]:
    """What the verdict means for each job of the attempt."""
    conflicts = conflicting(verdict.reason)
    withdrawn = (verdict.reason == Reason.JOB_NOT_CLAIMED) | (verdict.reason == Reason.NOTHING_TO_PLACE)
    return tuple(
        Tally(
            accepted=int(verdict.accepted[first:last].sum()),
            conflicts=int(conflicts[first:last].sum()),
            withdrawn=bool(withdrawn[first:last].any()),
        )
        for first, last in pairwise(attempt.bounds)
    )


def conflicting(reasons: Int64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """bool[K]: which claims a rival defeated (Reason.conflict)."""
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = _CONFLICT_OF[reasons]
    return found


def gang_too_small(job: ClaimedJob, planned: int) -> bool:
    """Whether the commit is certain to refuse a plan that leaves tasks out, as the gang would be incomplete.

    judge.py decides; this spares a transaction that cannot succeed.
    """
    if job.commit is not CommitMode.GANG or planned >= job.pending:
        return False
    return job.placed + job.ended + planned < (job.gang_min or job.task_count)


def least_useful(job: ClaimedJob) -> int:
    """The smallest slice of a job that is worth planning: a gang's missing members, else one task."""
    if job.commit is CommitMode.GANG:
        return max((job.gang_min or job.task_count) - job.placed - job.ended, 1)
    return 1


def nothing_claimed(transaction: Transaction, dimensions: int) -> Verdict:
    """The verdict on a transaction without claims, which is not sent."""
    none = np.zeros(0, dtype=np.int64)
    amounts = np.zeros((0, dimensions), dtype=np.int64)
    rows = MachineRows(
        machine_id=none,
        version=none,
        claim_sequence=none,
        capacity=amounts,
        used=amounts,
        available=np.zeros(0, dtype=np.bool_),
    )
    return Verdict(
        txn_id=transaction.txn_id,
        accepted=none,
        reason=none,
        free=none,
        first_index=none,
        rival_txn=(),
        rival_scheduler=none,
        rows=rows,
    )
