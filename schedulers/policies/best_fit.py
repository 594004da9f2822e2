"""Best fit: each task goes to the machine with the least left over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omegacell.cellstate.model import Int64
from omegacell.schedulers import devices, feasible, fill, score
from omegacell.schedulers.feasible import GroupLimit
from omegacell.schedulers.policy import CellView, Plan, Request


class BestFit:
    """Least leftover = sum over dimensions of free / largest capacity; ties to the lower row.

    Packs machines full and keeps others empty for big tasks; concurrent schedulers meet on the same machines.
    A task lowers the leftover of its machine, so the best machine stays the best until it is full: `count`
    tasks fill machines in order of leftover. Cost: a pass over the cell.

    A share of a device goes where a device in use has room for it, by least leftover among those, before a whole
    device is split anywhere: a split device is lost to whoever wants it whole. Cost: a second pass.

    Source: Johnson, Demers, Ullman, Garey, Graham, "Worst-case performance bounds for simple one-dimensional
    packing algorithms", SIAM J. Comput. 1974; the sum over normalised dimensions as in Panigrahy et al.,
    "Heuristics for vector bin packing", 2011.
    """

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        """Deterministic; `rng` is not used."""
        room = feasible.room(request, cell)
        height = -score.leftover(cell, gpu_milli=request.gpu_milli)
        limits = feasible.group_limits(request, cell)
        if devices.is_share(request.gpu_milli):
            slots = _shares(request, cell, height, room, limits)
        else:
            slots = fill.down_from_the_top(height, room, request.count, limits, np.arange(cell.machines))
        rows = np.flatnonzero(slots)
        return Plan(rows=rows, slots=slots[rows])


def _shares(
    request: Request, cell: CellView, height: Int64, room: Int64, limits: Sequence[GroupLimit]
) -> Int64:
    """int64[M]: first on devices in use. Then the best machine splits one, and is the best until that is full."""
    rows = np.arange(cell.machines)
    on_used = np.minimum(room, devices.shares_on_used(request.gpu_milli, cell.device_free))
    slots = fill.down_from_the_top(height, on_used, request.count, limits, rows)
    left = request.count - int(slots.sum())
    if not left:
        return slots
    if left < request.count:
        height = height + slots * score.step(request, cell)
        for limit in limits:
            np.subtract.at(limit.left, limit.group, slots)
    return slots + fill.down_from_the_top(height, room - slots, left, limits, rows)
