"""The command's tree, and its way from arguments to an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Annotated

import typer

from omegacell.cli import (
    cell_commands,
    failing,
    host_commands,
    job_commands,
    machine_commands,
    process_commands,
    run_command,
)

_GROUP = "omegacell.commands"
"""Entry points of this group are typer apps: their name becomes a command group (omega bench)."""


def build(arguments: Sequence[str]) -> typer.Typer:
    """All commands; of those that installed packages add, what the arguments name or would list."""
    app = typer.Typer(
        name="omega",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Submit jobs to a cell, look at it, and run one.",
    )
    app.callback()(_options)
    run_command.add_to(app)
    job_commands.add_to(app)
    machine_commands.add_to(app)
    cell_commands.add_to(app)
    host_commands.add_to(app)
    process_commands.add_to(app)
    for point in sorted(entry_points(group=_GROUP), key=lambda one: one.name):
        # Loading a group costs as much as it imports, which no other command should pay for.
        if point.name in arguments or not arguments or {"-h", "--help"} & set(arguments):
            app.add_typer(point.load(), name=point.name)
    return app


def _options(
    dsn: Annotated[
        str, typer.Option(help="PostgreSQL of the cell; otherwise OMEGA_DSN, otherwise the local cell.")
    ] = "",
    data_dir: Annotated[
        str, typer.Option(help="Where the local cell keeps its data; otherwise OMEGA_DATA_DIR.")
    ] = "",
) -> None:
    # Settings and the processes that a command starts read the environment.
    if dsn:
        os.environ["OMEGA_DSN"] = dsn
    if data_dir:
        os.environ["OMEGA_DATA_DIR"] = data_dir


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)  # last: careful:Careful in this folder is found, and shadows nothing
    command = typer.main.get_command(build(words))
    try:
        result = command.main(args=words, prog_name="omega", standalone_mode=False)
    except BaseException as error:
        return failing.exit_code(error)
    return result if isinstance(result, int) else 0
