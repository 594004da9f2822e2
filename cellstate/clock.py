"""Time as an argument: the system's clock, and one that tests and the simulator own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the Unix epoch."""

    def now(self) -> float:
        """The present, in seconds."""
        ...


def boottime() -> float:
    """Seconds since this host's boot, time asleep included: what leases are measured by on their holder's side."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """The present, in seconds since the Unix epoch."""
        return time.time()


class ManualClock:
    """A clock that moves only when told to; never backwards."""

    def __init__(self, start: float) -> None:
        self._now = start

    def now(self) -> float:
        """The time it was last set to."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move forward by `seconds` (>= 0) and return the new time."""
        if seconds < 0:
            raise ValueError(f"clock cannot go back by {seconds} s; pass seconds >= 0")
        self._now += seconds
        return self._now
