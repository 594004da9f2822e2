"""How a client waits for the store: it looks often at first, then seldom, and at once when a hint rings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

_FIRST_SECONDS = 0.002
_GROWTH = 1.5
# Below this a LISTEN connection would cost more than the looks it saves.
_LISTEN_FROM_SECONDS = 0.05


class Bell(Protocol):
    """Rings when something may have changed; cellstate.hints.Listener is one."""

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it rang within the time."""
        ...

    def close(self) -> None:
        """Give back its connection."""
        ...


class Pauses:
    """The pauses between two looks; shared by all threads that wait on one cell.

    One thread at a time listens to the bell, which is made when first needed; the others sleep.
    """

    def __init__(self, longest_seconds: float, make_bell: Callable[[], Bell] | None = None) -> None:
        self.longest_seconds = longest_seconds
        self._make_bell = make_bell
        self._bell: Bell | None = None
        self._listening = threading.Lock()

    def pause(self, seconds: float) -> bool:
        """Wait, at most `seconds`; whether the bell rang."""
        if (
            seconds < _LISTEN_FROM_SECONDS
            or self._make_bell is None
            or not self._listening.acquire(blocking=False)
        ):
            time.sleep(seconds)
            return False
        try:
            self._bell = self._bell or self._make_bell()
            return self._bell.wait(seconds)
        finally:
            self._listening.release()

    def until(self, done: Callable[[], bool], timeout: float | None) -> bool:
        """Look until `done()`; False if `timeout` seconds pass first. Looks at least once."""
        deadline = None if timeout is None else time.monotonic() + timeout
        intervals = self.intervals()
        while not done():
            interval = next(intervals)
            left = interval if deadline is None else min(interval, deadline - time.monotonic())
            if left <= 0:
                return False
            self.pause(left)
        return True

    def intervals(self) -> Iterator[float]:
        """How long to pause between one look and the next: short at first, then ever longer, without end."""
        interval = _FIRST_SECONDS
        while True:
            yield interval
            interval = min(interval * _GROWTH, self.longest_seconds)

    def close(self) -> None:
        """Give the bell back."""
        with self._listening:
            if self._bell is not None:
                self._bell.close()
            self._bell = None
            self._make_bell = None
