"""The cell itself: schedulers, policies, fsck, purge, version."""

from __future__ import annotations

import math
import sys
import time
from typing import Annotated

import typer

from omegacell.cellstate.model import JobState, SchedulerStatus
from omegacell.cellstate.settings import Settings
from omegacell.cellstate.units import written_seconds
from omegacell.cli import failing
from omegacell.cli.output import AsJson, duration, emit, moment, table
from omegacell.client.cell import Cell
from omegacell.client.connecting import connect
from omegacell.schedulers import metrics

_COUNTED = 10_000
"""So many ended jobs are looked at to say how many a purge will take: a second's work."""


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (schedulers, policies, fsck, purge, version):
        app.command()(command)


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


def purge(
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="How long ago, such as 30d; otherwise OMEGA_RETENTION.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget jobs that ended long ago, with their outcomes, results and inputs, and old days of the log."""
    seconds = written_seconds(older_than, "--older-than") if older_than else Settings().retention_seconds
    with connect() as cell:
        if not yes and not _agreed(_to_be_purged(cell, time.time() - seconds)):
            failing.say("nothing was purged; y or --yes would have done it")
            raise typer.Exit(failing.FAILED)
        found = cell.purge(older_than=seconds)
    if as_json:
        emit(purged=found)
    else:
        print(f"purged: jobs {found.jobs}, daily parts of the log and of outcomes {found.partitions}")


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


def _to_be_purged(cell: Cell, before: float) -> str:
    """What a purge of everything older than that moment would take away; a very long list is not counted out."""
    final = [state for state in JobState if state.final]
    ended = cell.jobs(state=final, limit=_COUNTED)
    old = sum(one.ended_at < before for one in ended)
    number = f"at least {old}" if len(ended) == _COUNTED else str(old)
    return (
        f"all jobs that ended before {moment(before)} would be forgotten ({number}), with their outcomes, results "
        "and inputs, and the days of the log and of outcomes before that"
    )


def _agreed(question: str) -> bool:
    """Whether somebody there says yes; nobody there is a no."""
    failing.say(f"{question}; go on? [y/N]")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _ratio(measured: float) -> str:
    return "" if math.isnan(measured) else f"{measured:.3f}"


def _promise(thing: object) -> str:
    return (getattr(thing, "__doc__", None) or "").strip().partition("\n")[0]
