"""What ends the wait of an idle scheduler."""

from __future__ import annotations

import threading
from typing import Protocol


class Wakeup(Protocol):
    """Something that can be waited on for news about the queue, and about what people want."""

    def wait(self, timeout_seconds: float) -> bool:
        """Whether news came within the time; news since the last call counts."""
        ...

    def heard(self, topic: str) -> bool:
        """Whether `wait` has met news of that topic since this was asked last."""
        ...


class NoNews:
    """Waits the time out, or until the loop is stopped: plain polling."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def wait(self, timeout_seconds: float) -> bool:
        """Never any news."""
        self._stopped.wait(timeout_seconds)
        return False

    def heard(self, topic: str) -> bool:
        """Never any news."""
        return False
