"""First fit: each task goes to the first machine that takes it."""

from __future__ import annotations

import numpy as np

from omegacell.schedulers import feasible, fill
from omegacell.schedulers.policy import NOWHERE, CellView, Plan, Request

_FIRST_LOOK = 256
"""Machines looked at first; each further look is as long as all before. Small, as the front may have room."""


class FirstFit:
    """The first machine in row order that may take the task, which then gets as many as it takes.

    Looks no further than it must: cost grows with the machines that are full at the front. Concurrent
    schedulers all start at the same end and conflict.

    Source: Johnson, Demers, Ullman, Garey, Graham, "Worst-case performance bounds for simple one-dimensional
    packing algorithms", SIAM J. Comput. 1974.
    """

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        """Deterministic; `rng` is not used."""
        limits = feasible.group_limits(request, cell)
        seen, look, left = 0, cell.machines if limits else _FIRST_LOOK, request.count
        found = [NOWHERE]
        while left and seen < cell.machines:
            slots = fill.in_order(feasible.room(request, cell, slice(seen, seen + look)), left, limits)
            at = np.flatnonzero(slots)
            found.append(Plan(rows=at + seen, slots=slots[at]))
            left -= found[-1].placed
            seen, look = seen + look, seen + look
        return Plan(
            rows=np.concatenate([plan.rows for plan in found]),
            slots=np.concatenate([plan.slots for plan in found]),
        )
