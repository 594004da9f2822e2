"""What passes between `begin` and `finish`: the plans of an attempt, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from uuid import UUID

import numpy as np

from omegacell.cellstate.model import (
    NO_VICTIMS,
    Alternatives,
    ClaimedJob,
    CommitMode,
    Int64,
    MachineRows,
    Reason,
    Transaction,
    Verdict,
    Victims,
)
from omegacell.cellstate.model.amounts import no_entries
from omegacell.cellstate.record import maker, record
from omegacell.schedulers.refusals import NOT_ASKED, Refusals
from omegacell.schedulers.retry import Next, Tally


@record()
class JobClaims:
    """What a job claims, with ids instead of rows: machine_id, slots, claim_sequence: int64[K].

    tasks, of each of a claim's slots: int64[K], empty where all hold one; devices: int64[K], empty where none are
    named; `victims` count claims from the job's first; alternatives: int64[A], machines by rank.
    """

    machine_id: Int64 = field(default_factory=no_entries)
    slots: Int64 = field(default_factory=no_entries)
    claim_sequence: Int64 = field(default_factory=no_entries)
    tasks: Int64 = field(default_factory=no_entries)
    devices: Int64 = field(default_factory=no_entries)
    victims: Victims = NO_VICTIMS
    alternatives: Int64 = field(default_factory=no_entries)

    def __len__(self) -> int:
        """K."""
        return len(self.machine_id)

    def tasks_of_each(self) -> Int64:
        """int64[K]: the tasks of each of a claim's slots."""
        return self.tasks if len(self.tasks) else np.ones(len(self), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Machines reserved for a job until a time; false where there are none."""

    machines: int
    until: float

    def __bool__(self) -> bool:
        return self.machines > 0


_GANG = CommitMode.GANG  # in Python 3.11 to look up a member of an enum takes 0.7 microseconds

NO_HOLD = Hold(machines=0, until=0.0)


@record()
class JobAttempt:
    """One job in an attempt: `asked` tasks of its pending ones, of which the plan places `planned`.

    `claims` are none if the plan was `withheld`, as too small for the job's gang. `error` is what the policy did
    wrong, "" for nothing. `hold` is the job's reservation as planned on, `to_reserve: int64[V]` the machines it
    should get reserved if nothing of it is placed.
    """

    job: ClaimedJob
    policy: str
    asked: int
    planned: int
    withheld: bool = False
    claims: JobClaims
    hold: Hold = NO_HOLD
    to_reserve: Int64 = field(default_factory=no_entries)
    refusals: Refusals = NOT_ASKED
    error: str = ""


@record()
class Attempt:
    """Jobs with plans, made at `started_at` on the snapshot of that moment; the claims, grouped by job.

    bounds: where each job's claims begin in the transaction, and where the last one's end.
    """

    started_at: float
    jobs: tuple[JobAttempt, ...]
    transaction: Transaction
    bounds: tuple[int, ...]

    @property
    def idle(self) -> bool:
        """Whether the queue had nothing for it."""
        return not self.jobs


@record()
class Finished:
    """What came of an attempt: the verdict (without claims if nothing was sent), and each job's next step.

    `holds` are the jobs' reservations, old and new.
    """

    attempt: Attempt
    verdict: Verdict
    tallies: tuple[Tally, ...]
    holds: tuple[Hold, ...]
    next: tuple[Next, ...]

    @property
    def placed(self) -> int:
        """Tasks placed."""
        return sum(tally.accepted for tally in self.tallies)

    @property
    def conflicts(self) -> int:
        """Claims that conflicted."""
        return sum(tally.conflicts for tally in self.tallies)


make_claims, make_job_attempt = maker(JobClaims), maker(JobAttempt)
make_attempt, make_finished = maker(Attempt), maker(Finished)
_transaction, _tally = maker(Transaction), maker(Tally)


def bounds_of(jobs: Sequence[JobAttempt]) -> tuple[int, ...]:
    """Attempt.bounds of these jobs."""
    if len(jobs) == 1:
        return (0, len(jobs[0].claims))
    return tuple(accumulate((len(planned.claims) for planned in jobs), initial=0))


def transaction_of(jobs: Sequence[JobAttempt], *, txn_id: UUID, scheduler_id: int, token: int) -> Transaction:
    """The claims of all jobs, those of one job together, in the order of the jobs."""
    claims = [planned.claims for planned in jobs]
    if len(claims) == 1 and not len(claims[0].victims.claim) and not len(claims[0].alternatives):
        return _of_one_job(
            jobs[0].job.job_id, claims[0], txn_id=txn_id, scheduler_id=scheduler_id, token=token
        )
    tasks = _joined([each.tasks_of_each() for each in claims])
    return Transaction(
        txn_id=txn_id,
        scheduler_id=scheduler_id,
        token=token,
        job_id=_job_ids(jobs, [len(each) for each in claims]),
        machine_id=_joined([each.machine_id for each in claims]),
        slots=_joined([each.slots for each in claims]),
        claim_sequence=_joined([each.claim_sequence for each in claims]),
        tasks=tasks if (tasks != 1).any() else no_entries(),
        devices=_devices(claims),
        victims=_victims(claims),
        alternatives=Alternatives(
            job_id=_job_ids(jobs, [len(each.alternatives) for each in claims]),
            machine_id=_joined([each.alternatives for each in claims]),
        ),
    )


def _of_one_job(
    job_id: int, claims: JobClaims, *, txn_id: UUID, scheduler_id: int, token: int
) -> Transaction:
    """The claims as they are, where there is nothing to join."""
    job_ids = np.empty(len(claims), dtype=np.int64)
    job_ids.fill(job_id)  # np.full takes three times as long
    return _transaction(
        txn_id=txn_id,
        scheduler_id=scheduler_id,
        token=token,
        job_id=job_ids,
        machine_id=claims.machine_id,
        slots=claims.slots,
        claim_sequence=claims.claim_sequence,
        tasks=claims.tasks if len(claims.tasks) and (claims.tasks != 1).any() else no_entries(),
        devices=claims.devices,
    )


def _job_ids(jobs: Sequence[JobAttempt], lengths: Sequence[int]) -> Int64:
    """Each job's id, so many times."""
    return np.repeat(np.array([planned.job.job_id for planned in jobs], dtype=np.int64), lengths)


def _devices(claims: Sequence[JobClaims]) -> Int64:
    """The devices named, 0 for the claims of jobs that name none; empty if nobody does."""
    if not any(len(each.devices) for each in claims):
        return no_entries()
    return _joined(
        [each.devices if len(each.devices) else np.zeros(len(each), dtype=np.int64) for each in claims]
    )


def _victims(claims: Sequence[JobClaims]) -> Victims:
    """Those of all jobs, their claims counted from the transaction's first."""
    if not any(len(each.victims.claim) for each in claims):
        return NO_VICTIMS
    firsts = np.cumsum([0, *(len(each) for each in claims)])[:-1]
    return Victims(
        claim=_joined([each.victims.claim + first for each, first in zip(claims, firsts, strict=True)]),
        job_id=_joined([each.victims.job_id for each in claims]),
        first_index=_joined([each.victims.first_index for each in claims]),
        attempt=_joined([each.victims.attempt for each in claims]),
    )


def _joined(pieces: Sequence[Int64]) -> Int64:
    return np.concatenate(pieces) if pieces else no_entries()


_CONFLICT_OF = np.array(
    [value in set(Reason) and Reason(value).conflict for value in range(max(Reason) + 1)], dtype=np.bool_
)
"""bool, by the value of a Reason."""


_SUM = np.add.reduce
"""ndarray.sum() without its detour through Python."""


def tally(attempt: Attempt, verdict: Verdict) -> tuple[Tally, ...]:
    """What the verdict means for each job of the attempt."""
    if not np.count_nonzero(verdict.reason):  # all accepted
        if len(attempt.jobs) == 1:
            return (_tally(accepted=int(_SUM(verdict.tasks)), conflicts=0, withdrawn=False),)
        return tuple(
            [
                Tally(accepted=int(_SUM(verdict.tasks[first:last])), conflicts=0, withdrawn=False)
                for first, last in pairwise(attempt.bounds)
            ]
        )
    conflicts = conflicting(verdict.reason)
    withdrawn = (verdict.reason == Reason.JOB_NOT_CLAIMED) | (verdict.reason == Reason.NOTHING_TO_PLACE)
    return tuple(
        Tally(
            accepted=int(verdict.tasks[first:last].sum()),
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
    if job.commit is not _GANG or planned >= job.pending:
        return False
    return job.placed + job.ended + planned < (job.gang_min or job.task_count)


def least_useful(job: ClaimedJob) -> int:
    """The smallest slice of a job that is worth planning: a gang's missing members, else one task."""
    if job.commit is _GANG:
        return max((job.gang_min or job.task_count) - job.placed - job.ended, 1)
    return 1


def nothing_claimed(transaction: Transaction, dimensions: int) -> Verdict:
    """The verdict on a transaction without claims, which is not sent."""
    none = no_entries()
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
        tasks=none,
        reason=none,
        machine_id=none,
        free=none,
        first_index=none,
        preempted=none,
        rival_txn=(),
        rival_scheduler=none,
        rows=rows,
    )
