"""Sharing an attempt among the jobs taken from the queue."""

from __future__ import annotations

from collections.abc import Sequence


def shares(wanted: Sequence[int], least: Sequence[int], budget: int) -> list[int]:
    """How many tasks each job may place: an equal share of `budget`, what one leaves going to the others.

    So a newcomer waits for a slice of a backlog, not for all of it, and a job alone gets everything. None
    gets less than its `least` (at most what it wants), also beyond the budget: a gang in slices would never
    start.
    """
    if len(wanted) == 1:
        return [min(wanted[0], max(budget, least[0], 1))]
    granted = [0] * len(wanted)
    left = budget
    smallest_first = sorted(range(len(wanted)), key=lambda job: wanted[job])
    for position, job in enumerate(smallest_first):
        equal = left // (len(wanted) - position)
        granted[job] = min(wanted[job], max(equal, least[job], 1))
        left = max(left - granted[job], 0)
    return granted
