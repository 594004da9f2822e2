"""Schedulers: what they did, what they lost to each other, and what people want of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from omegacell.cli import completion, options, process_commands
from omegacell.cli.opening import connect
from omegacell.cli.output import emit

if TYPE_CHECKING:
    from omegacell.cellstate.model import SchedulerStatus


def add_to(app: typer.Typer) -> None:
    """Register these commands, and the group of one scheduler."""
    app.command()(schedulers)
    app.command()(conflicts)
    app.command()(policies)
    group = typer.Typer(
        no_args_is_help=True, help="Run a scheduler here, or tell those of the cell what to do."
    )
    group.command("run", context_settings=process_commands.PASS_ON)(process_commands.scheduler_run)
    for command in (hold, release, drain):
        group.command()(command)
    group.command()(policy)
    group.command()(scale)
    app.add_typer(group, name="scheduler")


def schedulers(as_json: options.AsJson = False) -> None:
    """List schedulers, with what they did since they registered."""
    from omegacell.cli import cell_replies, scheduler_view

    with connect() as cell:
        found = cell.schedulers()
    if as_json:
        emit(cell_replies.Schedulers(schedulers=found))
    else:
        scheduler_view.show(found)


def conflicts(
    by: Annotated[
        str,
        typer.Option(
            metavar="KEY,...",
            help="What to add up by, of machine, rival, dimension and scheduler.",
            autocompletion=completion.conflict_keys,
        ),
    ] = "machine",
    since: Annotated[str, typer.Option(metavar="TIME", help="How long back to look.")] = "5m",
    as_json: options.AsJson = False,
) -> None:
    """Count the claims that were refused for a conflict: where, over what, by whom, and to whom they lost."""
    from omegacell.cli import cell_replies, scheduler_view

    keys = tuple(by.split(","))
    seconds = options.seconds(since, "--since") or 0.0
    with connect() as cell:
        found = cell.conflicts(by=keys, since=seconds)
    if as_json:
        emit(cell_replies.Conflicts(by=keys, since_seconds=seconds, conflicts=tuple(found)))
    else:
        scheduler_view.show_conflicts(keys, found)


def policies(as_json: options.AsJson = False) -> None:
    """List the placement policies and scheduler kinds that are installed here."""
    from omegacell.cli import cell_replies, scheduler_view
    from omegacell.schedulers import kinds, plugins

    if as_json:
        emit(cell_replies.Policies(policies=plugins.names(plugins.POLICIES), scheduler_kinds=kinds.names()))
    else:
        scheduler_view.show_installed()


def hold(scheduler: options.Scheduler, as_json: options.AsJson = False) -> None:
    """Let a scheduler claim no jobs until omega scheduler release."""
    with connect() as cell:
        _show(cell.hold_scheduler(scheduler), as_json)


def release(scheduler: options.Scheduler, as_json: options.AsJson = False) -> None:
    """Let a held scheduler claim jobs again."""
    with connect() as cell:
        _show(cell.release_scheduler(scheduler), as_json)


def drain(scheduler: options.Scheduler, as_json: options.AsJson = False) -> None:
    """Let a scheduler finish the jobs that it holds, and end."""
    with connect() as cell:
        _show(cell.drain_scheduler(scheduler), as_json)


def policy(
    scheduler: options.Scheduler,
    name: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="Its name or package.module:Name; an empty one is the scheduler's own.",
            autocompletion=completion.policies,
        ),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Let a scheduler that runs place with another policy from now on."""
    with connect() as cell:
        _show(cell.set_policy(scheduler, name), as_json)


def scale(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="Such as batch.", autocompletion=completion.kinds)
    ],
    count: Annotated[int, typer.Argument(metavar="N", min=0, help="How many of it to keep running.")],
    as_json: options.AsJson = False,
) -> None:
    """Ask the local cell to keep so many schedulers of a kind; it starts or drains some."""
    from omegacell.cli import cell_replies
    from omegacell.schedulers import kinds

    kinds.load(kind)  # the local cell would look in vain for one that is not installed here
    with connect() as cell:
        cell.scale_schedulers(kind, count)
    if as_json:
        emit(cell_replies.Fleet(kind=kind, count=count))
    else:
        print(f"{count} schedulers of kind {kind} are wanted; omega schedulers shows those that live")


def _show(scheduler: SchedulerStatus, as_json: bool) -> None:
    from omegacell.cli import cell_replies, scheduler_view

    if as_json:
        emit(cell_replies.OneScheduler(scheduler=scheduler))
    else:
        print(scheduler_view.line(scheduler))
