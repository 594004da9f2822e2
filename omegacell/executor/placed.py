"""Which of an executor's tasks hold a place on a machine, looked up when somebody asks."""

from __future__ import annotations

import time
from bisect import bisect_right

from omegacell.cellstate.store import ClientStore

_SECONDS = 0.02
"""Looked up once in this time at most, however many futures are asked."""


class Placed:
    """The placements of one job. For any thread: a look is replaced as a whole."""

    def __init__(self, store: ClientStore) -> None:
        self._store = store
        self._seen: tuple[float, list[tuple[int, int]]] = (float("-inf"), [])

    def holds(self, job_id: int, task_index: int) -> bool:
        """Whether the task holds a place, as of a moment ago."""
        now = time.monotonic()
        at, slots = self._seen
        if now - at >= _SECONDS:
            slots = sorted((one.first_index, one.count) for one in self._store.placements(job_id))
            self._seen = (now, slots)
        position = bisect_right(slots, task_index, key=lambda slot: slot[0]) - 1
        return position >= 0 and task_index < sum(slots[position])
