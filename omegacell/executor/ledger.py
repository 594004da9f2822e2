"""Which futures an executor owes: those whose tasks wait to be stored, and those whose tasks the store has.

The one place with a lock. Every method returns at once unless it says that it waits, and none calls anything that
could come back here, so that callbacks of futures may do as they like.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import NamedTuple

from omegacell.executor.calls import Call
from omegacell.executor.future import TaskFuture

_BATCH_TASKS = 4096
_BATCH_BYTES = 4 * 2**20
"""One append has no more than this: the store is busy some 20 ms with it, and results are looked for meanwhile."""


class Entry(NamedTuple):
    """A future and what its task is to do."""

    future: TaskFuture
    call: Call


@dataclass(slots=True)
class _End:
    """Why nothing more is taken: the sentence and the type of the error."""

    error: type[RuntimeError]
    sentence: str


class Ledger:
    """Thread-safe. Tasks are numbered in the order in which they were put in."""

    def __init__(self) -> None:
        # Reentrant: the garbage collector may let a finalizer close the executor from within.
        self._changed = threading.Condition()
        self._waiting: deque[Entry] = deque()
        self._stored: dict[int, TaskFuture] = {}
        self._numbered = 0
        self._confirmed = 0
        self._end: _End | None = None
        self._closed = False

    # Tasks in

    def put(self, entries: Sequence[Entry]) -> None:
        """Take these in; RuntimeError if nothing more is taken."""
        with self._changed:
            if self._end is not None:
                raise self._end.error(self._end.sentence)
            self._waiting.extend(entries)
            self._changed.notify_all()

    def take(self, timeout: float | None) -> list[Entry] | None:
        """Number the next tasks to be stored; [] if none came in time, None if none will come. Waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            batch: list[Entry] = []
            size = 0
            while self._waiting and len(batch) < _BATCH_TASKS and size < _BATCH_BYTES:
                entry = self._waiting.popleft()
                if entry.future.dropped:
                    continue
                entry.future.index = self._numbered
                self._stored[self._numbered] = entry.future
                self._numbered += 1
                size += entry.call.size
                batch.append(entry)
            self._changed.notify_all()
            return batch if batch or not self._closed else None

    def confirm(self) -> None:
        """All that was taken is in the store."""
        with self._changed:
            self._confirmed = self._numbered
            self._changed.notify_all()

    # Results out

    def wait_for_stored(self) -> bool:
        """Wait until the store has a task that has not ended; False if it never will have one."""
        with self._changed:
            self._changed.wait_for(lambda: self._settled() or (self._stored and self._confirmed))
            return bool(self._stored)

    def wait_until_settled(self, timeout: float | None) -> bool:
        """Wait until nothing more is taken and nothing is owed; whether it is so."""
        with self._changed:
            return self._changed.wait_for(self._settled, timeout)

    def _settled(self) -> bool:
        return self._closed and not self._waiting and not self._stored

    def pop(self, index: int) -> TaskFuture | None:
        """The future of a task that ended; None if it is owed no more."""
        with self._changed:
            future = self._stored.pop(index, None)
            if not self._stored:
                self._changed.notify_all()
            return future

    # Withdrawal

    def drop(self, futures: Iterable[TaskFuture], *, wait: bool) -> tuple[list[TaskFuture], list[int]]:
        """Of these futures those that were still waiting, which are dropped, and the indexes of those stored.

        With `wait` it waits until what is on its way to the store is there.
        """
        dropped, stored = [], []
        with self._changed:
            for future in futures:
                if future.index >= 0:
                    stored.append(future.index)
                elif not future.dropped:
                    future.dropped = True
                    dropped.append(future)
            if wait and stored:
                last = max(stored)
                self._changed.wait_for(lambda: self._confirmed > last or last not in self._stored)
            return dropped, sorted(index for index in stored if index in self._stored)

    def owed(self) -> list[TaskFuture]:
        """Every future that is owed."""
        with self._changed:
            return [*self._stored.values(), *(entry.future for entry in self._waiting)]

    # The end

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    def close(self, error: type[RuntimeError], sentence: str) -> None:
        """Take nothing more. That it broke is the reason that counts, else the first."""
        with self._changed:
            if self._end is None or self._end.error not in {error, BrokenProcessPool}:
                self._end = _End(error, sentence)
            self._closed = True
            self._changed.notify_all()

    def give_up_waiting(self) -> list[TaskFuture]:
        """The futures whose tasks the store does not have; they are owed no more."""
        with self._changed:
            given_up = [entry.future for entry in self._waiting if not entry.future.dropped]
            given_up += [self._stored.pop(index) for index in range(self._confirmed, self._numbered)]
            self._waiting.clear()
            self._confirmed = self._numbered
            self._changed.notify_all()
            return given_up

    def give_up(self) -> list[TaskFuture]:
        """All futures; they are owed no more."""
        with self._changed:
            given_up = self.give_up_waiting() + list(self._stored.values())
            self._stored.clear()
            self._changed.notify_all()
            return given_up
