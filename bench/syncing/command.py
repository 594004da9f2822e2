"""`omega bench sync`: the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer

from omegacell.bench.syncing.benchmark import measure
from omegacell.bench.throughput.host import Host, this_host
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.settings import Settings
from omegacell.cli import failing, options, output
from omegacell.embedded_postgres import EmbeddedPostgres


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReply:
    """omega bench sync: milliseconds, over all rounds; the ratios are of medians of one run.

    sync: the store's answer and applying it; answer: of that, the store's; raw: the same rows by primary key. full:
    loading all machines into an empty snapshot; full_raw: their columns as binary COPY, not looked at.
    """

    benchmark: str = "sync"
    host: Host
    server_version: str
    durability: Mapping[str, str]
    machines: int
    changed: int
    rounds: int
    loads: int
    seed: int
    sync_p50_ms: float
    sync_p99_ms: float
    answer_p50_ms: float
    raw_p50_ms: float
    sync_of_raw: float
    full_ms: float
    full_least_ms: float
    full_most_ms: float
    full_raw_ms: float
    full_of_raw: float


def sync(
    *,
    machines: Annotated[int, typer.Option(min=1, help="Machines in the cell.")] = 100_000,
    changed: Annotated[int, typer.Option(min=1, help="Of them changed between two syncs.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Syncs to measure.")] = 200,
    loads: Annotated[int, typer.Option(min=1, help="Full loads to measure.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the machines that change.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="500 machines, 5 rounds: whether it works.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Catching up with the cell: some machines changed among many, and a full load of all.

    On OMEGA_DSN or a server of its own with fsync on.
    """
    if quick:
        machines, changed, rounds, loads = 500, min(changed, 100), 5, 1
    if changed > machines:
        raise SpecInvalid(f"--changed {changed} of --machines {machines}; expected no more than there are")
    host = this_host()
    with ExitStack() as stack:
        dsn = Settings().dsn or stack.enter_context(EmbeddedPostgres.temporary()).dsn
        times = measure(
            dsn, machines=machines, changed=changed, rounds=rounds, loads=loads, seed=seed, say=failing.say
        )
    reply = SyncReply(
        host=host,
        server_version=times.server_version,
        durability=times.durability,
        machines=machines,
        changed=changed,
        rounds=rounds,
        loads=loads,
        seed=seed,
        sync_p50_ms=_percentile(times.caught_up, 50),
        sync_p99_ms=_percentile(times.caught_up, 99),
        answer_p50_ms=_percentile(times.answered, 50),
        raw_p50_ms=_percentile(times.raw, 50),
        sync_of_raw=_percentile(times.caught_up, 50) / _percentile(times.raw, 50),
        full_ms=_percentile(times.full, 50),
        full_least_ms=_percentile(times.full, 0),
        full_most_ms=_percentile(times.full, 100),
        full_raw_ms=_percentile(times.full_raw, 50),
        full_of_raw=_percentile(times.full, 50) / _percentile(times.full_raw, 50),
    )
    if as_json:
        output.emit(reply)
        return
    load = ", ".join(f"{one:.1f}" for one in host.load_average)
    output.facts(
        {
            "host": f"{host.cpus} CPUs, {host.platform}, load average {load} at the start",
            "server": f"PostgreSQL {reply.server_version}, "
            + ", ".join(f"{name} {value}" for name, value in reply.durability.items()),
            "cell": f"{machines:,} machines",
            f"sync of {changed} changed": f"p50 {reply.sync_p50_ms:.2f} ms, p99 {reply.sync_p99_ms:.2f} ms, of it the "
            f"store's answer {reply.answer_p50_ms:.2f} ms; the rows alone {reply.raw_p50_ms:.2f} ms",
            "full load": f"{reply.full_ms:.0f} ms ({reply.full_least_ms:.0f} to {reply.full_most_ms:.0f}); "
            f"the columns alone {reply.full_raw_ms:.0f} ms",
        }
    )


def _percentile(seconds: Sequence[float], percent: float) -> float:
    return float(np.percentile(np.array(seconds), percent)) * 1000.0
