"""The process that keeps a local cell: starts everything, tends it, and stops it when its owner is gone.

Run as `python -m omegacell.local_cell.keeper WORD...`. A plan comes in on standard input; out go lines of JSON:
progress, then ready or an error. It is a process of its own so that a caller's Ctrl-C, fork or kill -9 leaves
nothing behind, and so that Ray is never started in a user's program.

It is started before the plan is made, and its words say what can be begun by then: `process` or `ray`, the runtime,
so that its modules are imported; `temporary`, so that a PostgreSQL of the cell's own is started at the same time
(`volatile`: without care for what a crash of this host would leave of it).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from omegacell.cellstate.errors import OmegaError
from omegacell.embedded_postgres import EmbeddedPostgres
from omegacell.embedded_postgres.errors import DataDirectoryInUse
from omegacell.local_cell import orphans, state

# Everything else is imported while PostgreSQL starts (_load).
if TYPE_CHECKING:
    from omegacell.local_cell.fleet import Fleet
    from omegacell.local_cell.plan import Plan

_TEND_SECONDS = 0.2
_ORPHANS_SECONDS = 3.0
_VOLATILE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Runtime(Protocol):
    """What hosts schedulers and worker: plain processes, or actors of a Ray."""

    def start(self) -> None:
        """Start them all and wait until they are ready."""
        ...

    def tend(self, fleet: Fleet) -> None:
        """Start again what has ended, and have the schedulers wished for. Called several times a second; is quick."""
        ...

    def pids(self) -> set[int]:
        """Its own child processes, which it reaps itself."""
        ...

    def stop(self) -> None:
        """End them all and wait for it."""
        ...


class Owner:
    """Whom the cell is for: it ends with that process, or when told to by SIGTERM or SIGINT."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._told = False
        self.listen()

    def listen(self) -> None:
        """Take the signals; to be called again after Ray has put its own handlers in their place."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._tell)

    def _tell(self, *_: object) -> None:
        self._told = True

    def gone(self, wait_seconds: float) -> bool:
        """Whether it is time to stop; looks for up to `wait_seconds`."""
        if self._pid == 0:
            time.sleep(wait_seconds)
        elif select.select([0], [], [], wait_seconds)[0]:
            return True  # nothing is ever sent after the plan: this is the end of the owner's pipe
        # A fork of the owner may keep the pipe open after it.
        return self._told or (self._pid != 0 and os.getppid() != self._pid)


def serve(words: Collection[str], answers: IO[bytes]) -> None:
    """Run the cell until its owner is gone; everything is stopped when this returns or raises."""
    with contextlib.ExitStack() as stack:
        orphans.adopt_orphans()
        plan, folder, dsn = _database(words, stack, answers)
        os.environ["OMEGA_SYS_PATH"] = plan.sys_path
        owner = Owner(plan.owner_pid)
        not_ours_to_reap = set(orphans.children())
        _log_into(folder / "keeper.log")
        _say(answers, progress="preparing the schema")
        from omegacell import migrations
        from omegacell.cellstate.settings import Settings

        settings = Settings()
        migrations.upgrade(dsn, settings.schema_name)
        _say(answers, progress=f"starting schedulers and worker ({plan.runtime})")
        runtime = _runtime(plan, dsn, folder)
        stack.callback(orphans.end, not_ours_to_reap, _ORPHANS_SECONDS)
        stack.callback(runtime.stop)
        runtime.start()
        owner.listen()
        fleet = _fleet(plan, dsn, stack)
        if plan.data_dir:
            me = state.Running(
                dsn=dsn, pid=os.getpid(), started=state.process_start(os.getpid()), runtime=plan.runtime
            )
            state.note(folder, me)
            stack.callback(state.remove, folder)
        _say(answers, ready=True, dsn=dsn, pid=os.getpid(), data_dir=str(folder))
        while not owner.gone(_TEND_SECONDS):
            runtime.tend(fleet)
            orphans.reap(not_ours_to_reap | runtime.pids())


def _database(
    words: Collection[str], stack: contextlib.ExitStack, answers: IO[bytes]
) -> tuple[Plan, Path, str]:
    """The plan, the folder for logs and notes, and the DSN of the database, started unless the plan names one."""
    if "temporary" in words:
        plans: list[Plan] = []

        def meanwhile() -> None:
            _load(words)
            plans.append(_plan())

        settings = _VOLATILE if "volatile" in words else {}
        server = stack.enter_context(EmbeddedPostgres.temporary(settings=settings, meanwhile=meanwhile))
        return plans[0], server.data_dir, server.dsn
    plan = _plan()
    folder = Path(plan.data_dir)
    if plan.data_dir:
        running = state.running(folder)
        if running is not None:
            raise DataDirectoryInUse(
                f"data directory {folder} is in use by the local cell of process {running.pid}; "
                "stop it with omega down, or choose another with OMEGA_DATA_DIR"
            )
    if plan.dsn:
        if plan.data_dir:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            import tempfile

            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omegacell-")))
        return plan, folder, plan.dsn
    _say(answers, progress="starting PostgreSQL")
    listen = (plan.address, plan.port)
    server = stack.enter_context(
        EmbeddedPostgres.start(folder, listen=listen, meanwhile=lambda: _load({plan.runtime}))
    )
    return plan, server.data_dir, server.dsn


def _load(words: Collection[str]) -> None:
    """Import what will be needed.

    Nothing of it is garbage: not to look saves a tenth of the time, and forked processes share what nobody writes to.
    """
    gc.disable()
    _import(words)
    gc.freeze()
    gc.enable()


def _import(words: Collection[str]) -> None:
    if "process" in words:
        from omegacell.local_cell import process_runtime

        process_runtime.load()
    if "ray" in words:
        from omegacell.local_cell import ray_runtime

        ray_runtime.load()
    from omegacell import migrations  # noqa: F401
    from omegacell.local_cell import fleet  # noqa: F401


def _plan() -> Plan:
    """The plan, as soon as it comes; the end of this process if its owner ends or gives up before."""
    from omegacell.local_cell.plan import Plan

    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            sys.exit(0)
        line += piece
    return Plan.from_line(line)


def _runtime(plan: Plan, dsn: str, folder: Path) -> Runtime:
    if plan.runtime == "ray":
        from omegacell.local_cell.ray_runtime import RayRuntime

        return RayRuntime(plan, dsn, folder)
    from omegacell.local_cell.process_runtime import ProcessRuntime

    return ProcessRuntime(plan, dsn, folder)


def _fleet(plan: Plan, dsn: str, stack: contextlib.ExitStack) -> Fleet:
    from omegacell.cellstate.postgres import PostgresStore
    from omegacell.cellstate.settings import Settings
    from omegacell.local_cell.fleet import Fleet

    # A store that is away must not keep the cell from being tended, or stopped.
    quick = Settings().model_copy(update={"retry_seconds": 0.0, "connect_timeout_seconds": 2.0})
    store = PostgresStore(dsn, schema=quick.schema_name, settings=quick)
    stack.callback(store.close)
    return Fleet(store, plan.schedulers)


def _log_into(file: Path) -> None:
    """Send what this process and its libraries say into a file of the cell."""
    import logging

    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")


def _say(answers: IO[bytes], **message: Any) -> None:
    """A line to the caller, who may have stopped listening."""
    with contextlib.suppress(OSError):
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()


def main() -> None:
    """Keep the cell of the plan on standard input."""
    # The caller may close its end at any time.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    # Told to stop before there is an owner to ask: what has begun is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    answers = os.fdopen(os.dup(1), "wb")
    try:
        serve(sys.argv[1:], answers)
    except OmegaError as error:
        _say(answers, error=str(error), kind=f"{type(error).__module__}:{type(error).__qualname__}")
        sys.exit(1)
    except Exception as error:
        traceback.print_exc()
        text = " ".join(str(error).split())
        _say(answers, error=f"the local cell did not start: {type(error).__name__}: {text}", kind="")
        sys.exit(1)


if __name__ == "__main__":
    main()
