"""One run of the PostgreSQL server, and of its tools, as children of the guard."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from omegacell.embedded_postgres import linux
from omegacell.embedded_postgres.cluster import Cluster, ServerUser

# Nothing in the caller's environment may steer the server (PGOPTIONS ...), but libraries may need their path.
_KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

# A fast shutdown writes a checkpoint: at most shared_buffers, 256 MB by default.
FAST_SECONDS: Final = 10.0
QUIT_SECONDS: Final = 3.0

# How long processes of a dead server may take to end by themselves after SIGQUIT.
_ORPHAN_SECONDS: Final = 1.0


def spawn(
    user: ServerUser, command: Sequence[str], *, log: IO[bytes], dies_by: signal.Signals, stdin: int
) -> subprocess.Popen[bytes]:
    """Start `command` as `user`, with all its output in `log`; it gets `dies_by` when the guard ends."""
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    environment |= {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=log,
        stderr=log,
        cwd="/",
        env=environment,
        preexec_fn=linux.dies_with_parent(dies_by),  # noqa: PLW1509 - the guard has one thread
        user=user.uid if user.switch else None,
        group=user.gid if user.switch else None,
        extra_groups=[] if user.switch else None,
    )


class Postmaster:
    """A server process that was started; it may not be ready yet."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        addresses: Sequence[str],
        port: int,
        settings: dict[str, str],
        log: IO[bytes],
    ) -> None:
        self.port = port
        self._pgdata = cluster.pgdata
        fixed = {"listen_addresses": ",".join(addresses), "port": str(port), "unix_socket_directories": ""}
        command = [str(cluster.bin_dir / "postgres"), "-D", str(cluster.pgdata)]
        for name, value in {**settings, **fixed}.items():
            command += ["-c", f"{name}={value}"]
        # SIGINT is PostgreSQL's fast shutdown.
        self._process = spawn(cluster.user, command, log=log, dies_by=signal.SIGINT, stdin=subprocess.DEVNULL)
        self.pid = self._process.pid

    def has_ended(self) -> bool:
        """Whether the process is gone; reaps it."""
        return self._process.poll() is not None

    def is_ready(self) -> bool:
        """Whether it accepts connections, by its own word."""
        return pid_and_status(self._pgdata) == (self.pid, "ready")

    def stop(self, *, keep: bool) -> None:
        """End it within bounds: fast if the data is to be kept, else at once; by force at the deadline."""
        steps = [(signal.SIGINT, FAST_SECONDS)] if keep else []
        for signum, seconds in (*steps, (signal.SIGQUIT, QUIT_SECONDS), (signal.SIGKILL, QUIT_SECONDS)):
            if self.has_ended():
                break
            self._process.send_signal(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        end_orphans()
        if not keep:
            self._remove_shared_memory()

    def _remove_shared_memory(self) -> None:
        """What a server that was killed left in the system; a next start on the data would have cleared it."""
        with contextlib.suppress(OSError, ValueError, IndexError):  # the normal case: the file is gone
            key_and_id = (self._pgdata / "postmaster.pid").read_text(encoding="utf-8").splitlines()[6]
            linux.remove_shared_memory(int(key_and_id.split()[1]))


def pid_and_status(pgdata: Path) -> tuple[int, str]:
    """Process id and status (starting, ready, stopping) by the server's postmaster.pid; (0, "") if none."""
    try:
        lines = (pgdata / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else "starting"
    except (OSError, ValueError, IndexError):
        return 0, ""


def runs_in(pgdata: Path, pid: int) -> bool:
    """Whether process `pid` is a running server on `pgdata`, and not another that got the number since."""
    if not linux.is_running(pid):
        return False
    if sys.platform == "linux":
        try:
            return os.readlink(f"/proc/{pid}/cwd") == str(pgdata)
        except OSError:
            return False
    found = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return str(pgdata) in found.stdout


def end_orphans() -> None:
    """End and reap every process that a dead server left behind; where the system hands them to us (Linux).

    PostgreSQL refuses to start again while one of them is attached to the old shared memory. SIGQUIT is what
    the server itself would have sent them.
    """
    told: set[int] = set()
    deadline = time.monotonic() + _ORPHAN_SECONDS
    with contextlib.suppress(ChildProcessError):  # raised when there is no child any more
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            is_late = time.monotonic() > deadline
            for pid in linux.children():
                if is_late or pid not in told:
                    told.add(pid)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL if is_late else signal.SIGQUIT)
            time.sleep(0.01)
