"""`omega bench ...`: the benchmarks as commands; added to the omega command by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from omegacell.bench.conflicts.command import ConflictsReply, conflicts
from omegacell.bench.syncing.command import SyncReply, sync
from omegacell.bench.throughput import plan as planning
from omegacell.bench.throughput import table
from omegacell.bench.throughput.commit import measure
from omegacell.bench.throughput.figures import RawResult
from omegacell.bench.throughput.host import Host, this_host
from omegacell.cellstate.model import CommitMode, Detection
from omegacell.cellstate.settings import Settings
from omegacell.cli import failing, options, output
from omegacell.embedded_postgres import EmbeddedPostgres

app = typer.Typer(
    help="Benchmarks: correct first, then fast, beside a raw ceiling of the same run.", no_args_is_help=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitReply:
    """omega bench commit: a result is its combination, a spread of each figure, and of the rate over the plain one."""

    benchmark: str = "commit"
    host: Host
    machines: int
    placements: int
    repeat: int
    seed: int
    server_version: str
    durability: Mapping[str, str]
    ceilings: tuple[RawResult, ...]
    results: tuple[Mapping[str, Any], ...]


REPLIES = {"commit": CommitReply, "conflicts": ConflictsReply, "sync": SyncReply}
"""What --json holds, by command; `omega schema` reads it."""


app.command()(conflicts)
app.command()(sync)


@app.command()
def commit(
    *,
    claims: Annotated[str, typer.Option(help="Claims a transaction.")] = "1,10,100,1000,5000",
    schedulers: Annotated[str, typer.Option(help="Scheduler processes that commit at once.")] = "1",
    detection: Annotated[str, typer.Option(help=f"Of {','.join(Detection)}.")] = "fine",
    commit: Annotated[str, typer.Option(help=f"Of {','.join(CommitMode)}.")] = "incremental",
    features: Annotated[str, typer.Option(help=f"One at a time, of {','.join(planning.Feature)}.")] = "none",
    machines: Annotated[int, typer.Option(min=1, help="Machines in the cell.")] = 12_500,
    placements: Annotated[int, typer.Option(min=1, help="About how many each measurement makes.")] = 50_000,
    repeat: Annotated[int, typer.Option(min=1, help="Measure all so often; medians, least and most.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the random machines; one more in each repetition.")] = 1,
    as_json: options.AsJson = False,
) -> None:
    """The commit alone: placements per second, on OMEGA_DSN or a server of its own with fsync on.

    Options that name several values, separated by commas, are measured in every combination.
    """
    host = this_host()
    plan = planning.Plan(
        combinations=planning.combinations(
            claims=planning.numbers(claims, "claims"),
            schedulers=planning.numbers(schedulers, "schedulers"),
            detections=planning.choices(detection, Detection, "detection"),
            commits=planning.choices(commit, CommitMode, "commit"),
            features=planning.choices(features, planning.Feature, "features"),
        ),
        machines=machines,
        placements=placements,
        repeat=repeat,
        seed=seed,
    )
    with ExitStack() as stack:
        dsn = Settings().dsn or stack.enter_context(EmbeddedPostgres.temporary()).dsn
        report = measure(dsn, plan, failing.say)
    if as_json:
        output.emit(
            CommitReply(
                host=host,
                machines=machines,
                placements=placements,
                repeat=repeat,
                seed=seed,
                server_version=report.server_version,
                durability=report.durability,
                ceilings=report.ceilings,
                results=tuple(
                    asdict(result.combination)
                    | {name: asdict(spread) for name, spread in result.figures.items()}
                    | {"relative_to_none": asdict(result.relative_to_none)}
                    for result in report.results
                ),
            )
        )
        return
    load = ", ".join(f"{load:.1f}" for load in host.load_average)
    durability = ", ".join(f"{name} {value}" for name, value in report.durability.items())
    facts = {
        "host": f"{host.cpus} CPUs, {host.platform}, load average {load} at the start",
        "server": f"PostgreSQL {report.server_version}, {durability}",
        "cell": f"{machines:,} machines",
    }
    table.show(report, facts)
