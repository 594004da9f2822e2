"""Randomised first fit, as in Omega's lightweight simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from omegacell.cellstate.model import Bool, Int64
from omegacell.cellstate.model.amounts import no_entries
from omegacell.schedulers import feasible
from omegacell.schedulers.feasible import GroupLimit
from omegacell.schedulers.policy import NOWHERE, CellView, Plan, Request, make_plan

_LAZY_SHARE = 4
"""Machines are looked at only as drawn until draws exceed M / 4; a pass over all is then as cheap."""
_ZERO = np.zeros(1, dtype=np.int64)
_ONES = np.ones(1_000, dtype=np.int64)
_ONES.flags.writeable = False


class RandomFirstFit:
    """Draw a machine uniformly from those not yet found too small; place a task there or strike it out.

    A machine that took a task stays eligible. Stops when no task or no machine is left. Concurrent schedulers
    seldom meet on a machine as long as the cell has room, which is why Omega's batch scheduler uses it.

    Drawing one at a time from a shrinking list costs a look per draw. Struck-out machines can as well stay
    in the urn and be drawn in vain: what is placed then follows from independent uniform draws over all
    machines, each of which places a task if its machine still has room. So draws come in batches, and the
    k-th draw of a machine counts iff k does not exceed its room: the same distribution, exactly. Where most
    machines are full draws in vain cost too much; then the rest is drawn from the list of those with room,
    made in one pass.

    Cost: per task while the cell has room, independent of its size; one pass over the cell else.
    Source: Schwarzkopf et al., "Omega", EuroSys 2013, section 4, and its published lightweight simulator.
    """

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        """Random by `rng` alone; rows ascending."""
        draws = no_entries()
        size = request.count + request.count // 2 + 8
        if size * _LAZY_SHARE <= cell.machines and request.simple:
            # Scaled doubles take a third of the time of integers(); a machine's chance is off by 2^-40 at most.
            draws = (rng.random(size) * cell.machines).astype(np.int64)
            plan = _place_at_once(request, cell, draws)
            if plan is not NOWHERE:
                return plan
        limits = feasible.group_limits(request, cell)
        plan = _draw_from_all(request, cell, rng, limits, draws)
        if plan.placed < request.count:
            plan = _draw_from_open(request, cell, rng, limits, plan)
        return plan


def _place_at_once(request: Request, cell: CellView, draws: Int64) -> Plan:
    """What the draws place, if that is all and simple to see, else NOWHERE: then the same draws are to be counted.

    Where the first draws that meet a machine with room for one task meet none twice, or only such as have room for all,
    they are the plan, and nothing has to be counted in the order of the draws.
    """
    count = request.count
    free = cell.free_matrix
    drawn = free.take(draws, axis=0)
    fits = cell.available_to(request).take(draws)
    for dimension, amount in enumerate(request.amounts.tolist()):
        if amount:
            fits &= drawn[:, dimension] >= amount
    rows = draws[fits][:count]
    if len(rows) < count:
        return NOWHERE
    rows.sort()
    other = rows[1:] != rows[:-1]
    if np.count_nonzero(other) == count - 1:
        return make_plan(rows=rows, slots=_ONES[:count] if count <= len(_ONES) else np.ones_like(rows))
    starts = np.concatenate((_ZERO, np.flatnonzero(other) + 1))
    rows, slots = rows[starts], np.diff(starts, append=count)
    if not np.count_nonzero(free.take(rows, axis=0) < slots[:, None] * request.amounts):
        return make_plan(rows=rows, slots=slots)
    return NOWHERE


def _draw_from_all(
    request: Request,
    cell: CellView,
    rng: np.random.Generator,
    limits: Sequence[GroupLimit],
    draws: Int64,
) -> Plan:
    """Place what a modest number of draws over all machines places, `draws` first, looking at the drawn ones only."""
    budget = max(cell.machines // _LAZY_SHARE, 1)
    size = len(draws) or request.count + request.count // 8 + 4
    plan = _place_draws(draws, _room_of(request, cell), request.count, limits) if len(draws) else NOWHERE
    while cell.machines and plan.placed < request.count and len(draws) + size <= budget:
        # All draws so far are counted anew: their outcome does not change, and sizes double.
        draws = np.concatenate((draws, rng.integers(cell.machines, size=size)))
        plan = _place_draws(draws, _room_of(request, cell), request.count, limits)
        size = len(draws)
    return plan


def _draw_from_open(
    request: Request, cell: CellView, rng: np.random.Generator, limits: Sequence[GroupLimit], earlier: Plan
) -> Plan:
    """Go on from `earlier` with the machines that have room left, until all is placed or none has."""
    room = feasible.room(request, cell)
    slots = np.zeros_like(room)
    found = earlier
    while True:
        slots[found.rows] += found.slots
        room[found.rows] -= found.slots
        for limit in limits:
            np.subtract.at(limit.left, limit.group[found.rows], found.slots)
        left = request.count - int(slots.sum())
        urn = np.flatnonzero(_open(room, limits))
        if not left or not len(urn):
            break
        if not limits and int(room[urn].sum()) <= left:
            slots[urn] += room[urn]
            break
        draws = urn[rng.integers(len(urn), size=left + left // 2 + 4)]
        found = _place_draws(draws, room.__getitem__, left, limits)
    rows = np.flatnonzero(slots)
    return Plan(rows=rows, slots=slots[rows])


def _open(room: Int64, limits: Sequence[GroupLimit]) -> Bool:
    eligible: Bool = room > 0
    for limit in limits:
        eligible = eligible & (limit.left[limit.group] > 0)
    return eligible


def _place_draws(
    draws: Int64, room_of: Callable[[Int64], Int64], count: int, limits: Sequence[GroupLimit]
) -> Plan:
    """The first `count` draws that find room, counting those before them; draws: int64[D], in order."""
    order = draws.argsort(kind="stable")
    drawn = draws[order]
    first = np.empty(len(drawn), dtype=np.bool_)
    first[0] = True
    np.not_equal(drawn[1:], drawn[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    rows = drawn[starts]
    machine = np.cumsum(first) - 1
    nth = np.arange(len(drawn)) - starts[machine]
    at = order[nth < room_of(rows)[machine]]
    at.sort()
    if limits:
        at = _within_limits(draws, at, limits)
    placed = np.bincount(np.searchsorted(rows, draws[at[:count]]), minlength=len(rows))
    used = np.flatnonzero(placed)
    return Plan(rows=rows[used], slots=placed[used].astype(np.int64))


def _within_limits(draws: Int64, at: Int64, limits: Sequence[GroupLimit]) -> Int64:
    """Of the draws at these positions those that also find their groups open, in order."""
    left = [limit.left.copy() for limit in limits]
    kept = []
    for position, row in zip(at.tolist(), draws[at].tolist(), strict=True):
        groups = [limit.group[row] for limit in limits]
        if all(have[group] > 0 for have, group in zip(left, groups, strict=True)):
            for have, group in zip(left, groups, strict=True):
                have[group] -= 1
            kept.append(position)
    return np.array(kept, dtype=np.int64)


def _room_of(request: Request, cell: CellView) -> Callable[[Int64], Int64]:
    return lambda rows: feasible.room(request, cell, rows)
