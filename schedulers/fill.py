"""How many tasks each machine gets: the three ways in which one-by-one greedy choices add up.

Tasks of a request are identical, so a greedy policy need not be run task by task. Each function gives what
the naive loop (take the best machine that may take one more, place one, look again) would give, in one
pass. `room: int64[K]` is what each machine may take; limits bind machines of a group together.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omegacell.cellstate.model import Int64
from omegacell.schedulers.feasible import GroupLimit

SPARE = 64
"""Machines looked at first under limits, beyond twice the tasks wanted. Too few make another look, no other plan."""


def in_order(room: Int64, count: int, limits: Sequence[GroupLimit] = (), rows: Int64 | None = None) -> Int64:
    """int64[K]: the first machine gets what it may take, then the second, until `count` tasks have a place.

    `rows` (the machines' rows, default 0 to K - 1) finds their groups.
    """
    if limits:
        at = np.arange(len(room)) if rows is None else rows
        room = _one_limit(room, limits[0], at) if len(limits) == 1 else _many_limits(room, limits, at)
    before = np.cumsum(room) - room
    slots: Int64 = np.clip(count - before, 0, room)
    return slots


def _one_limit(room: Int64, limit: GroupLimit, rows: Int64) -> Int64:
    """Cut `room` so that no group takes more than it has left, earlier machines first."""
    group = limit.group[rows]
    order = np.argsort(group, kind="stable")
    sorted_group, sorted_room = group[order], room[order]
    total = np.cumsum(sorted_room)
    before = total - sorted_room
    starts = np.flatnonzero(np.r_[True, sorted_group[1:] != sorted_group[:-1]][: len(room)])
    sizes = np.diff(np.append(starts, len(room)))
    before -= np.repeat(before[starts], sizes)
    cut = np.empty_like(room)
    cut[order] = np.clip(limit.left[sorted_group] - before, 0, sorted_room)
    return cut


def _many_limits(room: Int64, limits: Sequence[GroupLimit], rows: Int64) -> Int64:
    """The same for several limits at once, which bind each other: machine by machine."""
    left = [limit.left.copy() for limit in limits]
    cut = np.zeros_like(room)
    for k in np.flatnonzero(room).tolist():
        groups = [limit.group[rows[k]] for limit in limits]
        cut[k] = min(int(room[k]), *(int(have[group]) for have, group in zip(left, groups, strict=True)))
        for have, group in zip(left, groups, strict=True):
            have[group] -= cut[k]
    return cut


def down_from_the_top(
    height: NDArray[Any], room: Int64, count: int, limits: Sequence[GroupLimit], rows: Int64
) -> Int64:
    """int64[K]: in_order of height, highest first, ties to the first: each machine is filled before the next."""
    # Each machine used takes at least one task, so `count` of them are enough; if limits close some, a few more are
    # tried before all are put in order.

    def filled(among: int) -> Int64:
        order = highest_first(height, room, among)
        slots = np.zeros_like(room)
        slots[order] = in_order(room[order], count, limits, rows[order])
        return slots

    if not limits:
        return filled(count)
    slots = filled(2 * count + SPARE)
    return slots if int(slots.sum()) == count else filled(len(room))


def from_the_top(height: Int64, step: int, room: Int64, count: int) -> Int64:
    """int64[K]: each task to the highest machine, which then sinks by `step` (>= 0); ties to the first.

    Task by task this costs count x machines. But machine i offers the heights h_i, h_i - step, ..., room_i of
    them, and the greedy choice is the `count` highest offers of all: find the height of the last one taken by
    bisection, take everything above it, and of those at it the first ones.
    """
    slots = np.zeros_like(room)
    if count <= 0 or not len(room):
        return slots
    if int(room.sum()) <= count:
        return room.copy()
    # Whoever is not among the `count` highest comes last after `count` others, so it never comes.
    best = highest_first(height, room, count)
    if step == 0:
        slots[best] = in_order(room[best], count)
        return slots
    best.sort()
    slots[best] = _skim(height[best], step, room[best], count)
    return slots


def _skim(height: Int64, step: int, room: Int64, count: int) -> Int64:
    """from_the_top for at most `count` machines of which each has room, and together more than `count`."""
    low, high = int((height - (room - 1) * step).min()), int(height.max())
    while low < high:  # the highest level at which at least `count` offers are no lower
        level = (low + high + 1) // 2
        if int(_offers(height, step, room, level).sum()) >= count:
            low = level
        else:
            high = level - 1
    taken = _offers(height, step, room, low + 1)
    at_level = np.flatnonzero(_offers(height, step, room, low) > taken)
    taken[at_level[: count - int(taken.sum())]] += 1
    return taken


def _offers(height: Int64, step: int, room: Int64, level: int) -> Int64:
    """int64[K]: how many of each machine's offers are at `level` or higher."""
    return np.clip((height - level) // step + 1, 0, room)


def highest(height: NDArray[Any], count: int) -> Int64:
    """The positions of the `count` highest, highest first, ties to the first position."""
    if count == 1:
        return np.array([height.argmax()], dtype=np.int64)
    if count < len(height):
        cut = np.partition(height, len(height) - count)[len(height) - count]
        positions = np.flatnonzero(height >= cut)
    else:
        positions = np.arange(len(height))
    order = np.argsort(-height[positions], kind="stable")
    return positions[order][:count]


def highest_first(height: NDArray[Any], room: Int64, count: int) -> Int64:
    """The positions that may be needed to fill `count` tasks from the highest down, highest first."""
    positions = np.flatnonzero(room > 0)
    return positions[highest(height[positions], count)] if len(positions) else positions


def one_by_one(height: Int64, step: int, room: Int64, count: int, limits: Sequence[GroupLimit]) -> Int64:
    """from_the_top over all machines under group limits, which may close a machine after any task.

    Machines not yet chosen come from one sort, highest first; those chosen before wait, sunk, in a heap. So
    the cost is the sort, and a logarithm per task and per machine found closed on the way.
    """
    slots = np.zeros_like(room)
    left = [limit.left.copy() for limit in limits]
    untouched = highest_first(height, room, len(room)).tolist()
    sunk: list[tuple[int, int]] = []
    position = 0
    while count and (sunk or position < len(untouched)):
        fresh = position < len(untouched)
        if fresh and (not sunk or (-int(height[untouched[position]]), untouched[position]) < sunk[0]):
            depth, k = -int(height[untouched[position]]), untouched[position]
            position += 1
        else:
            depth, k = heapq.heappop(sunk)
        groups = [limit.group[k] for limit in limits]
        if any(have[group] <= 0 for have, group in zip(left, groups, strict=True)):
            continue
        for have, group in zip(left, groups, strict=True):
            have[group] -= 1
        slots[k] += 1
        count -= 1
        if slots[k] < room[k]:
            heapq.heappush(sunk, (depth + step, k))
    return slots
