"""From options to a served agent: what the command and the Ray actor share."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omegacell.cellstate.model import Amounts, MachineSpec
from omegacell.cellstate.settings import Settings
from omegacell.workers.address import address_seen_from
from omegacell.workers.agent import Agent, AgentSettings
from omegacell.workers.cgroups import Place, usable_place
from omegacell.workers.environment import base_environment
from omegacell.workers.groups import allow_many_descriptors
from omegacell.workers.hollow import HollowRunner
from omegacell.workers.host import host_capacity, host_gpus, machine_specs, share, with_devices
from omegacell.workers.memory import Isolation, isolation_of
from omegacell.workers.processes import ProcessRunner
from omegacell.workers.runner import ReportHandler, Runner, RunnerSettings

_HOLLOW_CAPACITY = Amounts(cpu_milli=16_000, memory_bytes=64 * 2**30, disk_bytes=2**40)
"""What a hollow machine claims to have where nothing is said: a common cloud size."""

_SWITCH_SECONDS = 0.001
"""Python's own 5 ms between threads would be most of a short task's latency."""

_STORE_RETRY_SECONDS = 1.0
"""The agent has its own ways to wait for the store, which end with the lease; the store's would hide them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What one worker process serves. Amounts are per machine; one of 0 is an equal share of this host.

    `share_gpus` deals this host's devices out to the machines; else each has those of `each`, which may be none.
    `hollow` > 0 serves so many hollow machines instead, whose tasks last `hollow_seconds` (math.inf: until
    stopped) unless their job expects a duration. An empty `log_directory` is a folder of the system's for
    temporary files, an empty `address` the one that this host has on its way to the database.
    """

    dsn: str
    name: str
    schema: str = "omega"
    machines: int = 1
    each: Amounts = field(default_factory=Amounts)
    share_gpus: bool = True
    attributes: Mapping[str, str] = field(default_factory=dict)
    hollow: int = 0
    hollow_seconds: float = 0.0
    log_directory: str = ""
    address: str = ""
    lease_seconds: float = 10.0
    poll_seconds: float = 1.0
    grace_seconds: float = 5.0


@contextlib.contextmanager
def agent_of(options: WorkerOptions, settings: Settings) -> Iterator[Agent]:
    """An agent with its store and hints, not yet running; they are closed afterwards."""
    # Imported here: processes that only run tasks or read logs need no database driver.
    from omegacell.cellstate.hints import Hints, Listener
    from omegacell.cellstate.postgres import PostgresStore

    sys.setswitchinterval(_SWITCH_SECONDS)
    allow_many_descriptors()
    with contextlib.ExitStack() as stack:
        quick = settings.model_copy(
            update={"retry_seconds": min(settings.retry_seconds, _STORE_RETRY_SECONDS)}
        )
        store = PostgresStore(options.dsn, schema=options.schema, settings=quick)
        stack.callback(store.close)
        logs = log_directory(options)
        hints = listener = None
        if not settings.poll_only:
            hints = Hints(options.dsn, options.schema)
            stack.callback(hints.close)
            listener = Listener(options.dsn, options.schema, ["placements", "logs"])
        groups_in = None if options.hollow else usable_place()
        yield Agent(
            store,
            AgentSettings(
                name=options.name,
                machines=machines_of(options, logs, _gpus_here(settings), isolation_of(groups_in)),
                lease_seconds=options.lease_seconds,
                poll_seconds=options.poll_seconds,
                log_directory=str(logs),
                address=options.address or settings.address or address_seen_from(options.dsn),
            ),
            runner_maker(options, settings, logs, groups_in),
            hints=hints,
            listener=listener,
        )


def log_directory(options: WorkerOptions) -> Path:
    """Where the output of tasks goes; made where it is missing."""
    chosen = options.log_directory
    path = Path(chosen) if chosen else Path(tempfile.gettempdir()) / f"omegacell-{os.getuid()}" / options.name
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def machines_of(
    options: WorkerOptions, disk_of: Path, gpus: int, isolation: Isolation
) -> tuple[MachineSpec, ...]:
    """The machines with their amounts and attributes, on a host of `gpus` devices that reaches this isolation."""
    if options.hollow > 0:
        hollow = [_or_else(options, _HOLLOW_CAPACITY)] * options.hollow
        attributes = {"hollow": "true", "isolation": Isolation.NONE.value, **options.attributes}
        return machine_specs(options.name, hollow, attributes)
    shares = share(host_capacity(disk_of, gpus), options.machines)
    each = [_or_else(options, one) for one in shares]
    attributes = {**options.attributes, "isolation": isolation.value}
    return with_devices(machine_specs(options.name, each, attributes))


def runner_maker(
    options: WorkerOptions, settings: Settings, logs: Path, groups_in: Place | None
) -> Callable[[ReportHandler], Runner]:
    """What makes the runner, given whom it tells of ends. Control groups are made at that place, if any."""
    if options.hollow > 0:
        return lambda handler: HollowRunner(options.hollow_seconds, handler)
    runner_settings = RunnerSettings(
        log_directory=logs,
        base_env=base_environment(os.environ),
        log_tail_bytes=settings.log_tail_bytes,
        result_limit_bytes=settings.result_limit_bytes,
        grace_seconds=options.grace_seconds,
        groups_in=groups_in,
        log_file_bytes=settings.log_file_bytes,
        log_file_retention_seconds=settings.log_file_retention_seconds,
    )
    return lambda handler: ProcessRunner(options.name, runner_settings, handler)


def _gpus_here(settings: Settings) -> int:
    return host_gpus(base_environment(os.environ)) if settings.gpus is None else settings.gpus


def _or_else(options: WorkerOptions, default: Amounts) -> Amounts:
    """What each machine was given, and of what it was not given the default."""
    return Amounts(
        cpu_milli=options.each.cpu_milli or default.cpu_milli,
        memory_bytes=options.each.memory_bytes or default.memory_bytes,
        disk_bytes=options.each.disk_bytes or default.disk_bytes,
        gpu_milli=default.gpu_milli if options.share_gpus else options.each.gpu_milli,
        custom=options.each.custom,
    )
