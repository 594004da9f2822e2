"""The commit rule for plain claims, in arrays: judge.py's, where nothing but room and sequence can matter. Pure.

Plain are the claims of one job that takes amounts in the dimensions alone (no devices, nothing of a name), one task
a slot, without victims and alternatives, on distinct machines that are up, schedulable and not reserved, for no more
tasks than are left. judge.py stays the rule, claim by claim; this is what it comes to then, for thousands of claims at
once, and a property test holds the two equal.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from omegacell.cellstate.model import Bool, CommitMode, Detection, Int64, Reason
from omegacell.cellstate.room import DIMENSION_REASONS

_FINE, _INCREMENTAL = Detection.FINE, CommitMode.INCREMENTAL
_NONE_LATE = np.zeros(1, dtype=np.bool_)
_SUM = np.add.reduce
"""ndarray.sum() without its detour through Python."""


class PlainJob(Protocol):
    """What the rule asks of a job: a JobFound, or what says the same."""

    @property
    def detection(self) -> Detection: ...

    @property
    def commit(self) -> CommitMode: ...

    @property
    def gang_min(self) -> int: ...

    @property
    def task_count(self) -> int: ...

    @property
    def placed(self) -> int: ...


class PlainRulings(NamedTuple):
    """One ruling per claim, in Ruling's terms: accepted, reason, free: int64[K]; `placed` slots are accepted together.

    taken: what is kept, int64[K, R], or int64[R] where that is the same for every claim.
    """

    accepted: Int64
    reason: Int64
    free: Int64
    taken: Int64
    placed: int


def judge_plain(
    job: PlainJob, *, amounts: Int64, slots: Int64, seen: Int64, free: Int64, claim_sequence: Int64
) -> PlainRulings:
    """Judge a job's claims on the machines as the transaction finds them.

    amounts: int64[R], of a slot; slots, seen (the claim_sequence that the claim saw), claim_sequence: int64[K];
    free: int64[K, R].
    """
    count = int(_SUM(slots))
    wanted = amounts if count == len(slots) else slots[:, None] * amounts
    fine = job.detection is _FINE
    late = _NONE_LATE if fine else seen != claim_sequence
    # count_nonzero answers in a third of the time of any() and all(), which go through Python.
    if (
        not np.count_nonzero(wanted > free)
        and (fine or not np.count_nonzero(late))
        and _group_accepts(job, slots, all_kept=True)
    ):
        nothing = np.zeros(len(slots), dtype=np.int64)
        return PlainRulings(slots, nothing, nothing, wanted, count)
    return _judge_each(job, amounts, slots, free, late=late, claim_sequence=claim_sequence)


def _judge_each(
    job: PlainJob, amounts: Int64, slots: Int64, free: Int64, *, late: Bool, claim_sequence: Int64
) -> PlainRulings:
    """Each claim by itself, as one at least is refused; late: those whose machine was claimed since, if it matters."""
    accepted = slots.copy()
    reason = np.zeros(len(slots), dtype=np.int64)
    of_it = np.zeros(len(slots), dtype=np.int64)
    for dimension, amount in enumerate(amounts.tolist()):
        if amount:
            fitting = free[:, dimension] // amount
            fewer = fitting < accepted
            accepted[fewer] = fitting[fewer]
            reason[fewer] = DIMENSION_REASONS[dimension]
            of_it[fewer] = free[fewer, dimension]
    if late.any():
        accepted[late] = 0
        reason[late] = Reason.SEQUENCE
        of_it[late] = claim_sequence[late]
    if job.commit is CommitMode.ALL_OR_NOTHING:
        accepted[reason != Reason.ACCEPTED] = 0
    if not _group_accepts(job, accepted, all_kept=not reason.any()):
        fell = reason == Reason.ACCEPTED
        reason[fell] = Reason.GANG if job.commit is CommitMode.GANG else Reason.GROUP
        accepted[:] = 0
    return PlainRulings(
        accepted=accepted,
        reason=reason,
        free=of_it,
        taken=accepted[:, None] * amounts,
        placed=int(_SUM(accepted)),
    )


def _group_accepts(job: PlainJob, accepted: Int64, *, all_kept: bool) -> bool:
    """Whether the job's claims are kept together; where each stands for itself they are."""
    if job.commit is _INCREMENTAL:
        return True
    if job.commit is CommitMode.ALL_OR_NOTHING:
        return all_kept
    return job.placed + int(accepted.sum()) >= (job.gang_min or job.task_count)
