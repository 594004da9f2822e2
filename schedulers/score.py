"""Turning a policy into a plan: straight for `place`, by ranking machines for `score`.

Also the scalar by which best fit and worst fit compare machines.
"""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np

from omegacell.cellstate.errors import PolicyError
from omegacell.cellstate.model import DEVICE_MILLI, Bool, Int64
from omegacell.schedulers import devices, feasible, fill, plan_check
from omegacell.schedulers.policy import (
    NOWHERE,
    CellView,
    Float64,
    PlacePolicy,
    Plan,
    Policy,
    Request,
    ScorePolicy,
    TrialView,
)


def make_plan(policy: Policy, request: Request, view: TrialView, rng: np.random.Generator) -> Plan:
    """The policy's plan, checked; PolicyError if it is not allowed. What the policy raises passes through."""
    mark = view.mark()
    try:
        if hasattr(policy, "place"):  # what isinstance(policy, PlacePolicy) comes to, in a tenth of its time
            plan = cast(PlacePolicy, policy).place(request, view, rng)
        else:
            plan = place_by_score(policy, request, view)
    finally:
        view.rollback(mark)
    if _ours(type(policy)):
        return plan
    if not isinstance(plan, Plan):
        raise PolicyError(f"the policy returned {type(plan).__name__}; expected a Plan")
    offence = plan_check.offence(request, view, plan)
    if offence:
        raise PolicyError(f"the policy planned {offence}")
    return plan


@cache
def _ours(policy: type) -> bool:
    """Whether a policy comes with omegacell: their plans are held to the rules by our tests, and not each time."""
    return policy.__module__.startswith("omegacell.schedulers.policies.")


def weights(cell: CellView) -> Int64:
    """int64[R]: turns amounts into one comparable number, each dimension as a share of the largest machine.

    Shares are integers in units of 2^-60 (for up to 3 dimensions; their sum, with one more for devices, stays
    within int64), so that sums are exact, ties are ties, and the order of additions does not matter.
    """
    unit = _unit(cell)
    return np.array([unit // have if have else 0 for have in cell.largest.tolist()], dtype=np.int64)


def _unit(cell: CellView) -> int:
    unit: int = 1 << (62 - len(cell.dimensions).bit_length())
    return unit


def _device_weight(cell: CellView) -> int:
    """The same for a milli of a device."""
    most_devices: int = cell.device_free.shape[1]
    return _unit(cell) // (DEVICE_MILLI * max(most_devices, 1))


def leftover(cell: CellView, rows: feasible.Rows = feasible.ALL, *, gpu_milli: int = 0) -> Int64:
    """int64[K]: free amounts summed over the dimensions, each in shares of the largest machine.

    For tasks that take `gpu_milli` their devices count as one dimension more; to others they do not matter.
    Named resources never do: what one of them is worth beside a CPU nobody knows.
    """
    total: Int64 = cell.free_matrix[rows] @ weights(cell)
    if gpu_milli:
        total += devices.total_free(cell.device_free[rows]) * _device_weight(cell)
    return total


def step(request: Request, cell: CellView) -> int:
    """By how much one task of the request lowers a machine's `leftover`."""
    pairs = zip(request.amounts.tolist(), weights(cell).tolist(), strict=True)
    in_dimensions: int = sum(amount * weight for amount, weight in pairs)
    return in_dimensions + request.gpu_milli * _device_weight(cell)


def place_by_score(policy: ScorePolicy, request: Request, view: TrialView) -> Plan:
    """What one-by-one greedy choice by the policy's score gives, ties to the lower row.

    With `packs = True` one pass. Otherwise in rounds. Naively each task costs a look at all machines; but
    taking the best machine changes that machine's score only. So a round tries one task on each of the best
    machines at once, scores them again in one call, and keeps as many of those choices as greedy would have
    made in that order: up to the first that a machine already chosen, in its new state, would have beaten.
    Spreading scores need few rounds; the bad case is a packing score that does not say so, a round a task.
    """
    room = feasible.room(request, view)
    rows = np.flatnonzero(room)
    rows = rows[_passes(policy, request, view, rows)]
    limits = feasible.group_limits(request, view)
    if not len(rows):
        return NOWHERE
    scores = _scores(policy, request, view, rows)
    if getattr(policy, "packs", False):
        return _plan(rows, fill.down_from_the_top(scores, room[rows], request.count, limits, rows))
    # Without limits no more than `count` machines can be needed. In row order, as ties go to the lower row.
    if not limits:
        needed = np.sort(fill.highest(scores, request.count))
        rows, scores = rows[needed], scores[needed]
    return _plan(rows, _Rounds(policy, request, view, limits).run(rows, scores, room[rows]))


class _Rounds:
    """The rounds of place_by_score, with what stays the same through them."""

    def __init__(
        self, policy: ScorePolicy, request: Request, view: TrialView, limits: list[feasible.GroupLimit]
    ) -> None:
        self._policy = policy
        self._request = request
        self._view = view
        self._limits = limits

    def run(self, rows: Int64, scores: Float64, room: Int64) -> Int64:
        """int64[K]: slots by row; `scores` and `room` are used up."""
        slots = np.zeros(len(rows), dtype=np.int64)
        left = self._request.count
        while left:
            self._strike(rows, room)
            open_rows = np.flatnonzero(room > 0)
            if not len(open_rows):
                break
            best = open_rows[fill.highest(scores[open_rows], 2 * left + fill.SPARE)]
            # A limit closes machines for good, so those it closes on the way down are simply passed over.
            ones = np.ones(len(best), dtype=np.int64)
            open_ = fill.in_order(ones, left, self._limits, rows[best]) > 0
            chosen, after = self._try(rows, scores, room, best[open_])
            slots[chosen] += 1
            room[chosen] -= 1
            scores[chosen] = after
            room[chosen[np.isneginf(after)]] = 0
            left -= len(chosen)
            self._count(rows[chosen])
        return slots

    def _strike(self, rows: Int64, room: Int64) -> None:
        for limit in self._limits:
            room[limit.left[limit.group[rows]] <= 0] = 0

    def _count(self, rows: Int64) -> None:
        for limit in self._limits:
            np.subtract.at(limit.left, limit.group[rows], 1)

    def _try(self, rows: Int64, scores: Float64, room: Int64, best: Int64) -> tuple[Int64, Float64]:
        """The choices of this round, which stay claimed in the view, and their scores afterwards."""
        mark = self._view.mark()
        ones = np.ones(len(best), dtype=np.int64)
        self._view.claim(self._request, rows[best], ones)
        after = _scores(self._policy, self._request, self._view, rows[best])
        after[(room[best] <= 1) | ~_passes(self._policy, self._request, self._view, rows[best])] = -np.inf
        beaten = np.flatnonzero(np.maximum.accumulate(after)[:-1] >= scores[best][1:])
        keep = int(beaten[0]) + 1 if len(beaten) else len(best)
        if keep < len(best):
            self._view.rollback(mark)
            self._view.claim(self._request, rows[best[:keep]], ones[:keep])
        return best[:keep], after[:keep]


def _passes(policy: ScorePolicy, request: Request, view: CellView, rows: Int64) -> Bool:
    filter_ = getattr(policy, "filter", None)
    if filter_ is None:
        return np.ones(len(rows), dtype=np.bool_)
    passed = np.asarray(filter_(request, view, rows))
    if passed.shape != rows.shape or passed.dtype != np.bool_:
        raise PolicyError(
            f"filter() returned {passed.dtype} of shape {passed.shape}; expected bool of shape {rows.shape}"
        )
    return passed


def _scores(policy: ScorePolicy, request: Request, view: CellView, rows: Int64) -> Float64:
    scores = np.array(policy.score(request, view, rows), dtype=np.float64)
    if scores.shape != rows.shape or np.isnan(scores).any():
        raise PolicyError(
            f"score() returned shape {scores.shape} with {np.isnan(scores).sum()} nan; "
            f"expected a number for each of {len(rows)} rows"
        )
    return scores


def _plan(rows: Int64, slots: Int64) -> Plan:
    used = np.flatnonzero(slots)
    return Plan(rows=rows[used], slots=slots[used])
