"""Spread: each task goes where the fewest tasks of its job are."""

from __future__ import annotations

import numpy as np

from omegacell.cellstate.model import Int64
from omegacell.cellstate.snapshot import NAME_ATTRIBUTE
from omegacell.schedulers import feasible, fill, score
from omegacell.schedulers.policy import CellView, Plan, Request


class Spread:
    """The attribute value, then the machine, with the fewest tasks of the job; ties to the most left over.

    The attribute is the request's `spread` ("" or "machine": machines only). Losing a machine, or a value,
    then costs as few replicas as can be. The service scheduler's policy. Even as far as room allows: an
    uneven cell gets an uneven spread rather than waiting tasks.

    The number of tasks is a level that rises by one with each task, so the greedy choices are the lowest
    levels, which fill.from_the_top finds at once: first how many tasks each value gets, then each machine in
    it. With limits per attribute value the machines are levelled under the limits, and `spread` gives way to
    them. Cost: a pass over the cell and a sort, and a pass more per value used.

    Source: Burns et al., "Borg, Omega, and Kubernetes", ACM Queue 2016 (spreading over failure domains);
    Kubernetes' topology spread with a skew of 1, soft.
    """

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        """Deterministic; `rng` is not used."""
        room = feasible.room(request, cell)
        limits = feasible.group_limits(request, cell)
        height = _preference(request, cell)
        if limits:
            slots = fill.one_by_one(height, cell.machines, room, request.count, limits)
        elif request.spread in ("", NAME_ATTRIBUTE):
            slots = fill.from_the_top(height, cell.machines, room, request.count)
        else:
            slots = _by_value(request, cell, height, room)
        used = np.flatnonzero(slots)
        return Plan(rows=used, slots=slots[used])


def _preference(request: Request, cell: CellView) -> Int64:
    """int64[M]: higher is better: a level less for each task of the job; within a level by leftover.

    A task takes exactly one level, M, so that ranks never outweigh a task. The rank is as of before the plan.
    """
    rank = np.empty(cell.machines, dtype=np.int64)
    rank[np.argsort(score.leftover(cell, gpu_milli=request.gpu_milli)[::-1], kind="stable")] = np.arange(
        cell.machines
    )
    return rank[::-1] - cell.count(request) * cell.machines


def _by_value(request: Request, cell: CellView, height: Int64, room: Int64) -> Int64:
    """Level the values first, then the machines of each."""
    group = feasible.groups(cell.attribute(request.spread))
    width = int(group.max(initial=0)) + 1
    held = np.bincount(group, weights=cell.count(request), minlength=width).astype(np.int64)
    can_take = np.bincount(group, weights=room, minlength=width).astype(np.int64)
    quota = fill.from_the_top(-held, 1, can_take, request.count)
    slots = np.zeros_like(room)
    for value in np.flatnonzero(quota).tolist():
        rows = np.flatnonzero(group == value)
        slots[rows] = fill.from_the_top(height[rows], cell.machines, room[rows], int(quota[value]))
    return slots
