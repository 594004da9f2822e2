"""Starting a local cell: for a `with` block, or in the background for `omega up`.

Little is imported here before the keeper runs: what takes long is imported on both sides at the same time.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegacell.cellstate.errors import OmegaError, StoreUnavailable
from omegacell.local_cell import state

if TYPE_CHECKING:
    from omegacell.cellstate.settings import Settings
    from omegacell.cellstate.spec import Resources
    from omegacell.client.cell import Cell
    from omegacell.local_cell.plan import Plan, Runtime

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

    def plan() -> Plan:
        from omegacell.cellstate.settings import Settings

        return _plan(
            Settings(),
            machines=machines,
            schedulers=schedulers,
            machine=machine,
            runtime=runtime,
            data_dir=None if data_dir is None else Path(data_dir),
        )

    # Settings themselves take a while to import; they ignore case.
    is_named = any(name.upper() == "OMEGA_DSN" and value for name, value in os.environ.items())
    temporary = ["temporary"] if data_dir is None and not is_named else []
    return _start(plan, [runtime, *temporary])


def volatile(
    machines: int = 1, schedulers: Mapping[str, int] | None = None, *, machine: Resources | None = None
) -> Cell:
    """A local cell of processes for tests, with a PostgreSQL of its own whatever OMEGA_DSN names.

    That does not care for what a crash of this host would leave.
    """

    def plan() -> Plan:
        from omegacell.cellstate.settings import Settings

        alone = Settings().model_copy(update={"dsn": "", "ray_address": ""})
        return _plan(
            alone, machines=machines, schedulers=schedulers, machine=machine, runtime="process", data_dir=None
        )

    return _start(plan, ["process", "temporary", "volatile"])


def _plan(settings: Settings, *, schedulers: Mapping[str, int] | None, **asked: Any) -> Plan:
    from omegacell.local_cell.plan import make_plan

    chosen = DEFAULT_SCHEDULERS if schedulers is None else schedulers
    return make_plan(schedulers=chosen, owner_pid=os.getpid(), settings=settings, **asked)


def _start(plan: Callable[[], Plan], words: Sequence[str]) -> Cell:
    keeper = Keeper(plan, words=words, meanwhile=_load)
    from omegacell.cellstate.settings import Settings
    from omegacell.client.connecting import open_cell

    return open_cell(keeper.dsn, Settings(), close=keeper.stop)


def _load() -> None:
    """Import what a Cell needs."""
    for module in ("client.connecting", "cellstate.hints", "cellstate.postgres"):
        importlib.import_module(f"omegacell.{module}")


class Keeper:
    """The keeper process of one cell; returns from its making when the cell is ready."""

    def __init__(
        self,
        plan: Plan | Callable[[], Plan],
        tell: Tell = lambda message: None,
        *,
        words: Sequence[str] = (),
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """`tell` hears what is being done. Raises what kept the cell from starting.

        A plan may also be made while the keeper's process starts; `words` then say what it may begin with (keeper.py).
        `meanwhile` is called while the cell starts.
        """
        self._process = subprocess.Popen(
            # -P: a folder named like one of ours in the user's directory is never looked at.
            [sys.executable, "-P", "-m", "omegacell.local_cell.keeper", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._owner_pid = os.getpid()
        _running.add(self)
        try:
            self._send(plan() if callable(plan) else plan)
            meanwhile()
            ready = self._hear(tell)
        except BaseException:  # KeyboardInterrupt too: the keeper stops what it had begun
            self.stop()
            raise
        self.dsn: str = ready["dsn"]
        self.pid: int = self._process.pid
        self.data_dir = Path(ready["data_dir"])

    def _send(self, plan: Plan) -> None:
        from omegacell.client.surroundings import user_paths

        plan = replace(plan, sys_path=os.pathsep.join(user_paths()))
        assert self._process.stdin is not None  # asked for above
        with contextlib.suppress(BrokenPipeError):  # it has ended, and will have said why
            self._process.stdin.write(plan.to_line())
            self._process.stdin.flush()

    def _hear(self, tell: Tell) -> dict[str, Any]:
        assert self._process.stdout is not None  # asked for above
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
