"""What the shell offers after a TAB: names from the cell, if it answers at once, else nothing. Never an error."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from omegacell.client.cell import Cell

Offer = tuple[str, str]
"""A word, and what some shells show beside it."""

_PATIENCE_SECONDS = 1.5
"""So long a person looks at a cursor that does not move; a quiet host takes 0.4 s to import and connect."""
_OFFERED = 100


def jobs(context: typer.Context) -> list[Offer]:
    """Ids of the newest jobs."""
    return _asked(
        context,
        lambda cell: ((f"j{one.job_id}", f"{one.name}, {one.state}") for one in cell.jobs(limit=_OFFERED)),
    )


def machines(context: typer.Context) -> list[Offer]:
    """Names of machines."""
    return _asked(context, lambda cell: ((one.name, "up" if one.up else "down") for one in cell.machines()))


def schedulers(context: typer.Context) -> list[Offer]:
    """Names of schedulers that live."""
    return _asked(context, lambda cell: ((one.name, one.kind) for one in cell.schedulers() if one.alive))


def services(context: typer.Context) -> list[Offer]:
    """Names of services."""
    return _asked(
        context, lambda cell: ((one.name, f"j{one.job_id}, {one.state}") for one in cell.services())
    )


def policies() -> list[str]:
    """Policies that are installed here."""
    return _installed("omegacell.policies")


def kinds() -> list[str]:
    """Kinds of scheduler that are installed here."""
    return _installed("omegacell.schedulers")


def conflict_keys(incomplete: str) -> list[str]:
    """What conflicts can be added up by, after those keys that are already named."""
    from omegacell.client.conflicts import KEYS

    named, comma, _ = incomplete.rpartition(",")
    return [f"{named}{comma}{key}" for key in KEYS if key not in named.split(",")]


def commands() -> list[str]:
    """Commands whose --json has a schema."""
    from omegacell.cli.schemas import all_replies

    return list(all_replies())


def _asked(context: typer.Context, question: Callable[[Cell], Iterable[Offer]]) -> list[Offer]:
    """The cell's answer, or nothing: whatever goes wrong would only disturb the line that is being typed."""
    found: list[Offer] = []

    def ask() -> None:
        with contextlib.suppress(Exception):
            from omegacell.cli.opening import connect

            with connect() as cell:
                found.extend(question(cell))

    # The options before the command have not been obeyed yet: the command does not run.
    written = context.find_root().params
    for name, variable in (("dsn", "OMEGA_DSN"), ("data_dir", "OMEGA_DATA_DIR")):
        if written.get(name):
            os.environ[variable] = written[name]
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)
    return list(found)


def _installed(group: str) -> list[str]:
    from importlib.metadata import entry_points

    return sorted({point.name for point in entry_points(group=group)})
