"""The cell itself: machines, drain, uncordon, schedulers, policies, fsck, version."""

from __future__ import annotations

import math
import time
from typing import Annotated

import typer

from omegacell.cellstate.model import MachineStatus, SchedulerStatus
from omegacell.cli import failing
from omegacell.cli.output import AsJson, duration, emit, size, table
from omegacell.client.connecting import connect
from omegacell.schedulers import metrics

Machine = Annotated[str, typer.Argument(metavar="MACHINE", help="Its name.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (machines, drain, uncordon, schedulers, policies, fsck, version):
        app.command()(command)


def machines(as_json: AsJson = False) -> None:
    """List machines, with what they have and what is used."""
    with connect() as cell:
        found = cell.machines()
    if as_json:
        emit(machines=found)
        return
    table(
        ("MACHINE", "STATE", "CPU", "OF", "MEMORY", "OF", "PLACEMENTS", "ATTRIBUTES"),
        [
            (
                one.name,
                _state(one),
                f"{one.used.cpu_milli / 1000:g}",
                f"{one.capacity.cpu_milli / 1000:g}",
                size(one.used.memory_bytes),
                size(one.capacity.memory_bytes),
                one.placements,
                ", ".join(f"{name}={value}" for name, value in sorted(one.attributes.items())),
            )
            for one in found
        ],
        right=("CPU", "OF", "MEMORY", "PLACEMENTS"),
    )


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


def schedulers(as_json: AsJson = False) -> None:
    """List schedulers, with what they did since they registered."""
    with connect() as cell:
        found = cell.schedulers()
    if as_json:
        emit(schedulers=found)
    else:
        scheduler_table(found)


def policies(as_json: AsJson = False) -> None:
    """List the placement policies and scheduler kinds that are installed here."""
    from omegacell.schedulers import kinds, plugins

    names, kind_names = plugins.names(plugins.POLICIES), kinds.names()
    if as_json:
        emit(policies=names, scheduler_kinds=kind_names)
        return
    rows = [("policy", name, _promise(plugins.load(plugins.POLICIES, "policy", name))) for name in names]
    rows += [("scheduler kind", name, _promise(kinds.load(name))) for name in kind_names]
    table(("WHAT", "NAME", "PROMISE"), rows)


def fsck(as_json: AsJson = False) -> None:
    """Check every invariant of the cell; exit with 1 if one is broken."""
    with connect() as cell:
        found = cell.check()
    if as_json:
        emit(violations=found)
    else:
        for one in found:
            print(f"{one.invariant}: {one.detail}")
        print(f"{len(found)} invariants are broken" if found else "all invariants hold")
    if found:
        raise typer.Exit(failing.FAILED)


def version(as_json: AsJson = False) -> None:
    """Show the version of omegacell, and of the database schema that it speaks."""
    from omegacell import __version__
    from omegacell.cellstate.tables import SCHEMA_VERSION

    if as_json:
        emit(version=__version__, database_schema=SCHEMA_VERSION)
    else:
        print(f"omegacell {__version__}, database schema {SCHEMA_VERSION}")


def scheduler_table(found: tuple[SchedulerStatus, ...]) -> None:
    """A row for each scheduler, in Omega's terms (schedulers/metrics.py)."""
    now = time.time()
    counts = ("TRANSACTIONS", "PLACEMENTS", "CONFLICT FRACTION", "BUSYNESS", "WAIT P50", "WAIT P99")
    rows = []
    for one in found:
        measured = metrics.of_status(one, now=now)
        rows.append(
            (
                one.name,
                one.kind,
                "yes" if one.alive else "no",
                measured.transactions,
                measured.placements,
                _ratio(measured.conflict_fraction),
                _ratio(measured.busyness),
                duration(measured.wait_p50_seconds) if one.jobs_claimed else "",
                duration(measured.wait_p99_seconds) if one.jobs_claimed else "",
            )
        )
    table(("SCHEDULER", "KIND", "ALIVE", *counts), rows, right=counts)


def _ratio(measured: float) -> str:
    return "" if math.isnan(measured) else f"{measured:.3f}"


def _state(machine: MachineStatus) -> str:
    if not machine.up:
        return "down"
    return "up" if machine.schedulable else "drained"


def _show(machine: MachineStatus, as_json: bool) -> None:
    if as_json:
        emit(machine=machine)
    else:
        print(f"{machine.name} {_state(machine)}, {machine.placements} placements")


def _promise(thing: object) -> str:
    return (getattr(thing, "__doc__", None) or "").strip().partition("\n")[0]
