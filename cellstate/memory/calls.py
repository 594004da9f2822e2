"""What every group of calls has: the cell, its clock, and the lock under which each call runs."""

from __future__ import annotations

import threading

from omegacell.cellstate.clock import Clock
from omegacell.cellstate.memory.state import Cell


class Calls:
    """Base of the groups of calls that make up MemoryStore."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cell = Cell()
        self._lock = threading.RLock()
