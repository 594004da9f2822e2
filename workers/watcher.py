"""One thread that waits for file descriptors, ended children and times, and calls back.

Everything that concerns running tasks happens in this thread, so that their state needs no lock: other
threads hand it work with `post`.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import selectors
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE

_CHILD_POLL_SECONDS = 0.02
"""How often a child is looked at where the kernel has no pidfd, or no descriptor is left for one."""

_LONGEST_WAIT_SECONDS = 3600.0
"""epoll takes no more than 2^31 ms, and a task's timeout may be longer."""

Callback = Callable[[], None]


class Timer:
    """A callback at a time of the monotonic clock; cancelled ones are passed over."""

    __slots__ = ("callback", "cancelled")

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Never call it."""
        self.cancelled = True


class Watcher:
    """The thread. All methods but `post` and `close` belong to its own callbacks."""

    def __init__(self, name: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._callbacks: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._posted: deque[Callback] = deque()
        self._after: list[Callback] = []
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._signalled = False
        self._closing = False
        self.watch(self._wake_reader, READ, self._drain_wake)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, callback: Callback) -> None:
        """Have the watcher's thread call it soon; callbacks keep their order. From any thread."""
        self._posted.append(callback)
        if not self._signalled:
            self._signalled = True
            os.write(self._wake_writer, b"\0")

    def watch(self, descriptor: int, events: int, callback: Callback) -> None:
        """Call back whenever the descriptor is ready for `events` (READ, WRITE); it replaces any other."""
        if descriptor in self._callbacks:
            self._selector.modify(descriptor, events)
        else:
            self._selector.register(descriptor, events)
        self._callbacks[descriptor] = callback

    def forget(self, descriptor: int) -> None:
        """Stop watching; before the descriptor is closed."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._selector.unregister(descriptor)

    def later(self, seconds: float, callback: Callback) -> Timer:
        """Call once, `seconds` from now."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), timer))
        return timer

    def after_each_round(self, callback: Callback) -> None:
        """Call at the end of every round: the place to send what a round has gathered."""
        self._after.append(callback)

    def watch_exit(self, process: subprocess.Popen[bytes], callback: Callback) -> None:
        """Call once when the child has ended; it is still a zombie then, so its ids are not reused yet."""
        try:
            descriptor = os.pidfd_open(process.pid)
        except (AttributeError, OSError):
            self._poll_exit(process.pid, callback)
            return

        def exited() -> None:
            self.forget(descriptor)
            os.close(descriptor)
            callback()

        self.watch(descriptor, READ, exited)

    def close(self) -> None:
        """End the thread, after what was posted before."""
        if self._thread.is_alive():
            self.post(self._close)
            self._thread.join()

    def _close(self) -> None:
        self._closing = True

    def _poll_exit(self, pid: int, callback: Callback) -> None:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            self.later(_CHILD_POLL_SECONDS, lambda: self._poll_exit(pid, callback))
        else:
            callback()

    def _drain_wake(self) -> None:
        os.read(self._wake_reader, 4096)

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(self._seconds_to_next_timer()):
                # Looked up again: an earlier callback of this round may have forgotten the descriptor.
                self._call(self._callbacks.get(key.fd))
            self._signalled = False
            while self._posted:
                self._call(self._posted.popleft())
            self._run_due_timers()
            for callback in self._after:
                self._call(callback)
        for descriptor in (self._wake_reader, self._wake_writer):
            os.close(descriptor)
        self._selector.close()

    def _seconds_to_next_timer(self) -> float | None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        return min(max(0.0, self._timers[0][0] - time.monotonic()), _LONGEST_WAIT_SECONDS)

    def _run_due_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                self._call(timer.callback)

    def _call(self, callback: Callback | None) -> None:
        if callback is None:
            return
        try:
            callback()
        except Exception:
            # One task's trouble must not end the thread that watches all the others.
            log.exception("a callback of the watcher failed")
