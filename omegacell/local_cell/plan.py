"""What a local cell is to run, checked before anything starts; crosses to the keeper as a line of JSON."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Amounts, MachineSpec
from omegacell.cellstate.settings import Settings
from omegacell.cellstate.spec import Resources
from omegacell.schedulers import kinds

Runtime = Literal["ray", "process"]
_RUNTIMES = ("ray", "process")

MOST_MACHINES = 10_000
MOST_SCHEDULERS = 64
"""Processes on one host; more would only wait for its CPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A local cell to be. `data_dir` is "" for a temporary one, `dsn` "" for a PostgreSQL of its own.

    The cell ends with process `owner_pid`, or lives on until it is told to stop where that is 0.
    """

    machines: tuple[MachineSpec, ...]
    schedulers: Mapping[str, int]
    runtime: Runtime
    data_dir: str = ""
    dsn: str = ""
    ray_address: str = ""
    owner_pid: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)

    def to_line(self) -> bytes:
        """One line, ended by a newline."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Plan:
        """The plan that to_line wrote."""
        written = json.loads(line)
        machines = tuple(
            MachineSpec(
                name=one["name"], capacity=Amounts(**one["capacity"]), attributes=one["attributes"]
            )
            for one in written.pop("machines")
        )
        return cls(machines=machines, **written)


def make_plan(
    *,
    machines: int,
    schedulers: Mapping[str, int],
    machine: Resources | None,
    runtime: str,
    data_dir: Path | None,
    owner_pid: int,
    settings: Settings,
) -> Plan:
    """The plan for what the caller asked; SpecInvalid or PolicyError in one sentence if it cannot be."""
    if not 1 <= machines <= MOST_MACHINES:
        raise SpecInvalid(f"machines={machines} cannot be; expected 1 to {MOST_MACHINES}")
    if runtime not in _RUNTIMES:
        raise SpecInvalid(f'runtime={runtime!r} is unknown; expected "ray" or "process"')
    for kind, count in schedulers.items():
        kinds.load(kind)
        if not 0 <= count <= MOST_SCHEDULERS:
            raise SpecInvalid(f"schedulers of kind {kind!r} are {count}; expected 0 to {MOST_SCHEDULERS}")
    capacity = machine.amounts() if machine is not None else _share(_host_capacity(), machines)
    host = socket.gethostname()
    names = [host] if machines == 1 else [f"{host}-{number}" for number in range(1, machines + 1)]
    return Plan(
        machines=tuple(MachineSpec(name=name, capacity=capacity, attributes={"host": host}) for name in names),
        schedulers=dict(schedulers),
        runtime="ray" if runtime == "ray" else "process",
        data_dir="" if data_dir is None else str(data_dir.expanduser().absolute()),
        dsn=settings.dsn,
        ray_address=settings.ray_address,
        owner_pid=owner_pid,
    )


def _share(host: Amounts, machines: int) -> Amounts:
    """An even part of the host, at least a thousandth of a CPU."""
    return Amounts(
        cpu_milli=max(1, host.cpu_milli // machines),
        memory_bytes=host.memory_bytes // machines,
        disk_bytes=host.disk_bytes // machines,
    )


def _host_capacity() -> Amounts:
    """What this process may use of the host."""
    return Amounts(
        cpu_milli=1000 * len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    )
