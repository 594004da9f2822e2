"""Placements per second of the commit alone, beside what PostgreSQL does with the same rows and no rule.

One scheduler process commits transactions of K claims on M machines, random machines, everything fits: what is
measured is the cost of the commit, not of conflicts. The ceiling inserts the same placements, charges the same
machines with a guarded UPDATE and appends a log row, one statement a batch, in the same database.
Correctness comes first: a figure is only reported if every invariant holds and every slot was accepted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
import psycopg
from psycopg import sql

from omegacell.cellstate.errors import OmegaError
from omegacell.cellstate.model import (
    Amounts,
    Int64,
    JobSpec,
    Lease,
    MachineSpec,
    Submission,
    TaskKind,
    Transaction,
    WorkerSpec,
)
from omegacell.cellstate.postgres import PostgresStore
from omegacell.cellstate.postgres.arrays import register

LEASE_SECONDS = 3600.0
TASK = Amounts(cpu_milli=10, memory_bytes=2**20)
MACHINE = Amounts(cpu_milli=1_000_000, memory_bytes=2**40)
"""Large enough that nothing measured here ever fills one."""

_CEILING = """
    WITH placed AS (
        INSERT INTO placement (job_id, first_index, count, attempt, failures, lost, machine_id, epoch, cpu_milli,
                               memory_bytes, disk_bytes, placed_at)
        SELECT %b::bigint, u.i, 1, 1, 0, 0, u.machine_id, 1, %b::bigint, %b::bigint, 0, now()
        FROM unnest(%b::bigint[], %b::bigint[]) AS u(i, machine_id)
    ), charged AS (
        UPDATE machine m
        SET used_cpu_milli = m.used_cpu_milli + d.n * %b::bigint,
            used_memory_bytes = m.used_memory_bytes + d.n * %b::bigint, version = m.version + 1
        FROM (SELECT u.id, count(*) AS n FROM unnest(%b::bigint[]) AS u(id) GROUP BY u.id) d
        WHERE m.machine_id = d.id AND m.used_cpu_milli + d.n * %b::bigint <= m.cpu_milli
        RETURNING m.machine_id, m.version
    )
    INSERT INTO cell_log (at, kind, machine_id, machine_version)
    SELECT now(), 'ceiling', array_agg(c.machine_id), array_agg(c.version) FROM charged c
"""


class IncorrectResult(OmegaError):
    """The benchmark's result is wrong, so its speed is not reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFigures:
    """What one size of transaction reached; rates per second, times in milliseconds."""

    claims: int
    transactions: int
    placements_per_s: float
    transactions_per_s: float
    commit_p50_ms: float
    commit_p99_ms: float
    ceiling_per_s: float
    share_of_ceiling: float


def prepare(store: PostgresStore, machines: int) -> Lease:
    """Register the machines under one worker, and the scheduler that will commit; its lease."""
    worker = store.register_worker(
        WorkerSpec(name="bench", host="bench", boot_id="bench", pid=1), lease_seconds=LEASE_SECONDS
    )
    specs = [MachineSpec(name=f"bench-{number}", capacity=MACHINE) for number in range(machines)]
    store.register_machines(worker.holder_id, worker.token, specs)
    return store.register_scheduler("bench", "bench", lease_seconds=LEASE_SECONDS)


def measure(
    store: PostgresStore, dsn: str, scheduler: Lease, *, claims: int, placements: int, seed: int
) -> CommitFigures:
    """Commit about `placements` placements in transactions of `claims`; then the ceiling for the same."""
    machine_ids = store.sync(None).rows.machine_id
    rng = np.random.default_rng(seed)
    count = max(5, placements // claims)
    warm = max(2, min(10, count // 5))  # plans are made and caches filled in the first few
    times = []
    for number, transaction in enumerate(
        _transactions(store, scheduler, machine_ids, claims=claims, count=count + warm, rng=rng)
    ):
        started = time.perf_counter()
        verdict = store.commit(transaction)
        if number >= warm:
            times.append(time.perf_counter() - started)
        if int(verdict.accepted.sum()) != claims:
            raise IncorrectResult(
                f"commit {transaction.txn_id}: {int(verdict.accepted.sum())} of {claims} claims accepted, expected all"
            )
    violations = store.check()
    if violations:
        raise IncorrectResult(f"{len(violations)} invariants broken, the first: {violations[0].detail}")
    rate = claims * count / sum(times)
    ceiling = _ceiling(dsn, store.schema, machine_ids, claims=claims, count=count, rng=rng)
    return CommitFigures(
        claims=claims,
        transactions=count,
        placements_per_s=rate,
        transactions_per_s=count / sum(times),
        commit_p50_ms=float(np.median(times)) * 1e3,
        commit_p99_ms=float(np.percentile(times, 99)) * 1e3,
        ceiling_per_s=ceiling,
        share_of_ceiling=rate / ceiling,
    )


def _transactions(
    store: PostgresStore,
    scheduler: Lease,
    machine_ids: Int64,
    *,
    claims: int,
    count: int,
    rng: np.random.Generator,
) -> Iterator[Transaction]:
    """One job each of `claims` tasks, claimed, and spread over random machines."""
    spec = JobSpec(
        name="bench",
        kind=TaskKind.COMMAND,
        command=("true",),
        task_count=claims,
        amounts=TASK,
        scheduler="bench",
    )
    store.submit([Submission(submission_id=uuid4(), spec=spec) for _ in range(count)])
    for job in store.claim_jobs(scheduler.holder_id, scheduler.token, limit=count):
        yield Transaction(
            txn_id=uuid4(),
            scheduler_id=scheduler.holder_id,
            token=scheduler.token,
            job_id=np.full(claims, job.job_id),
            machine_id=rng.choice(machine_ids, claims),
            slots=np.ones(claims, dtype=np.int64),
            claim_sequence=np.ones(claims, dtype=np.int64),
        )


def _ceiling(
    dsn: str, schema: str, machine_ids: Int64, *, claims: int, count: int, rng: np.random.Generator
) -> float:
    """Rows per second of the same rows in one statement a batch, one session; undone afterwards."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        register(connection)
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        elapsed = 0.0
        for number in range(count):
            chosen = rng.choice(machine_ids, claims)
            cpu, memory = TASK.cpu_milli, TASK.memory_bytes
            arguments = (-1 - number, cpu, memory, np.arange(claims), chosen, cpu, memory, chosen, cpu)
            started = time.perf_counter()
            connection.execute(_CEILING, arguments)
            elapsed += time.perf_counter() - started
        connection.execute("DELETE FROM placement WHERE job_id < 0")
        connection.execute(
            "UPDATE machine m SET used_cpu_milli = coalesce(p.cpu, 0), used_memory_bytes = coalesce(p.memory, 0) "
            "FROM machine n LEFT JOIN (SELECT machine_id, sum(cpu_milli) AS cpu, sum(memory_bytes) AS memory "
            "FROM placement GROUP BY machine_id) p USING (machine_id) WHERE m.machine_id = n.machine_id"
        )
        return claims * count / elapsed
