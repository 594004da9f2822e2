"""Worst fit: each task goes to the machine with the most left over."""

from __future__ import annotations

import numpy as np

from omegacell.schedulers import feasible, fill, score
from omegacell.schedulers.policy import CellView, Plan, Request


class WorstFit:
    """Most leftover = sum over dimensions of free / largest capacity; ties to the lower row.

    Levels the load and leaves head room everywhere. The machine sinks by the same step with each identical
    task, so `count` tasks skim the highest levels (fill.from_the_top). Cost: a pass over the cell, and with
    limits per attribute value count x log(machines) more.

    Source: Johnson, Demers, Ullman, Garey, Graham, "Worst-case performance bounds for simple one-dimensional
    packing algorithms", SIAM J. Comput. 1974; the sum over normalised dimensions as in Panigrahy et al.,
    "Heuristics for vector bin packing", 2011.
    """

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        """Deterministic; `rng` is not used."""
        room = feasible.room(request, cell)
        height, step = score.leftover(cell, gpu_milli=request.gpu_milli), score.step(request, cell)
        limits = feasible.group_limits(request, cell)
        if limits:
            slots = fill.one_by_one(height, step, room, request.count, limits)
        else:
            slots = fill.from_the_top(height, step, room, request.count)
        rows = np.flatnonzero(slots)
        return Plan(rows=rows, slots=slots[rows])
