"""The cell of each measurement: empty at first, with the machines and what fills them as the simulator has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import numpy as np
import psycopg
from psycopg import sql

from omegacell import migrations
from omegacell.bench.conflicts.machines import Standing
from omegacell.bench.conflicts.plan import Mix
from omegacell.bench.conflicts.watch import Watched
from omegacell.bench.sim.simulation import Simulation
from omegacell.bench.throughput.cell import BenchCell
from omegacell.bench.throughput.verdicts import IncorrectResult
from omegacell.cellstate.model import Amounts, CommitMode, Int64
from omegacell.cellstate.postgres import PostgresStore
from omegacell.cellstate.tables import metadata
from omegacell.schedulers.metrics import Account


class ConflictCell:
    """The benchmark's schema on one server, made anew for each measurement."""

    def __init__(self, bench: BenchCell) -> None:
        self.dsn = bench.dsn
        self.schema = bench.schema
        self.settings = bench.settings

    @classmethod
    @contextmanager
    def open(cls, dsn: str) -> Iterator[ConflictCell]:
        """As BenchCell.open."""
        with BenchCell.open(dsn) as bench:
            yield cls(bench)

    def empty(self) -> None:
        """No machines, no jobs."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET client_min_messages = warning")
            connection.execute(
                sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(self.schema))
            )
        migrations.upgrade(self.dsn, self.schema)

    def gather_statistics(self) -> None:
        """What autovacuum would do within seconds, while schedulers are measured: it changes plans."""
        tables = [sql.Identifier(self.schema, table.name) for table in metadata.sorted_tables]
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.SQL(", ").join(tables)))

    def verify(self, mix: Mix, found: Sequence[Watched]) -> None:
        """IncorrectResult unless every invariant holds and the store counted what the schedulers did."""
        with closing(PostgresStore(self.dsn, schema=self.schema)) as store:
            violations = store.check()
            if violations:
                raise IncorrectResult(
                    f"{mix}: {len(violations)} invariants broken, the first: {violations[0].detail}"
                )
            counted = {status.name: status for status in store.schedulers()}
        for one in found:
            status = counted[one.name]
            pairs = {
                "transactions_succeeded": (status.transactions_succeeded, one.whole.succeeded),
                "transactions_failed": (status.transactions_failed, one.whole.failed),
                "placements": (status.placements, one.whole.placements),
            }
            if (
                mix.commit is not CommitMode.ALL_OR_NOTHING
            ):  # the account leaves out what the reference would not try
                pairs["claims"] = (status.claims, one.whole.claims)
                pairs["claims_refused"] = (status.claims_refused, one.whole.refused)
            for what, (stored, accounted) in pairs.items():
                if stored != accounted:
                    raise IncorrectResult(
                        f"{mix}: the store counted {stored} {what} of scheduler {one.name}, "
                        f"expected the {accounted} of its own account"
                    )


def machines_of(simulation: Simulation) -> tuple[tuple[Amounts, ...], tuple[Standing, ...]]:
    """The simulator's machines at time 0 in row order, and what stands on them: as few sizes as there are."""
    snapshot = simulation.cell.snapshot
    used: Int64 = snapshot.capacity - snapshot.free
    sizes, of_row = np.unique(used, axis=0, return_inverse=True)
    capacities = (simulation.scenario.cell.amounts(),) * snapshot.machines
    standing = tuple(
        Standing(amounts=_amounts(size), rows=tuple(np.flatnonzero(of_row.ravel() == at).tolist()))
        for at, size in enumerate(sizes)
        if size.any()
    )
    return capacities, standing


def _amounts(vector: Int64) -> Amounts:
    cpu_milli, memory_bytes, disk_bytes = vector.tolist()[:3]
    return Amounts(cpu_milli=cpu_milli, memory_bytes=memory_bytes, disk_bytes=disk_bytes)


def together(accounts: Sequence[Account]) -> Account:
    """The sum of several schedulers' accounts."""
    whole = Account()
    for account in accounts:
        whole += account
    return whole
