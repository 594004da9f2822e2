"""Best fit: each task goes to the machine with the least left over."""

from __future__ import annotations

import numpy as np

from omegacell.schedulers import feasible, fill, score
from omegacell.schedulers.policy import CellView, Plan, Request


class BestFit:
    """Least leftover = sum over dimensions of free / largest capacity; ties to the lower row.

    Packs machines full and keeps others empty for big tasks; concurrent schedulers meet on the same machines.
    A task lowers the leftover of its machine, so the best machine stays the best until it is full: `count`
    tasks fill machines in order of leftover. Cost: a pass over the cell.

    Source: Johnson, Demers, Ullman, Garey, Graham, "Worst-case performance bounds for simple one-dimensional
    packing algorithms", SIAM J. Comput. 1974; the sum over normalised dimensions as in Panigrahy et al.,
    "Heuristics for vector bin packing", 2011.
    """

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        """Deterministic; `rng` is not used."""
        room = feasible.room(request, cell)
        limits = feasible.group_limits(request, cell)
        height = -score.leftover(cell)
        slots = fill.down_from_the_top(height, room, request.count, limits, np.arange(cell.machines))
        rows = np.flatnonzero(slots)
        return Plan(rows=rows, slots=slots[rows])
