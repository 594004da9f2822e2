"""The few Linux calls the guard needs that Python has no name for; elsewhere they do nothing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

# From <linux/prctl.h> and <linux/ipc.h>.
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_IPC_RMID: Final = 0

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def adopt_orphans() -> None:
    """From now on orphaned descendants become children of this process, so that it can wait for their end."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def dies_with_parent(signum: signal.Signals) -> Callable[[], None]:
    """A preexec_fn: the new process gets `signum` when this one ends in any way.

    The kernel ties it to the calling *thread*. A change of user clears it, but preexec_fn runs after that.
    """
    parent = os.getpid()

    def tie() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
            if os.getppid() != parent:  # it ended before the tie was made
                os._exit(1)

    return tie


def open_pidfd(pid: int) -> int:
    """A descriptor that becomes readable when process `pid` ends; -1 where there is no such thing."""
    if sys.platform == "linux":
        try:
            return os.pidfd_open(pid)
        except OSError:  # a kernel before 5.3, or a sandbox that forbids it
            return -1
    return -1


def remove_shared_memory(segment: int) -> None:
    """Remove a System V shared memory segment by its id."""
    if _libc is not None:
        _libc.shmctl(segment, _IPC_RMID, None)


def is_running(pid: int) -> bool:
    """Whether process `pid` exists and is no zombie; never for 0."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _stat_fields(pid)[:1] != ["Z"]


def children() -> list[int]:
    """Process ids of this process's children, zombies left out; none where there is no /proc."""
    me = str(os.getpid())
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()] if _libc is not None else []
    return [pid for pid in pids if (fields := _stat_fields(pid))[1:2] == [me] and fields[0] != "Z"]


def show_as(title: str) -> None:
    """What lists of processes show of this one, instead of the command line it was started with.

    As much of it as has room there, so a forked process that needs more should descend from a long command line.
    """
    if _libc is None:
        return
    places = _stat_fields(os.getpid())[45:47]  # arg_start and arg_end of proc(5)
    if len(places) < 2 or "0" in places:  # a sandbox that keeps them to itself
        return
    start, end = map(int, places)
    shown = title.encode()[: end - start - 1]
    ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)


def _stat_fields(pid: int) -> list[str]:
    """State and parent's id, then the rest of /proc/PID/stat; empty if it cannot be read."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []
