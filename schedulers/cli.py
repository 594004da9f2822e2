"""The scheduler as a plain process: `python -m omegacell.schedulers.cli`, and `omega scheduler run`."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from omegacell.cellstate.errors import OmegaError, SpecInvalid, StoreUnavailable
from omegacell.cellstate.settings import Settings
from omegacell.schedulers.loop import Loop
from omegacell.schedulers.serve import UNSET, SchedulerOptions, loop_of

EXIT_USAGE = 2
EXIT_STORE = 5


def parser() -> argparse.ArgumentParser:
    """The options of `omega scheduler run`."""
    made = argparse.ArgumentParser(prog="omega scheduler run", description="Run one scheduler.")
    made.add_argument("--dsn", default="", help="PostgreSQL of the cell; default: OMEGA_DSN")
    made.add_argument("--schema", default="", help="its schema; default: OMEGA_SCHEMA, or omega")
    made.add_argument("kind", nargs="?", default="", help="batch, service, ..., or package.module:Name")
    made.add_argument("--kind", dest="kind_option", default="batch", help="the same, as an option")
    made.add_argument("--name", default="", help="of the scheduler; default: KIND-0")
    made.add_argument("--policy", default="", help="name or package.module:Name; default: the kind's")
    made.add_argument("--preset", default="default", help="default, or reference (Omega's simulator)")
    made.add_argument("--think-job", type=float, default=UNSET, metavar="S", help="slept per job")
    made.add_argument("--think-task", type=float, default=UNSET, metavar="S", help="slept per unplaced task")
    made.add_argument("--seed", type=int, default=int(UNSET), help="of its random choices")
    made.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input ends")
    return made


def options_of(arguments: argparse.Namespace, settings: Settings) -> SchedulerOptions:
    """What the words mean; SpecInvalid if no cell is named."""
    dsn = arguments.dsn or settings.dsn
    if not dsn:
        raise SpecInvalid("no cell is named; give --dsn or set OMEGA_DSN")
    kind = arguments.kind or arguments.kind_option
    return SchedulerOptions(
        dsn=dsn,
        schema=arguments.schema or settings.schema_name,
        kind=kind,
        name=arguments.name or f"{kind.rpartition(':')[2].lower()}-0",
        policy=arguments.policy,
        preset=arguments.preset,
        think_job_seconds=arguments.think_job,
        think_task_seconds=arguments.think_task,
        seed=arguments.seed,
    )


def main(words: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code: 0, 2 for what the user got wrong, 5 without a store."""
    arguments = parser().parse_args(words)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    settings = Settings()
    try:
        with loop_of(options_of(arguments, settings), settings) as loop:
            # An event may be set in a handler: nothing here holds its lock while signals are handled.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: threading.Thread(target=loop.stop).start())
            if arguments.stop_with_stdin:
                threading.Thread(target=_stop_with_stdin, args=(loop,), daemon=True).start()
            threading.Thread(target=_say_ready, args=(loop,), daemon=True).start()
            loop.run()
    except OmegaError as error:
        print(f"omega scheduler run: {error}", file=sys.stderr)
        return EXIT_STORE if isinstance(error, StoreUnavailable) else EXIT_USAGE
    return 0


def _stop_with_stdin(loop: Loop) -> None:
    while os.read(0, 4096):
        pass
    loop.stop()


def _say_ready(loop: Loop) -> None:
    loop.wait_ready()
    status = loop.status()
    line = {
        "event": "ready",
        "scheduler": status.name,
        "kind": status.kind,
        "scheduler_id": status.scheduler_id,
        "pid": os.getpid(),
    }
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
