"""Processes whose parent died below the keeper: the kernel hands them to it, and it sees to their end (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection

from omegacell.embedded_postgres.linux import adopt_orphans

__all__ = ["adopt_orphans", "children", "end", "reap"]


def children() -> dict[int, bool]:
    """Process ids of this process's children, and whether each has ended and waits to be reaped."""
    me = str(os.getpid())
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/stat") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
                if parent == me:
                    found[int(name)] = state == "Z"
    return found


def reap(own: Collection[int]) -> None:
    """Reap what has ended but for the `own` ones, whose starters want to do it themselves."""
    with contextlib.suppress(ChildProcessError):
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return  # the usual case, without a walk through all processes
    for pid, ended in children().items():
        if ended and pid not in own:
            _wait(pid)


def end(own: Collection[int], grace_seconds: float) -> None:
    """Wait until no child but the `own` ones is left: SIGTERM at once, SIGKILL after the grace."""
    kill_at = time.monotonic() + grace_seconds
    told: set[int] = set()
    while left := {pid: ended for pid, ended in children().items() if pid not in own}:
        late = time.monotonic() > kill_at
        for pid, ended in left.items():
            if ended:
                _wait(pid)
            elif late or pid not in told:
                told.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.02)


def _wait(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
