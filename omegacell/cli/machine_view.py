"""How machines look to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from omegacell.cellstate.model import MachineStatus, Reservation
from omegacell.cli.output import moment, size, table
from omegacell.client.ids import job_text

Column = tuple[str, Callable[[MachineStatus], object]]

_ADVERTISED = ("isolation", "python")
"""Attributes that every worker gives: a column each."""


def show(found: Sequence[MachineStatus], reserved: Sequence[Reservation]) -> None:
    """A row for each machine; what none of them has gets no column."""
    columns = _columns(found, {one.machine_id: one for one in reserved})
    table(
        [heading for heading, _ in columns],
        [[cell_of(one) for _, cell_of in columns] for one in found],
        right=("CPU", "OF", "MEMORY", "GPU", "PLACEMENTS"),
    )


def _columns(found: Sequence[MachineStatus], reserved: Mapping[int, Reservation]) -> list[Column]:
    """Headings, and what stands under them for a machine."""
    columns: list[Column] = [
        ("MACHINE", lambda one: one.name),
        ("STATE", state),
        ("CPU", lambda one: _units(one.used.cpu_milli)),
        ("OF", lambda one: _units(one.capacity.cpu_milli)),
        ("MEMORY", lambda one: size(one.used.memory_bytes)),
        ("OF", lambda one: size(one.capacity.memory_bytes)),
    ]
    if any(one.capacity.gpu_milli for one in found):
        columns.append(("GPU", lambda one: _units(one.used.gpu_milli)))
        columns.append(("OF", lambda one: _units(one.capacity.gpu_milli)))
    if any(one.capacity.custom for one in found):
        columns.append(("CUSTOM", _custom))
    columns.append(("PLACEMENTS", lambda one: one.placements))
    if reserved:
        columns.append(("RESERVED", lambda one: _reserved(reserved.get(one.machine_id))))
    for name in _ADVERTISED:
        if any(name in one.attributes for one in found):
            columns.append((name.upper(), partial(_attribute, name)))
    columns.append(("ATTRIBUTES", _attributes))
    return columns


def state(machine: MachineStatus) -> str:
    """Whether it takes tasks."""
    if not machine.up:
        return "down"
    return "up" if machine.schedulable else "drained"


def _units(milli: int) -> str:
    return f"{milli / 1000:g}"


def _custom(machine: MachineStatus) -> str:
    """Used and there of each named resource, such as "licence 1/2"."""
    used = dict(machine.used.custom)
    return ", ".join(
        f"{name} {_units(used.get(name, 0))}/{_units(milli)}" for name, milli in machine.capacity.custom
    )


def _reserved(reservation: Reservation | None) -> str:
    return (
        "" if reservation is None else f"for {job_text(reservation.job_id)} until {moment(reservation.until)}"
    )


def _attribute(name: str, machine: MachineStatus) -> str:
    return machine.attributes.get(name, "")


def _attributes(machine: MachineStatus) -> str:
    others = sorted(machine.attributes.keys() - set(_ADVERTISED))
    return ", ".join(f"{name}={machine.attributes[name]}" for name in others)
