"""The tasks of one job that wait to run again: the due ones by index, the others by time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace

from omegacell.cellstate.model import RetryRange


class Retries:
    """Ranges of tasks, none of which is in two of them.

    Two heaps, so that neither asking what is due nor taking it looks at every waiting range, and counts of the
    tasks, so that neither adds them up. Needs a clock that does not go back: what was due stays due.
    """

    def __init__(self) -> None:
        self._rows: dict[int, RetryRange] = {}
        self._tasks = 0
        self._tasks_due = 0
        self._waiting: list[tuple[float, int]] = []
        self._due: list[int] = []

    def __len__(self) -> int:
        """How many tasks there are, due or not."""
        return self._tasks

    def __iter__(self) -> Iterator[RetryRange]:
        """By first_index."""
        return iter([self._rows[first_index] for first_index in sorted(self._rows)])

    def add(self, retry: RetryRange) -> None:
        """Let tasks wait until their not_before."""
        self._rows[retry.first_index] = retry
        self._tasks += retry.count
        heapq.heappush(self._waiting, (retry.not_before, retry.first_index))

    def due(self, now: float) -> int:
        """How many tasks may be placed now."""
        while self._waiting and self._waiting[0][0] <= now:
            first_index = heapq.heappop(self._waiting)[1]
            self._tasks_due += self._rows[first_index].count
            heapq.heappush(self._due, first_index)
        return self._tasks_due

    def next_not_before(self) -> float:
        """When the first of those that are not due becomes due; only asked where nothing is due."""
        return self._waiting[0][0]

    def take(self, tasks: int) -> RetryRange:
        """Take up to so many tasks from the due range of the lowest index; `due` said there is one."""
        found = self._rows.pop(heapq.heappop(self._due))
        taken = replace(found, count=min(tasks, found.count))
        if taken.count < found.count:
            rest = replace(
                found, first_index=found.first_index + taken.count, count=found.count - taken.count
            )
            self._rows[rest.first_index] = rest
            heapq.heappush(self._due, rest.first_index)
        self._tasks -= taken.count
        self._tasks_due -= taken.count
        return taken

    def clear(self) -> None:
        """Forget them all."""
        self._rows.clear()
        self._waiting.clear()
        self._due.clear()
        self._tasks = self._tasks_due = 0
