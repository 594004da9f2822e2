"""What a local cell is to run, checked before anything starts; crosses to the keeper as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Amounts
from omegacell.cellstate.settings import Settings
from omegacell.cellstate.spec import Resources
from omegacell.cellstate.units import parse_devices

Runtime = Literal["ray", "process"]
_RUNTIMES = ("ray", "process")

_OWN_KINDS = ("batch", "service")
"""They are there, and to import them takes as long as all else that a plan needs."""

_EVERYWHERE = ("*", "0.0.0.0")
"""The DSN names the address, and nobody is reached at these."""

MOST_MACHINES = 10_000
MOST_SCHEDULERS = 64
"""Processes on one host; more would only wait for its CPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A local cell to be. `data_dir` is "" for a temporary one, `dsn` "" for a PostgreSQL of its own.

    That PostgreSQL listens on loopback, and on `address` and `port` where they are not "" and 0.

    An amount of 0 in `each` machine is an even share of the host, and with `share_gpus` so are its devices. The
    cell ends with process `owner_pid`, or lives on until it is told to stop where that is 0. `sys_path` is where its
    schedulers find users' own kinds and policies.
    """

    machines: int
    each: Amounts
    share_gpus: bool
    schedulers: Mapping[str, int]
    runtime: Runtime
    data_dir: str = ""
    dsn: str = ""
    ray_address: str = ""
    address: str = ""
    port: int = 0
    owner_pid: int = 0
    sys_path: str = ""

    def to_line(self) -> bytes:
        """One line, ended by a newline."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Plan:
        """The plan that to_line wrote."""
        written = json.loads(line)
        each = written.pop("each")
        custom = tuple((name, milli) for name, milli in each.pop("custom"))
        return cls(each=Amounts(**each, custom=custom), **written)


def make_plan(
    *,
    machines: int,
    schedulers: Mapping[str, int],
    machine: Resources | None,
    runtime: str,
    data_dir: Path | None,
    owner_pid: int,
    settings: Settings,
    listen: str = "",
) -> Plan:
    """The plan for what the caller asked; SpecInvalid or PolicyError in one sentence if it cannot be."""
    if not 1 <= machines <= MOST_MACHINES:
        raise SpecInvalid(f"machines={machines} cannot be; expected 1 to {MOST_MACHINES}")
    if runtime not in _RUNTIMES:
        raise SpecInvalid(f'runtime={runtime!r} is unknown; expected "ray" or "process"')
    for kind, count in schedulers.items():
        _check_kind(kind)
        if not 0 <= count <= MOST_SCHEDULERS:
            raise SpecInvalid(f"schedulers of kind {kind!r} are {count}; expected 0 to {MOST_SCHEDULERS}")
    if not any(schedulers.values()):
        raise SpecInvalid('schedulers are none; expected at least one, such as {"batch": 1}')
    address, port = _listen(listen, settings)
    return Plan(
        machines=machines,
        each=Amounts() if machine is None else _each(machine),
        share_gpus=machine is None or "gpu" not in machine.model_fields_set,
        schedulers=dict(schedulers),
        runtime="ray" if runtime == "ray" else "process",
        data_dir="" if data_dir is None else str(data_dir.expanduser().absolute()),
        dsn=settings.dsn,
        ray_address=settings.ray_address,
        address=address,
        port=port,
        owner_pid=owner_pid,
    )


def _check_kind(kind: str) -> None:
    if kind not in _OWN_KINDS:
        from omegacell.schedulers import kinds

        kinds.load(kind)


def _listen(written: str, settings: Settings) -> tuple[str, int]:
    """Address and port of ADDRESS[:PORT]; ("", 0) of ""."""
    address, colon, port = written.partition(":")
    if written and settings.dsn:
        raise SpecInvalid(
            f"listen={written!r} is for a PostgreSQL of the cell's own, and OMEGA_DSN names another"
        )
    if written and (not address or address in _EVERYWHERE or bool(colon) != port.isdecimal()):
        raise SpecInvalid(
            f"listen={written!r} cannot be; name the address by which other hosts reach this one, such as "
            "10.0.0.1 or 10.0.0.1:5432"
        )
    if colon and not 1 <= int(port) <= 65_535:
        raise SpecInvalid(f"listen={written!r} has port {port}; expected 1 to 65535")
    return address, int(port or 0)


def _each(machine: Resources) -> Amounts:
    """What each machine was given; the CPU that a task holds by default is no machine's."""
    given = replace(machine.amounts(), gpu_milli=parse_devices(machine.gpu))
    return given if "cpu" in machine.model_fields_set else replace(given, cpu_milli=0)
