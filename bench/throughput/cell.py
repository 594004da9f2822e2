"""The benchmark's own schema: made anew for each measurement, so that none starts on what another left."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import numpy as np
import psycopg
from psycopg import sql

from omegacell import migrations
from omegacell.bench.throughput import features
from omegacell.bench.throughput.plan import LEASE_SECONDS, Combination, Feature
from omegacell.bench.throughput.verdicts import IncorrectResult
from omegacell.cellstate.errors import SpecInvalid, StoreUnavailable
from omegacell.cellstate.model import (
    Amounts,
    CommitMode,
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
from omegacell.cellstate.postgres.connection import read_dsn, where
from omegacell.cellstate.store import RESERVED_SECONDS_AT_MOST
from omegacell.cellstate.tables import metadata

SCHEMA = "omega_bench"

_JOBS_AT_MOST = 1_000_000


class BenchCell:
    """A cell on one server that only the benchmark uses."""

    def __init__(self, dsn: str, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self.dsn = dsn
        self.schema = SCHEMA
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, dsn: str) -> Iterator[BenchCell]:
        """The server's benchmark cell, gone afterwards however it ends; SpecInvalid while it is in use."""
        with _connected(dsn) as connection:
            # Held by the session, so also given back by one that was killed; its schema is then ours to drop.
            if connection.execute("SELECT pg_try_advisory_lock(20131, 3)").fetchall() != [(True,)]:
                raise SpecInvalid(
                    f"schema {SCHEMA} is in use by another benchmark on this server, expected to have it alone; "
                    "wait until that one has ended"
                )
            try:
                yield cls(dsn, connection)
            finally:
                with _undisturbed():
                    _drop(dsn)

    def renew(self, feature: Feature, *, machines: int, slots: int) -> None:
        """An empty cell with machines for `slots` slots of the feature's jobs, and what stands in their way."""
        _drop(self.dsn)
        migrations.upgrade(self.dsn, SCHEMA)
        store = PostgresStore(self.dsn, schema=SCHEMA)
        try:
            filled = -(-slots // machines)
            ids = _register(store, [features.machine(feature, n, filled=filled) for n in range(machines)])
            if feature is Feature.VICTIMS:
                _fill(store, ids, filled)
            elif feature is Feature.RESERVATIONS:
                _reserve(store, ids)
        finally:
            store.close()
        _gather_statistics(self._connection)

    def wal_position(self) -> int:
        """How many bytes of WAL the server has written in its life."""
        row = self._connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchall()
        (position,) = row[0]
        assert isinstance(position, int)  # cast above
        return position

    def settings(self, *names: str) -> dict[str, str]:
        """The server's settings by name, as a new session has them."""
        return {
            name: str(self._connection.execute("SELECT current_setting(%s)", (name,)).fetchall()[0][0])
            for name in names
        }

    def verify(self, combination: Combination, *, transactions: int, machines: int) -> None:
        """IncorrectResult unless every job is placed, every invariant holds and the obstacles still stand."""
        store = PostgresStore(self.dsn, schema=SCHEMA)
        try:
            violations = store.check()
            if violations:
                raise IncorrectResult(
                    f"{combination}: {len(violations)} invariants broken, the first: {violations[0].detail}"
                )
            jobs = [job for job in store.jobs(limit=_JOBS_AT_MOST) if job.priority == features.PRIORITY]
            placed = sum(job.placed == job.task_count for job in jobs)
            if not placed == len(jobs) == transactions * combination.schedulers:
                raise IncorrectResult(
                    f"{combination}: {placed} of {len(jobs)} jobs are placed in full, expected all of "
                    f"{transactions * combination.schedulers}"
                )
            reserved = len(store.reservations()) if combination.feature is Feature.RESERVATIONS else machines
            if reserved < machines:
                raise IncorrectResult(
                    f"{combination}: {reserved} of {machines} machines were reserved to the end, expected all; "
                    f"it took longer than the {RESERVED_SECONDS_AT_MOST:g} s of a reservation, lower --placements"
                )
        finally:
            store.close()


def _connected(dsn: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection of the benchmark's own; StoreUnavailable if there is none to be had."""
    read_dsn(dsn)
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise StoreUnavailable(
            f"database {where(dsn)} cannot be reached ({str(error).strip().splitlines()[0]}); check that it runs and "
            "that OMEGA_DSN is right"
        ) from error


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not stop what the first has begun."""
    if threading.current_thread() is not threading.main_thread():  # nowhere else does it interrupt anything
        yield
        return
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)


def _drop(dsn: str) -> None:
    """Drop the schema if it is there."""
    with _connected(dsn) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(SCHEMA)))


def _gather_statistics(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """What autovacuum would do within seconds, while the first transactions are measured: it changes plans."""
    tables = [sql.Identifier(SCHEMA, table.name) for table in metadata.sorted_tables]
    connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.SQL(", ").join(tables)))


def _register(store: PostgresStore, capacities: list[Amounts]) -> Int64:
    """Bring the machines up under one worker; int64[M], their ids."""
    spec = WorkerSpec(name="bench", host="bench", boot_id="bench", pid=1)
    worker = store.register_worker(spec, lease_seconds=LEASE_SECONDS)
    specs = [
        MachineSpec(name=f"bench-{number}", capacity=capacity) for number, capacity in enumerate(capacities)
    ]
    registered = store.register_machines(worker.holder_id, worker.token, specs)
    return np.array([machine.machine_id for machine in registered], dtype=np.int64)


def _low_job(store: PostgresStore, *, tasks: int, commit: CommitMode) -> tuple[Lease, int]:
    """A job of low priority, claimed by a scheduler of its own kind."""
    spec = JobSpec(
        name="low",
        kind=TaskKind.COMMAND,
        command=("true",),
        task_count=tasks,
        amounts=features.task(Feature.NONE),
        scheduler="low",
        priority=features.LOW_PRIORITY,
        commit=commit,
    )
    lease = store.register_scheduler("low", "low", lease_seconds=LEASE_SECONDS)
    store.submit([Submission(submission_id=uuid4(), spec=spec)])
    (job,) = store.claim_jobs(lease.holder_id, lease.token, limit=1)
    return lease, job.job_id


def _fill(store: PostgresStore, machine_ids: Int64, slots: int) -> None:
    """Fill every machine with so many slots of one job of low priority."""
    machines = len(machine_ids)
    lease, job_id = _low_job(store, tasks=machines * slots, commit=CommitMode.INCREMENTAL)
    verdict = store.commit(
        Transaction(
            txn_id=uuid4(),
            scheduler_id=lease.holder_id,
            token=lease.token,
            job_id=np.full(machines, job_id),
            machine_id=machine_ids,
            slots=np.full(machines, slots),
            claim_sequence=np.zeros(machines, dtype=np.int64),
        )
    )
    if int(verdict.accepted.sum()) != machines * slots:
        raise IncorrectResult(
            f"{int(verdict.accepted.sum())} of {machines * slots} victims are placed, expected all"
        )


def _reserve(store: PostgresStore, machine_ids: Int64) -> None:
    """Reserve every machine for a gang of low priority."""
    lease, job_id = _low_job(store, tasks=len(machine_ids), commit=CommitMode.GANG)
    reserved = store.reserve(
        lease.holder_id, lease.token, job_id, machine_ids, seconds=RESERVED_SECONDS_AT_MOST
    )
    if reserved != len(machine_ids):
        raise IncorrectResult(f"{reserved} of {len(machine_ids)} machines are reserved, expected all")
