"""The cell itself: what happens in it, whether it is sound, what it forgets; and what this command speaks."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from omegacell.cli import completion, failing, options
from omegacell.cli.opening import connect
from omegacell.cli.output import emit, moment

if TYPE_CHECKING:
    from omegacell.client.cell import Cell

_COUNTED = 10_000
"""So many ended jobs are looked at to say how many a purge will take: a second's work."""


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (events, fsck, purge, version):
        app.command()(command)
    app.command(context_settings={"ignore_unknown_options": True})(schema)  # omega schema logs --follow


def events(
    limit: Annotated[int, typer.Option(min=0, help="End after so many; 0 for never.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Show what happens in the cell from now on, until Ctrl-C: jobs, claims, machines.

    With --json, a stream: one JSON object a line.
    """
    from itertools import islice

    from omegacell.cli import event_view

    with connect() as cell:
        told = event_view.Told(cell)
        happening = cell.events()
        failing.say("listening; Ctrl-C ends")
        for event in islice(happening, limit or None):
            if as_json:
                emit(told.reply(event))
            else:
                print(told.line(event), flush=True)


def fsck(as_json: options.AsJson = False) -> None:
    """Check every invariant of the cell; exit with 1 if one is broken."""
    from omegacell.cli import cell_replies

    with connect() as cell:
        found = cell.check()
    if as_json:
        emit(cell_replies.Checked(violations=found))
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
    as_json: options.AsJson = False,
) -> None:
    """Forget jobs that ended long ago, with their outcomes, results and inputs, and old days of the log."""
    from omegacell.cellstate.settings import Settings
    from omegacell.cli import cell_replies

    given = options.seconds(older_than, "--older-than")
    seconds = Settings().retention_seconds if given is None else given
    with connect() as cell:
        if not yes and not _agreed(_to_be_purged(cell, time.time() - seconds)):
            failing.say("nothing was purged; y or --yes would have done it")
            raise typer.Exit(failing.FAILED)
        found = cell.purge(older_than=seconds)
    if as_json:
        emit(cell_replies.Purge(purged=found))
    else:
        print(f"purged: jobs {found.jobs}, daily parts of the log and of outcomes {found.partitions}")


def version(as_json: options.AsJson = False) -> None:
    """Show the version of omegacell, and of the database schema that it speaks."""
    from omegacell import __version__
    from omegacell.cellstate.tables import SCHEMA_VERSION

    if as_json:
        from omegacell.cli import cell_replies

        emit(cell_replies.Version(version=__version__, database_schema=SCHEMA_VERSION))
    else:
        print(f"omegacell {__version__}, database schema {SCHEMA_VERSION}")


def schema(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[COMMAND...]",
            help="Such as jobs, scheduler hold, or logs --follow.",
            autocompletion=completion.commands,
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the JSON Schema of what a command's --json holds; without a command list those that have one."""
    from omegacell.cli import cell_replies, schemas

    if command:
        print(schemas.schema_text(" ".join(command)), end="")
    elif as_json:
        emit(cell_replies.SchemaNames(commands=tuple(schemas.all_replies())))
    else:
        print("\n".join(schemas.all_replies()))


def _to_be_purged(cell: Cell, before: float) -> str:
    """What a purge of everything older than that moment would take away; a very long list is not counted out."""
    from omegacell.cellstate.model import JobState

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
