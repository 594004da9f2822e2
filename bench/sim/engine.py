"""Virtual time: a queue of events, run in order of time and, at one moment, in the order they were made."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from operator import itemgetter
from typing import Any


class Engine:
    """A clock that jumps from event to event. Deterministic: ties are broken by the order of `at`."""

    def __init__(self) -> None:
        self.now = 0.0
        self._made = 0
        self._queue: list[tuple[float, int, Callable[..., None], Any]] = []

    def at(self, time: float, action: Callable[[Any], None], argument: Any = None) -> None:
        """Call `action(argument)` at that time, which must not have passed."""
        self._made += 1
        heappush(self._queue, (time, self._made, action, argument))

    def run(self, until: float) -> None:
        """Run every event up to and at `until`; what is due later stays undone, and the clock ends there."""
        queue = self._queue
        while queue:
            event = heappop(queue)
            time, _, action, argument = event
            if time > until:
                heappush(queue, event)
                break
            self.now = time
            action(argument)
        self.now = until

    @property
    def events(self) -> int:
        """How many have been run."""
        return self._made - len(self._queue)

    def pending(self, action: Callable[[Any], None]) -> list[Any]:
        """The arguments of the events of one action that are still to come, in order of time."""
        return [
            argument
            for _, _, planned, argument in sorted(self._queue, key=itemgetter(0, 1))
            if planned == action
        ]
