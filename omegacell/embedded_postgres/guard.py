"""The guard: a small process between the caller and PostgreSQL that outlives neither.

It holds the lock on the data directory, prepares it, starts the server, starts it again on the same port when
it dies, and stops it when the caller is gone. If the guard itself is killed, the kernel tells the server to
stop (Linux). It talks to the caller over one socket: a request comes in, one answer goes out, end of file
means stop.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from omegacell.embedded_postgres import linux
from omegacell.embedded_postgres.cluster import Cluster, Refusal, ServerUser, make_data_dir, prepare
from omegacell.embedded_postgres.lock import DirectoryLock
from omegacell.embedded_postgres.log import ServerLog
from omegacell.embedded_postgres.owner import Ended, Owner
from omegacell.embedded_postgres.ports import LOOPBACK, choose_port, is_free
from omegacell.embedded_postgres.postmaster import (
    FAST_SECONDS,
    Postmaster,
    end_orphans,
    pid_and_status,
    runs_in,
    spawn,
)
from omegacell.embedded_postgres.request import Request

# Starts in a row that may fail before the guard gives up; the waits between them add up to about 26 s.
_TRIES: Final = 10
_LONGEST_WAIT_SECONDS: Final = 5.0

_PORT_TRIES: Final = 10
_TAKEN: Final = "Address already in use"
_DEAF: Final = "could not create listen socket"  # a warning where another address could be had
_LOG_LOOK_SECONDS: Final = 10.0


class Guard:
    """Serves one request. Making it takes the lock of the data directory."""

    def __init__(self, request: Request, owner: Owner) -> None:
        self._request = request
        self._owner = owner
        self._data_dir = request.data_dir
        self._addresses = [LOOPBACK, request.address] if request.address else [LOOPBACK]
        self._postmaster: Postmaster | None = None
        self._check_address()
        make_data_dir(self._data_dir)
        self._lock = DirectoryLock(self._data_dir, owner)
        self._log = ServerLog(self._data_dir / "server.log")

    def start(self) -> tuple[Cluster, int]:
        """Prepare the data directory and bring the server up; its port."""
        self._end_stray()
        is_kept = not self._request.temporary
        cluster = prepare(
            self._data_dir,
            binaries=self._request.binaries,
            fsync=is_kept,
            network=bool(self._request.address),
            run=self._run_tool,
        )
        preferred = self._request.port or self._lock.last_port
        for _ in range(_PORT_TRIES):
            port, offset = self._request.port or choose_port(preferred, self._addresses), self._log.end()
            is_up = self._launch(cluster, port)
            said = self._log.since(offset)
            if is_up and _DEAF not in said:
                return cluster, port
            if self._postmaster is not None and is_up:  # it listens on one of its addresses only
                self._postmaster.stop(keep=True)
            if _TAKEN not in said:
                raise Refusal("failed", f"PostgreSQL did not start: {self._log.complaint_since(offset)}")
            if self._request.port:
                raise Refusal("failed", f"port {port} is in use: name another, or none for one that is free")
            preferred = 0
        where = " and ".join(self._addresses)
        raise Refusal("failed", f"PostgreSQL found no free port on {where} in {_PORT_TRIES} tries")

    def _check_address(self) -> None:
        if not is_free(0, self._addresses):
            raise Refusal(
                "unusable",
                f"PostgreSQL cannot listen on {self._request.address!r}, which is no address of this host: "
                "name one by which other hosts reach it",
            )

    def keep_up(self, cluster: Cluster, port: int) -> None:
        """Restart the server on its port whenever it dies; returns after too many failed starts in a row."""
        failures = 0
        while failures < _TRIES:
            while self._postmaster is not None and not self._postmaster.has_ended():
                self._owner.pause(_LOG_LOOK_SECONDS)
                self._log.rotate()
            self._log.say(f"the server ended, starting it again (try {failures + 1} of {_TRIES})")
            end_orphans()
            if self._launch(cluster, port):
                failures = 0
            else:
                self._wait(min(0.1 * 2**failures, _LONGEST_WAIT_SECONDS))
                failures += 1
        self._log.say("the server could not be started again, giving up")

    def stop(self) -> None:
        """Stop what runs, and remove a temporary data directory."""
        self._lock.tell("stopping", self._postmaster)
        if self._postmaster is not None:
            self._postmaster.stop(keep=not self._request.temporary)
        end_orphans()  # of a tool that was interrupted
        if self._request.temporary:
            shutil.rmtree(self._data_dir, ignore_errors=True)

    def _launch(self, cluster: Cluster, port: int) -> bool:
        """Start the server and wait until it is ready, however long that takes; False if it ended instead."""
        settings = self._request.settings
        if self._request.temporary:  # no shared memory outside the folder: nothing stays if all are killed
            settings = {"dynamic_shared_memory_type": "mmap", **settings}
        self._postmaster = Postmaster(
            cluster, addresses=self._addresses, port=port, settings=settings, log=self._log.file
        )
        self._lock.tell("starting", self._postmaster)
        while not self._postmaster.is_ready():
            if self._postmaster.has_ended():
                end_orphans()
                return False
            self._owner.pause(0.01)
        self._lock.tell("running", self._postmaster)
        return True

    def _end_stray(self) -> None:
        """Wait for the end of a server whose guard was killed; help where the kernel did not tell it to stop.

        A server that is not the last guard's is somebody's own, and is left alone.
        """
        pgdata = self._data_dir / "postgres"
        signums = [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT]
        until = 0.0
        while runs_in(pgdata, pid := pid_and_status(pgdata)[0]):
            if pid != self._lock.last_postmaster:
                raise Refusal(
                    "in_use",
                    f"data directory {self._data_dir} is in use by PostgreSQL server process {pid}, which "
                    "omegacell did not start: stop it, or choose another directory with OMEGA_DATA_DIR",
                )
            if signums and time.monotonic() > until:
                os.kill(pid, signums.pop())
                until = time.monotonic() + FAST_SECONDS
            self._owner.pause(0.02)

    def _run_tool(self, user: ServerUser, command: Sequence[str], text: str) -> None:
        """Run a PostgreSQL program to its end with `text` as input; Refusal("failed") if it fails."""
        offset = self._log.end()
        tool = spawn(user, command, log=self._log.file, dies_by=signal.SIGKILL, stdin=subprocess.PIPE)
        try:
            assert tool.stdin is not None
            with tool.stdin:
                tool.stdin.write(text.encode())
            while tool.poll() is None:
                self._owner.pause(1.0)
        finally:
            if tool.poll() is None:
                tool.kill()
                tool.wait()
        if tool.returncode != 0:
            complaint = self._log.complaint_since(offset)
            raise Refusal("failed", f"{Path(command[0]).name} failed on {self._data_dir}: {complaint}")

    def _wait(self, seconds: float) -> None:
        """Let `seconds` pass, whatever the children do meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._owner.pause(left)


def serve(request: Request, control: socket.socket) -> dict[str, object]:
    """Serve `request` until its owner ends; returns {} then, and what went wrong if it ended for that."""
    owner = Owner(control, request.owner_pid)
    guard: Guard | None = None
    try:
        guard = Guard(request, owner)
        cluster, port = guard.start()
        control.sendall(json.dumps({"port": port, "password": cluster.password}).encode() + b"\n")
        guard.keep_up(cluster, port)
    except Ended:
        pass
    except Refusal as refusal:
        return {"error": refusal.kind, "message": str(refusal)}
    except OSError as error:
        what = f"data directory {request.data_dir} cannot be used: {error}"
        return {"error": "unusable", "message": f"{what}; choose another with OMEGA_DATA_DIR"}
    except Exception:
        return {"error": "failed", "message": f"the guard of PostgreSQL broke: {traceback.format_exc()}"}
    finally:
        if guard is not None:
            guard.stop()
    return {}


def main() -> None:
    """Serve the request that standard input brings, until its other end is closed."""
    os.umask(0o022)
    linux.adopt_orphans()
    control = socket.socket(fileno=0)
    with control.makefile("rb") as requests:
        line = requests.readline()
    if not line.endswith(b"\n"):  # the caller ended before it had asked
        return
    answer = serve(Request.from_line(line), control)
    if answer:
        control.sendall(json.dumps(answer).encode() + b"\n")
        sys.exit(1)
