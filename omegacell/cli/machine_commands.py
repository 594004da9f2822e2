"""Machines: machines, drain, uncordon."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from omegacell.cellstate.model import MachineStatus, Reservation
from omegacell.cli.output import AsJson, emit, moment, size, table
from omegacell.client.connecting import connect
from omegacell.client.ids import job_text

Column = tuple[str, Callable[[MachineStatus], object]]
Machine = Annotated[str, typer.Argument(metavar="MACHINE", help="Its name.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (machines, drain, uncordon):
        app.command()(command)


def machines(as_json: AsJson = False) -> None:
    """List machines, with what they have, what is used, and for whom one is reserved."""
    with connect() as cell:
        found = cell.machines()
        reserved = cell.reservations()
    if as_json:
        emit(machines=found, reservations=reserved)
        return
    machine_table(found, reserved)


def drain(
    machine: Machine,
    keep: Annotated[bool, typer.Option("--keep", help="Let what runs there run to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a machine nothing new, and run what it has elsewhere."""
    with connect() as cell:
        _show(cell.drain(machine, evict=not keep), as_json)


def uncordon(machine: Machine, as_json: AsJson = False) -> None:
    """Let a drained machine take tasks again."""
    with connect() as cell:
        _show(cell.uncordon(machine), as_json)


def machine_table(found: Sequence[MachineStatus], reserved: Sequence[Reservation]) -> None:
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
        ("STATE", _state),
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
    columns.append(("ATTRIBUTES", _attributes))
    return columns


def _state(machine: MachineStatus) -> str:
    if not machine.up:
        return "down"
    return "up" if machine.schedulable else "drained"


def _show(machine: MachineStatus, as_json: bool) -> None:
    if as_json:
        emit(machine=machine)
    else:
        print(f"{machine.name} {_state(machine)}, {machine.placements} placements")


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


def _attributes(machine: MachineStatus) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(machine.attributes.items()))
