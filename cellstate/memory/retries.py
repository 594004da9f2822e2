"""The tasks of one job that wait to run again: the due ones by index, the others by time."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import replace

from omegacell.cellstate.model import RetryRange


class Retries:
    """Ranges of tasks, none of which is in two of them.

    Two heaps, so that neither asking what is due nor taking it looks at every waiting range, and counts of the
    tasks, so that neither adds them up. Heap entries whose range is gone are dropped when they surface. Needs
    a clock that does not go back: what was due stays due.
    """

    def __init__(self) -> None:
        self._rows: dict[int, RetryRange] = {}
        self._order: list[int] = []
        self._tasks = 0
        self._tasks_again = 0
        self._tasks_due = 0
        self._waiting: list[tuple[float, int]] = []
        self._due: list[int] = []
        self._due_rows: set[int] = set()

    def __len__(self) -> int:
        """How many tasks there are, due or not."""
        return self._tasks

    def __iter__(self) -> Iterator[RetryRange]:
        """By first_index."""
        return iter([self._rows[first_index] for first_index in self._order])

    @property
    def tasks_again(self) -> int:
        """How many of the tasks have been placed before."""
        return self._tasks_again

    def add(self, retry: RetryRange) -> None:
        """Let tasks wait until their not_before."""
        self._put(retry)
        heapq.heappush(self._waiting, (retry.not_before, retry.first_index))

    def due(self, now: float) -> int:
        """How many tasks may be placed now."""
        while self._waiting and self._waiting[0][0] <= now:
            not_before, first_index = heapq.heappop(self._waiting)
            if self._still_waits(not_before, first_index):
                self._make_due(first_index)
        return self._tasks_due

    def next_not_before(self) -> float:
        """When the first of those that are not due becomes due; only asked where nothing is due."""
        while not self._still_waits(*self._waiting[0]):
            heapq.heappop(self._waiting)
        return self._waiting[0][0]

    def take(self, tasks: int) -> RetryRange:
        """Take up to so many tasks from the due range of the lowest index; `due` said there is one."""
        first_index = heapq.heappop(self._due)
        while first_index not in self._due_rows:
            first_index = heapq.heappop(self._due)
        found = self._pop(first_index)
        if tasks >= found.count:
            return found
        rest = replace(found, first_index=found.first_index + tasks, count=found.count - tasks)
        self._put(rest)
        self._make_due(rest.first_index)
        return replace(found, count=tasks)

    def cut(self, first_index: int, end: int) -> list[RetryRange]:
        """Take away the tasks first_index .. end - 1, due or not, by index; what is left of a range still waits."""
        low = max(bisect_right(self._order, first_index) - 1, 0)
        touched = self._order[low : bisect_left(self._order, end)]
        taken: list[RetryRange] = []
        for index in reversed(touched):  # from the end, where a list gives an entry up at no cost
            found = self._rows[index]
            found_end = index + found.count
            start, stop = max(index, first_index), min(found_end, end)
            if start >= stop:
                continue
            self._pop(index)
            taken.append(replace(found, first_index=start, count=stop - start))
            if index < start:
                self.add(replace(found, count=start - index))
            if stop < found_end:
                self.add(replace(found, first_index=stop, count=found_end - stop))
        return taken[::-1]

    def _still_waits(self, not_before: float, first_index: int) -> bool:
        """Whether a heap entry speaks of a range there is, and is not due yet."""
        row = self._rows.get(first_index)
        return row is not None and row.not_before == not_before and first_index not in self._due_rows

    def _make_due(self, first_index: int) -> None:
        self._due_rows.add(first_index)
        self._tasks_due += self._rows[first_index].count
        heapq.heappush(self._due, first_index)

    def _put(self, retry: RetryRange) -> None:
        self._rows[retry.first_index] = retry
        insort(self._order, retry.first_index)
        self._count(retry, 1)

    def _pop(self, first_index: int) -> RetryRange:
        found = self._rows.pop(first_index)
        del self._order[bisect_left(self._order, first_index)]
        self._count(found, -1)
        if first_index in self._due_rows:
            self._due_rows.remove(first_index)
            self._tasks_due -= found.count
        return found

    def _count(self, retry: RetryRange, sign: int) -> None:
        self._tasks += sign * retry.count
        if retry.attempt > 1:
            self._tasks_again += sign * retry.count
