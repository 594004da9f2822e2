"""The command's tree, and its way from arguments to an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from omegacell.cli import (
    cell_commands,
    failing,
    host_commands,
    job_commands,
    machine_commands,
    process_commands,
    result_commands,
    run_command,
    scheduler_commands,
    service_commands,
    submit_command,
)

GROUP = "omegacell.commands"
"""Entry points of this group are typer apps: their name becomes a command group (omega bench)."""


class _Commands(TyperGroup):
    """The commands of this package, and groups that installed packages add, each imported only when it is used.

    Importing them to list them would cost omega --help and every TAB as much as they all import together.
    """

    def list_commands(self, context: Any) -> list[str]:
        """Ours in their order, then what others add, by name."""
        return [*super().list_commands(context), *sorted(point.name for point in entry_points(group=GROUP))]

    def get_command(self, context: Any, name: str) -> Any:
        """The command of that name; an added group as a mere name."""
        if found := super().get_command(context, name):
            return found
        for point in entry_points(group=GROUP, name=name):
            return TyperGroup(name=name, help=f"Commands of {point.module}; omega {name} --help lists them.")
        return None

    def resolve_command(self, context: Any, words: list[str]) -> Any:
        """The command that the words name, imported."""
        name, command, rest = super().resolve_command(context, words)
        if name is not None and name not in self.commands:
            (point,) = entry_points(group=GROUP, name=name)
            command = typer.main.get_command(point.load())
        return name, command, rest

    def invoke(self, context: Any) -> Any:
        """Run the command, to the last byte that it wrote."""
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except (KeyboardInterrupt, BrokenPipeError) as error:
            raise failing.Escaped(error) from None
        return result


def build() -> typer.Typer:
    """All commands, in the order in which help lists them."""
    app = typer.Typer(
        name="omega",
        cls=_Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Submit jobs to a cell, look at it, and run one.",
    )
    app.callback()(_options)
    for commands in (
        run_command,
        submit_command,
        job_commands,
        result_commands,
        service_commands,
        machine_commands,
        scheduler_commands,
        cell_commands,
        host_commands,
        process_commands,
    ):
        commands.add_to(app)
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
    try:
        result = typer.main.get_command(build()).main(args=words, prog_name="omega", standalone_mode=False)
    except failing.Escaped as escaped:
        return failing.exit_code(escaped.error)
    except BaseException as error:
        return failing.exit_code(error)
    return result if isinstance(result, int) else 0
