"""Machines: machines, drain, uncordon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from omegacell.cli import options
from omegacell.cli.opening import connect
from omegacell.cli.output import emit

if TYPE_CHECKING:
    from omegacell.cellstate.model import MachineStatus


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (machines, drain, uncordon):
        app.command()(command)


def machines(as_json: options.AsJson = False) -> None:
    """List machines, with what they have, what is used, and for whom one is reserved."""
    from omegacell.cli import cell_replies, machine_view

    with connect() as cell:
        found, reserved = cell.machines(), cell.reservations()
    if as_json:
        emit(cell_replies.Machines(machines=found, reservations=reserved))
    else:
        machine_view.show(found, reserved)


def drain(
    machine: options.Machine,
    keep: Annotated[bool, typer.Option("--keep", help="Let what runs there run to its end.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Give a machine nothing new, and run what it has elsewhere."""
    with connect() as cell:
        _show(cell.drain(machine, evict=not keep), as_json)


def uncordon(machine: options.Machine, as_json: options.AsJson = False) -> None:
    """Let a drained machine take tasks again."""
    with connect() as cell:
        _show(cell.uncordon(machine), as_json)


def _show(machine: MachineStatus, as_json: bool) -> None:
    from omegacell.cli import cell_replies, machine_view

    if as_json:
        emit(cell_replies.OneMachine(machine=machine))
    else:
        print(f"{machine.name} {machine_view.state(machine)}, {machine.placements} placements")
