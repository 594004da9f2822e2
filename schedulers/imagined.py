"""An attempt's view of the cell, changed in one respect to ask "what if": see only some machines, or all of them empty.

Both share the claims of the view they are made of, so that trying a claim on one counts in the other.
"""

from __future__ import annotations

import numpy as np

from omegacell.cellstate.model import DEVICE_MILLI, Bool, Int64
from omegacell.schedulers.policy import Request
from omegacell.schedulers.view import AttemptView


class Narrowed(AttemptView):
    """The view, with only the machines of `among: bool[M]` available."""

    def __init__(self, whole: AttemptView, among: Bool) -> None:
        vars(self).update(vars(whole))
        self._whole = whole
        self._among = among
        self.available = whole.available & among
        self.available.flags.writeable = False

    def available_to(self, request: Request) -> Bool:
        """bool[M]: as in the whole view, of the machines it is narrowed to."""
        return self._whole.available_to(request) & self._among


class Emptied(AttemptView):
    """The view as it would be if nothing ran: all is free that there is."""

    def __init__(self, whole: AttemptView) -> None:
        vars(self).update(vars(whole))
        self.free_matrix = self.capacity_matrix
        self.device_free: Int64 = np.where(self.device_free >= 0, DEVICE_MILLI, self.device_free)

    def free(self, dimension: str) -> Int64:
        """int64[M]: the capacity."""
        return self.capacity(dimension)

    def free_named(self, name: str) -> Int64:
        """int64[M]: the capacity of a named resource, zeros if no machine has it."""
        if name not in self._named:
            return np.zeros(self.machines, dtype=np.int64)
        return self._named[name].capacity
