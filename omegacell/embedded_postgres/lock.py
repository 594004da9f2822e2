"""The lock of a data directory: one guard at a time, and a word to the others about who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Final

from omegacell.embedded_postgres import linux
from omegacell.embedded_postgres.cluster import Refusal
from omegacell.embedded_postgres.owner import Owner
from omegacell.embedded_postgres.postmaster import FAST_SECONDS, QUIT_SECONDS, Postmaster

# A holder that is stopping gets as long as a stop may take.
_WAIT_SECONDS: Final = FAST_SECONDS + 2 * QUIT_SECONDS + 2.0


class DirectoryLock:
    """Held from its making until this process ends: the kernel frees it however that comes about.

    `last_port` and `last_postmaster` are what the previous holder had written; 0 where there was none.
    """

    def __init__(self, data_dir: Path, owner: Owner) -> None:
        self._owner_pid = owner.pid
        self._file = os.open(data_dir / "omega.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._take(data_dir, owner)
        last = self._read()
        self.last_port = _as_int(last.get("port"))
        self.last_postmaster = _as_int(last.get("postmaster"))
        self.tell("starting", None)

    def tell(self, state: str, postmaster: Postmaster | None) -> None:
        """Write down who holds the lock, and which server runs: starting, running or stopping."""
        message: dict[str, object] = {"state": state, "owner": self._owner_pid, "guard": os.getpid()}
        if postmaster is not None:
            message |= {"port": postmaster.port, "postmaster": postmaster.pid}
        text = json.dumps(message).encode() + b"\n"
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))

    def _take(self, data_dir: Path, owner: Owner) -> None:
        """Wait for a holder on its way out (it says so, or the process it serves is gone); refuse others."""
        until = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                holder = self._read()
            holder_pid = _as_int(holder.get("owner"))
            is_leaving = holder.get("state") == "stopping" or not linux.is_running(holder_pid)
            if not is_leaving or time.monotonic() > until:
                raise Refusal(
                    "in_use",
                    f"data directory {data_dir} is in use by process {holder_pid}, whose PostgreSQL "
                    "server runs there: stop that process, or choose another directory with OMEGA_DATA_DIR",
                )
            owner.pause(0.02)

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(os.pread(self._file, 4096, 0) or b"{}")
        except ValueError:  # caught in the middle of a write
            return {}
        return found if isinstance(found, dict) else {}


def running_server(data_dir: Path, guard_pid: int) -> int:
    """Process id of the server that guard `guard_pid` started last; 0 if another holds the lock by now."""
    try:
        written = json.loads((data_dir / "omega.lock").read_bytes())
    except (OSError, ValueError):
        return 0
    return _as_int(written.get("postmaster")) if written.get("guard") == guard_pid else 0


def _as_int(value: object) -> int:
    return value if isinstance(value, int) else 0
