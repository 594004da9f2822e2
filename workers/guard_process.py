"""The guard: a small process that outlives the agent just long enough to kill what the agent ran.

Run by path with `python -I -S`, standard library only: it must start fast and depend on nothing. It is in
a session of its own and ignores polite signals, so that what kills the agent does not kill it. The agent
tells it, one line each: +PGID a group to hold, -PGID one that ended, =SECONDS the deadline by
CLOCK_BOOTTIME, /PATH a folder of control groups to remove when all is over. At the end of the pipe (the agent is
gone, in whatever way) or past the deadline (the agent is frozen or cut off) it kills every group it holds, and
every process that carries the agent's tag in its environment: tasks that left their group, or were started in the
moment the agent died.

Arguments: descriptor of the pipe, path of the lock file, tag. The lock is held from the first deadline or group on
while the guard lives; a later incarnation of the worker takes a free lock as proof that the groups are dead. Not
earlier: before that incarnation has its proof its own guard must not stand in the way.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import time

_LONGEST_WAIT_SECONDS = 1.0
"""poll counts a clock that stands still while the host sleeps; the deadline's clock does not."""

_SWEEP_SECONDS = 5.0
"""How long tagged processes are hunted; a fork that ran ahead of one sweep is met by the next."""


class Guard:
    """What is held, and until when; `needed` once it was told of anything that may run."""

    def __init__(self, tag: str) -> None:
        self.needed = False
        self.groups: set[int] = set()
        self.deadline = float("inf")
        self.folder = b""
        self._mark = f"OMEGA_GUARD={tag}".encode()

    def obey(self, line: bytes) -> None:
        """One line of the agent's."""
        word, value = line[:1], line[1:]
        self.needed = self.needed or word in (b"+", b"=")
        if word == b"+":
            self.groups.add(int(value))
        elif word == b"-":
            self.groups.discard(int(value))
        elif word == b"=":
            self.deadline = float(value)
        elif word == b"/":
            self.folder = line

    def kill_groups(self) -> None:
        """SIGKILL to every group held."""
        for group in self.groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    def sweep(self) -> None:
        """SIGKILL to every process that carries the tag, until none is found."""
        end = time.monotonic() + _SWEEP_SECONDS
        while time.monotonic() < end and self._kill_tagged():
            time.sleep(0.01)

    def remove_folder(self) -> None:
        """Remove the control groups once what was in them is gone."""
        end = time.monotonic() + _SWEEP_SECONDS
        while self.folder and os.path.isdir(self.folder) and time.monotonic() < end:
            for group in os.scandir(self.folder):
                with contextlib.suppress(OSError):
                    os.rmdir(group.path)
            with contextlib.suppress(OSError):
                os.rmdir(self.folder)
                return
            time.sleep(0.01)

    def _kill_tagged(self) -> bool:
        found = False
        for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
            if not name.isdigit():
                continue
            # A process that ended meanwhile, or belongs to someone else, is none of ours.
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb", buffering=0) as file:
                if self._mark in file.read(2**20).split(b"\0"):
                    os.kill(int(name), signal.SIGKILL)
                    found = True
        return found


def take_lock(path: str) -> int:
    """A descriptor that holds the lock, or -1 while another guard has it or the file cannot be had.

    A guard without its lock still kills; one that died for it would be started again and again.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    return descriptor


def main() -> None:
    """Hold, and kill when it is time."""
    pipe, lock_path, tag = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(ignored, signal.SIG_IGN)
    guard = Guard(tag)
    lock = -1
    poll = select.poll()  # select() knows no descriptor above 1023, and a busy agent hands over such
    poll.register(pipe, select.POLLIN)
    pending = b""
    late = killed = False
    while True:
        was_late = late
        remaining = guard.deadline - time.clock_gettime(time.CLOCK_BOOTTIME)
        late = remaining <= 0
        wait = min(max(remaining, 0.0), _LONGEST_WAIT_SECONDS)
        # Not before the pipe was looked at once more: a later deadline may lie in it, told in time.
        if late and was_late:
            guard.kill_groups()
            if not killed:
                guard.sweep()
            wait = _LONGEST_WAIT_SECONDS
        killed = late and was_late
        if poll.poll(wait * 1000):
            data = os.read(pipe, 65536)
            if not data:
                break
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                guard.obey(line)
        if lock < 0 and guard.needed:
            lock = take_lock(lock_path)
    guard.kill_groups()
    guard.sweep()
    guard.remove_folder()


if __name__ == "__main__":
    main()
