"""`omega bench ...`: the benchmarks as commands; added to the omega command by entry point."""

from __future__ import annotations

import json
import platform
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from omegacell import migrations
from omegacell.bench.throughput import commit as commit_bench
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.postgres import PostgresStore
from omegacell.cellstate.settings import Settings
from omegacell.embedded_postgres import EmbeddedPostgres

app = typer.Typer(
    help="Benchmarks: correct first, then fast, beside a raw ceiling of the same run.", no_args_is_help=True
)

_COLUMNS = ("claims", "placements/s", "transactions/s", "p50 ms", "p99 ms", "ceiling/s", "share of ceiling")


@app.callback()
def _group() -> None:
    """Keeps `omega bench commit` a subcommand while there is only one."""


@app.command()
def commit(
    claims: Annotated[
        str, typer.Option(help="Claims a transaction, one size after another.")
    ] = "1,10,100,1000,5000",
    machines: Annotated[int, typer.Option(min=1, help="Machines in the cell.")] = 12_500,
    placements: Annotated[int, typer.Option(min=1, help="About how many to place for each size.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Of the random machines.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """The commit alone: placements per second from one scheduler process, fsync on."""
    sizes = _sizes(claims)
    progress = Console(stderr=True)
    with ExitStack() as stack:
        dsn = Settings().dsn
        if not dsn:
            dsn = stack.enter_context(EmbeddedPostgres.temporary()).dsn
        schema = "omega_bench"
        migrations.upgrade(dsn, schema)
        stack.callback(_drop, dsn, schema)
        store = PostgresStore(dsn, schema=schema)
        stack.callback(store.close)
        progress.print(f"registering {machines:,} machines", style="dim")
        scheduler = commit_bench.prepare(store, machines)
        found = []
        for size in sizes:
            progress.print(f"committing {size:,} claims at a time", style="dim")
            wanted = min(placements, 500 * size)
            found.append(
                commit_bench.measure(store, dsn, scheduler, claims=size, placements=wanted, seed=seed)
            )
        durability = _durability(dsn)
    if as_json:
        print(
            json.dumps(
                {
                    "schema_version": 1,
                    "benchmark": "commit",
                    "machines": machines,
                    "seed": seed,
                    "durability": durability,
                    "host": platform.platform(),
                    "results": [asdict(one) for one in found],
                }
            )
        )
        return
    table = Table(*_COLUMNS, title=f"commit, {machines:,} machines, one scheduler process, {durability}")
    for one in found:
        table.add_row(
            f"{one.claims:,}",
            f"{one.placements_per_s:,.0f}",
            f"{one.transactions_per_s:,.0f}",
            f"{one.commit_p50_ms:.2f}",
            f"{one.commit_p99_ms:.2f}",
            f"{one.ceiling_per_s:,.0f}",
            f"{one.share_of_ceiling:.0%}",
        )
    Console().print(table)


def _sizes(words: str) -> list[int]:
    try:
        sizes = [int(word) for word in words.split(",")]
    except ValueError as error:
        raise SpecInvalid(f"claims {words!r} are not numbers, expected a list like 1,100,1000") from error
    if not sizes or min(sizes) < 1:
        raise SpecInvalid(f"claims {words!r} include one below 1, expected a list like 1,100,1000")
    return sizes


def _durability(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        settings = [
            f"{name} {connection.execute('SELECT current_setting(%s)', (name,)).fetchall()[0][0]}"
            for name in ("fsync", "synchronous_commit")
        ]
    return ", ".join(settings)


def _drop(dsn: str, schema: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("DROP SCHEMA {} CASCADE").format(psycopg.sql.Identifier(schema)))
