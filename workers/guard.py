"""The agent's end of its guard (guard_process.py): what it holds, and until when."""

from __future__ import annotations

import fcntl
import logging
import math
import os
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path

from omegacell.cellstate.clock import boottime
from omegacell.workers import guard_process
from omegacell.workers.watcher import Watcher

log = logging.getLogger(__name__)

_GATHERED_BYTES = 4096
"""A few hundred ended groups: told late, which is harmless long before their numbers are used again."""


def lock_path(log_directory: Path | str, worker_name: str) -> str:
    """The file that the guard of a worker keeps locked while it lives."""
    return f"{log_directory}/guard-{worker_name.replace('/', '_')}.lock"


def guard_gone(path: str) -> bool:
    """Whether no guard holds the lock: every group it held has been killed, or none ever was."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


class Guard:
    """Starts the guard process, keeps it informed, and starts another if it dies before the agent.

    `tag` must be in the environment of everything that runs, as OMEGA_GUARD. What begins is told at the end
    of the watcher's round, a deadline at once; what has ended waits for either. Safe from any thread.
    """

    def __init__(self, watcher: Watcher, path: str) -> None:
        self.tag = uuid.uuid4().hex
        self._watcher = watcher
        self._path = path
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._folder = b""
        self._deadline = math.inf
        self._unsent = bytearray()
        self._urgent = False
        self._closed = False
        self._socket, self._process = self._start()
        watcher.post(self._watch)
        watcher.post(lambda: watcher.after_each_round(self.flush))

    @property
    def pid(self) -> int:
        """The guard's process id."""
        return self._process.pid

    def hold(self, group: int) -> None:
        """Kill this process group when the agent ends."""
        with self._lock:
            self._held.add(group)
            self._unsent += b"+%d\n" % group
            self._urgent = True

    def drop(self, group: int) -> None:
        """The group is gone."""
        with self._lock:
            self._held.discard(group)
            self._unsent += b"-%d\n" % group

    def remove_at_end(self, folder: Path) -> None:
        """Remove this folder of control groups when the agent ends."""
        with self._lock:
            self._folder = b"%s\n" % str(folder).encode()
            self._unsent += self._folder
            self._urgent = True

    def deadline(self, until: float) -> None:
        """Kill everything at this time of CLOCK_BOOTTIME, unless a later one is told before."""
        with self._lock:
            self._deadline = until
            self._unsent += self._deadline_line()
            self._urgent = True
        self.flush()

    def expired(self) -> bool:
        """Whether the deadline has passed: what begins now would be killed at once."""
        return boottime() >= self._deadline

    def flush(self) -> None:
        """Send what was gathered; what a full pipe does not take goes with the next flush."""
        # Not for each end: the guard's waking up would double what a short task costs.
        if not self._urgent and len(self._unsent) < _GATHERED_BYTES:
            return
        with self._lock:
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                return
            del self._unsent[:sent]
            self._urgent = bool(self._unsent)

    def close(self) -> None:
        """Let it go: it kills what is left, and ends."""
        with self._lock:
            self._closed = True
            self._socket.close()
        self._process.wait()

    def _deadline_line(self) -> bytes:
        return f"={self._deadline!r}\n".encode()

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            script = guard_process.__file__
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", script, str(theirs.fileno()), self._path, self.tag],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
            )
        return ours, process

    def _watch(self) -> None:
        self._watcher.watch_exit(self._process, self._died)

    def _died(self) -> None:
        with self._lock:
            if self._closed:
                return
            log.warning("the guard (pid %d) died; starting another", self._process.pid)
            self._process.wait()
            self._socket.close()
            self._socket, self._process = self._start()
            self._unsent = bytearray(b"".join(b"+%d\n" % group for group in sorted(self._held)))
            self._unsent += self._folder + self._deadline_line()
            self._urgent = True
        self.flush()
        self._watch()
