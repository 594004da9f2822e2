"""The cell's processes and its database: scheduler run, worker run, db upgrade."""

from __future__ import annotations

from typing import Annotated

import typer

from omegacell.cli import options
from omegacell.cli.output import emit

PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
"""The processes have command lines of their own, which also work without this command."""


def add_to(app: typer.Typer) -> None:
    """Register these groups; scheduler run stands with what else there is of a scheduler."""
    worker = typer.Typer(no_args_is_help=True, help="Run a worker here.")
    worker.callback()(_nothing)
    worker.command("run", context_settings=PASS_ON)(worker_run)
    app.add_typer(worker, name="worker")
    database = typer.Typer(no_args_is_help=True, help="The cell's database.")
    database.callback()(_nothing)
    database.command("upgrade")(upgrade)
    app.add_typer(database, name="db")


def _nothing() -> None:
    # With a callback a group of one command stays a group.
    return


def scheduler_run(context: typer.Context) -> None:
    """Serve jobs of a KIND (batch, service, package.module:Name) until told to stop; --help lists options."""
    from omegacell.schedulers.cli import main

    words = list(context.args)
    if words and not words[0].startswith("-"):
        words.insert(0, "--kind")
    raise typer.Exit(main(_with_dsn(words)))


def worker_run(context: typer.Context) -> None:
    """Serve machines of this host until told to stop; --help lists its options."""
    from omegacell.workers.cli import main

    raise typer.Exit(main(_with_dsn(context.args)))


def upgrade(
    schema: Annotated[
        str, typer.Option(help="Its PostgreSQL schema; otherwise OMEGA_SCHEMA, or omega.")
    ] = "",
    as_json: options.AsJson = False,
) -> None:
    """Bring the database to this version's schema; makes it where there is none."""
    from omegacell import migrations
    from omegacell.cellstate.settings import Settings
    from omegacell.cellstate.tables import SCHEMA_VERSION
    from omegacell.cli import cell_replies
    from omegacell.client.connecting import find_dsn

    settings = Settings()
    chosen = schema or settings.schema_name
    migrations.upgrade(find_dsn(settings), chosen)
    if as_json:
        emit(cell_replies.Upgraded(schema=chosen, database_schema=SCHEMA_VERSION))
    else:
        print(f"schema {chosen} is at version {SCHEMA_VERSION}")


def _with_dsn(words: list[str]) -> list[str]:
    """The process's own words; the local cell's DSN goes by the environment where none is named."""
    import os

    from omegacell.cellstate.settings import Settings
    from omegacell.client.connecting import find_dsn

    if not any(word in {"-h", "--help"} or word.partition("=")[0] == "--dsn" for word in words):
        os.environ["OMEGA_DSN"] = find_dsn(Settings())
    return words
