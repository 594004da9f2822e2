"""Starting a local cell: for a `with` block, or in the background for `omega up`."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omegacell.cellstate.errors import OmegaError, StoreUnavailable
from omegacell.cellstate.settings import Settings
from omegacell.cellstate.spec import Resources
from omegacell.client.cell import Cell
from omegacell.client.connecting import open_cell
from omegacell.client.surroundings import user_paths
from omegacell.local_cell import state
from omegacell.local_cell.plan import Plan, Runtime, make_plan

DEFAULT_SCHEDULERS: Mapping[str, int] = {"batch": 1, "service": 1}
_STOP_SECONDS = 60.0

Tell = Callable[[str], None]


def local(
    machines: int = 1,
    schedulers: Mapping[str, int] | None = None,
    *,
    machine: Resources | None = None,
    runtime: Runtime = "ray",
    data_dir: str | Path | None = None,
) -> Cell:
    """A cell of this host's own, ready for use, which ends with the `with` block or with this process.

    One machine is the whole host; several share it out evenly; `machine` sets what each has by hand (what it
    leaves out is shared out all the same; devices and named resources may be ones that the host has not).
    `data_dir` keeps the cell's data for the next time; without it they are gone with the cell. OMEGA_DSN and
    OMEGA_RAY_ADDRESS put a real PostgreSQL and a real Ray in the place of the cell's own.
    """
    settings = Settings()
    plan = make_plan(
        machines=machines,
        schedulers=DEFAULT_SCHEDULERS if schedulers is None else schedulers,
        machine=machine,
        runtime=runtime,
        data_dir=None if data_dir is None else Path(data_dir),
        owner_pid=os.getpid(),
        settings=settings,
    )
    keeper = Keeper(plan)
    return open_cell(keeper.dsn, settings, close=keeper.stop)


class Keeper:
    """The keeper process of one cell; returns from its making when the cell is ready."""

    def __init__(self, plan: Plan, tell: Tell = lambda message: None) -> None:
        """`tell` hears what is being done. Raises what kept the cell from starting."""
        self._process = subprocess.Popen(
            # -P: a folder named like one of ours in the user's directory is never looked at.
            [sys.executable, "-P", "-m", "omegacell.local_cell.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Where its schedulers find users' own kinds and policies.
            env={**os.environ, "OMEGA_SYS_PATH": os.pathsep.join(user_paths())},
            start_new_session=True,
        )
        self._owner_pid = os.getpid()
        _running.add(self)
        try:
            ready = self._converse(plan, tell)
        except BaseException:  # KeyboardInterrupt too: the keeper stops what it had begun
            self.stop()
            raise
        self.dsn: str = ready["dsn"]
        self.pid: int = self._process.pid
        self.data_dir = Path(ready["data_dir"])

    def _converse(self, plan: Plan, tell: Tell) -> dict[str, Any]:
        assert self._process.stdin is not None  # asked for above
        assert self._process.stdout is not None  # asked for above
        self._process.stdin.write(plan.to_line())
        self._process.stdin.flush()
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            if "error" in message:
                raise _error(message)
            if "ready" in message:
                return message
            tell(message["progress"])
        raise StoreUnavailable(
            f"the local cell's keeper (process {self._process.pid}) ended before the cell was ready; try again"
        )

    def release(self) -> None:
        """Let the cell live on without this process."""
        _running.discard(self)
        self._close_pipes()

    def wait(self) -> int:
        """Wait for the keeper's end; its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """Stop the cell and wait until nothing of it runs; again, or in a fork, it does nothing."""
        if os.getpid() != self._owner_pid or self not in _running:
            return
        _running.discard(self)
        self._close_pipes()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # what it started ends with its pipes
            self._process.wait()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


_running: set[Keeper] = set()


def _stop_all() -> None:
    for keeper in list(_running):
        keeper.stop()


def _forget_in_fork() -> None:
    """A forked child owns no cell: it must not hold the pipe open, nor stop the cell at its exit."""
    for keeper in _running:
        keeper._close_pipes()
    _running.clear()


atexit.register(_stop_all)
os.register_at_fork(after_in_child=_forget_in_fork)


def _error(message: Mapping[str, Any]) -> OmegaError:
    """The error that the keeper met, as what it was there where that is one of ours."""
    try:
        kind = pkgutil.resolve_name(message["kind"])
        if issubclass(kind, OmegaError):
            found: OmegaError = kind(message["error"])
            return found
    except (ValueError, ImportError, AttributeError, TypeError):
        pass
    return StoreUnavailable(message["error"])


def stop_running(settings: Settings) -> state.Running | None:
    """Stop the local cell of the settings' data directory and wait for its end; None if there is none."""
    running = state.running(state.data_dir(settings))
    if running is None:
        return None
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while state.process_start(running.pid) == running.started:
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                f"the local cell (process {running.pid}) did not stop within {_STOP_SECONDS:.0f} s; kill that process"
            )
        time.sleep(0.02)
    return running
