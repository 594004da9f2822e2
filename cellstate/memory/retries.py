"""The tasks of one job that wait to run again: the due ones by index, the others by time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from omegacell.cellstate.model import RetryRange


class Retries:
    """One range of one task per task that waits.

    Two heaps, so that neither asking what is due nor taking it looks at every waiting task. Needs a clock
    that does not go back: what was due stays due.
    """

    def __init__(self) -> None:
        self._rows: dict[int, RetryRange] = {}
        self._waiting: list[tuple[float, int]] = []
        self._due: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[RetryRange]:
        """By first_index."""
        return iter([self._rows[first_index] for first_index in sorted(self._rows)])

    def add(self, retry: RetryRange) -> None:
        """Let a task wait until its not_before."""
        self._rows[retry.first_index] = retry
        heapq.heappush(self._waiting, (retry.not_before, retry.first_index))

    def due(self, now: float) -> int:
        """How many may be placed now."""
        while self._waiting and self._waiting[0][0] <= now:
            heapq.heappush(self._due, heapq.heappop(self._waiting)[1])
        return len(self._due)

    def next_not_before(self) -> float:
        """When the first of those that are not due becomes due; only asked where nothing is due."""
        return self._waiting[0][0]

    def take(self) -> RetryRange:
        """Take the due one of the lowest index; `due` said there is one."""
        return self._rows.pop(heapq.heappop(self._due))

    def clear(self) -> None:
        """Forget them all."""
        self._rows.clear()
        self._waiting.clear()
        self._due.clear()
