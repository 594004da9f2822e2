"""The guard's view of the process it works for, and its only way to wait."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from typing import Final

from omegacell.embedded_postgres import linux

# How soon the owner's end is noticed where no pidfd tells it and a fork of the owner keeps the socket open.
_LOOK_SECONDS: Final = 0.5


class Ended(Exception):
    """The owner has ended, or asked for the end, or the guard was told to terminate."""


class Owner:
    """Watches the process that started this one: by its socket, its pid, and SIGTERM to the guard itself.

    The socket alone is not enough: a child that the owner forked keeps a copy of it open.
    """

    def __init__(self, control: socket.socket, pid: int) -> None:
        self.pid = pid
        self._terminated = False
        self._wake_read, wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(wake_write, False)
        self._pidfd = linux.open_pidfd(pid)
        # Handlers, not SIG_IGN: programs started from here would inherit that.
        for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(signum, lambda *_: None)
        signal.signal(signal.SIGTERM, self._terminate)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._poll = select.poll()
        for descriptor in (control.fileno(), self._wake_read, self._pidfd):
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)

    def _terminate(self, *_: object) -> None:
        self._terminated = True

    def pause(self, seconds: float) -> None:
        """Sleep for `seconds`, less when a child changed state. Raises Ended when the owner has ended."""
        until = time.monotonic() + seconds
        while not self._terminated and os.getppid() == self.pid:
            left = until - time.monotonic()
            if left <= 0:
                return
            step = left if self._pidfd >= 0 else min(left, _LOOK_SECONDS)
            ready = {descriptor for descriptor, _ in self._poll.poll(step * 1000)}
            if ready - {self._wake_read}:  # nothing is ever sent after the request: this is its end
                break
            if ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
                if not self._terminated:
                    return
        raise Ended
