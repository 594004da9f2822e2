"""The worker as a plain process: `python -m omegacell.workers.cli`, and `omega worker run`."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Sequence

from omegacell.cellstate.errors import OmegaError, SpecInvalid, StoreUnavailable
from omegacell.cellstate.model import Amounts
from omegacell.cellstate.settings import Settings
from omegacell.cellstate.units import (
    custom_words,
    parse_bytes,
    parse_cpu,
    parse_custom,
    parse_devices,
    written_seconds,
)
from omegacell.workers.agent import Agent
from omegacell.workers.host import host_name
from omegacell.workers.serve import WorkerOptions, agent_of
from omegacell.workers.time_limit import TimeLimit, stages_of

log = logging.getLogger(__name__)

EXIT_USAGE = 2
EXIT_STORE = 5


def parser() -> argparse.ArgumentParser:
    """The options of `omega worker run`."""
    made = argparse.ArgumentParser(prog="omega worker run", description="Serve machines of this host.")
    made.add_argument("--dsn", default="", help="PostgreSQL of the cell; default: OMEGA_DSN")
    made.add_argument("--schema", default="", help="its schema; default: OMEGA_SCHEMA, or omega")
    made.add_argument("--name", default=host_name(), help="of the worker; default: the host's")
    made.add_argument("--machines", type=int, default=1, help="how many to share this host out over")
    made.add_argument("--cpu", default="", help="CPUs of each machine; default: an equal share")
    made.add_argument("--memory", default="", help="memory of each machine, such as 4GiB")
    made.add_argument("--disk", default="", help="disk of each machine, such as 100GiB")
    made.add_argument(
        "--gpu",
        default="",
        help="devices of each machine; default: the host's dealt out (OMEGA_GPUS, or the NVIDIA devices found)",
    )
    made.add_argument(
        "--custom", action="append", default=[], metavar="NAME=AMOUNT", help="what else each machine has"
    )
    made.add_argument(
        "--attribute", action="append", default=[], metavar="NAME=VALUE", help="to be asked for"
    )
    made.add_argument("--hollow", type=int, default=0, metavar="N", help="serve N machines that run nothing")
    made.add_argument(
        "--hollow-duration",
        default="0",
        metavar="TIME",
        help="how long tasks of hollow machines last whose job expects no duration, or: forever",
    )
    made.add_argument("--log-directory", default="", help="for the output of tasks")
    made.add_argument(
        "--address", default="", help="by which others reach this host; default: OMEGA_ADDRESS, or as found"
    )
    made.add_argument("--grace", default="5s", help="between SIGTERM and SIGKILL")
    made.add_argument(
        "--time-limit", default="", help="be gone after so long; no new tasks for a tenth of it before"
    )
    made.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input ends")
    return made


def options_of(arguments: argparse.Namespace, settings: Settings) -> WorkerOptions:
    """What the words mean; SpecInvalid with one sentence where they mean nothing."""
    dsn = arguments.dsn or settings.dsn
    if not dsn:
        raise SpecInvalid("no cell is named; give --dsn or set OMEGA_DSN")
    attributes = {}
    for word in arguments.attribute:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise SpecInvalid(f"--attribute {word!r} is no attribute; write NAME=VALUE")
        attributes[name] = value
    forever = arguments.hollow_duration == "forever"
    return WorkerOptions(
        dsn=dsn,
        schema=arguments.schema or settings.schema_name,
        name=arguments.name,
        machines=arguments.machines,
        each=Amounts(
            cpu_milli=parse_cpu(arguments.cpu, "--cpu") if arguments.cpu else 0,
            memory_bytes=parse_bytes(arguments.memory, "--memory") if arguments.memory else 0,
            disk_bytes=parse_bytes(arguments.disk, "--disk") if arguments.disk else 0,
            gpu_milli=parse_devices(arguments.gpu, "--gpu") if arguments.gpu else 0,
            custom=parse_custom(custom_words(arguments.custom), "--custom"),
        ),
        share_gpus=not arguments.gpu,
        attributes=attributes,
        hollow=arguments.hollow,
        hollow_seconds=math.inf
        if forever
        else written_seconds(arguments.hollow_duration, "--hollow-duration"),
        log_directory=arguments.log_directory,
        address=arguments.address,
        lease_seconds=settings.lease_seconds,
        poll_seconds=settings.poll_seconds,
        grace_seconds=written_seconds(arguments.grace, "--grace"),
    )


def main(words: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code."""
    arguments = parser().parse_args(words)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    settings = Settings()
    try:
        options = options_of(arguments, settings)
        limit = written_seconds(arguments.time_limit, "--time-limit") if arguments.time_limit else 0.0
        with agent_of(options, settings) as agent, contextlib.ExitStack() as stack:
            if limit > 0:
                stack.enter_context(TimeLimit(agent, stages_of(limit, options.grace_seconds)))
            if arguments.stop_with_stdin:
                threading.Thread(target=_stop_with_stdin, args=(agent,), daemon=True).start()
            threading.Thread(target=_say_ready, args=(agent, options.name), daemon=True).start()
            return _run_until_told(agent)
    except OmegaError as error:
        print(f"omega worker run: {error}", file=sys.stderr)
        return EXIT_STORE if isinstance(error, StoreUnavailable) else EXIT_USAGE


def _run_until_told(agent: Agent) -> int:
    """Run the agent in a thread, and stop it at SIGTERM or SIGINT; the exit code.

    A handler that called agent.stop() itself could meet, in the same thread, the very lock it needs.
    """
    reader, writer = os.pipe()
    codes: list[int] = []

    def run() -> None:
        try:
            agent.run()
            codes.append(0)
        except Exception:
            log.exception("the agent failed")
            codes.append(1)
        os.write(writer, b"e")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(writer, b"s"))
    thread = threading.Thread(target=run, name="agent")
    thread.start()
    while os.read(reader, 1) == b"s":
        agent.stop()
    thread.join()
    return codes[0]


def _stop_with_stdin(agent: Agent) -> None:
    while os.read(0, 4096):
        pass
    agent.stop()


def _say_ready(agent: Agent, name: str) -> None:
    agent.wait_ready()
    line = {
        "event": "ready",
        "worker": name,
        "worker_id": agent.worker_id,
        "pid": os.getpid(),
        "machines": len(agent.machines),
    }
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
