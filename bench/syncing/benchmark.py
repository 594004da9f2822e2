"""What catching up with the cell costs: some machines changed among many, and all of them at once.

A rival's transaction claims `changed` machines; then the reader syncs and applies, as every scheduler does before an
attempt. Beside it, in the same rounds: the same rows by primary key without any feed. A full load is what a scheduler
pays when it starts; beside it the same columns of all machines, read and made arrays of by nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import numpy as np
import psycopg
from psycopg import sql

from omegacell.bench.throughput import features
from omegacell.bench.throughput.cell import SCHEMA, BenchCell
from omegacell.bench.throughput.plan import LEASE_SECONDS, Combination, Feature
from omegacell.bench.throughput.verdicts import IncorrectResult
from omegacell.cellstate.model import ClaimedJob, Int64, Lease, Submission, Transaction
from omegacell.cellstate.postgres import PostgresStore
from omegacell.cellstate.postgres.arrays import register
from omegacell.cellstate.snapshot import Snapshot

_WARM = 5
"""Rounds that are not measured: plans, caches, the reader's first connection."""

_CLAIMS_AT_MOST = 10_000

_COLUMNS = "machine_id, version, claim_sequence, cpu_milli, memory_bytes, disk_bytes, used_cpu_milli, used_memory_bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncTimes:
    """Seconds of every measured round: of catching up, of that the store's answer, and of the raw rows.

    full, full_raw: seconds of every full load; rounds of each.
    """

    caught_up: tuple[float, ...]
    answered: tuple[float, ...]
    raw: tuple[float, ...]
    full: tuple[float, ...]
    full_raw: tuple[float, ...]
    server_version: str
    durability: Mapping[str, str]


def measure(
    dsn: str, *, machines: int, changed: int, rounds: int, loads: int, seed: int, say: Callable[[str], None]
) -> SyncTimes:
    """Every round's times; IncorrectResult unless the reader ends with what the store has."""
    with ExitStack() as stack:
        cell = stack.enter_context(BenchCell.open(dsn))
        say(f"{machines:,} machines")
        cell.renew(Feature.NONE, machines=machines, slots=machines)
        store = stack.enter_context(closing(PostgresStore(dsn, schema=SCHEMA)))
        reader = stack.enter_context(closing(PostgresStore(dsn, schema=SCHEMA)))
        raw = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        register(raw)
        raw.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(SCHEMA)))
        full, full_raw = [], []
        snapshot = Snapshot()
        for load in range(loads):
            say(f"full load {load + 1} of {loads}")
            full_raw.append(_timed(partial(_read_all, raw)))
            snapshot = Snapshot()
            full.append(_timed(partial(_load, reader, snapshot)))
        if snapshot.machines != machines:
            raise IncorrectResult(f"{snapshot.machines} machines were loaded, expected {machines}")
        rival = _Rival(store, changed=changed, rounds=_WARM + rounds, seed=seed)
        caught_up, answered, plain = [], [], []
        say(f"{rounds} rounds of {changed} changed machines")
        for _ in range(_WARM + rounds):
            touched = rival.change(snapshot)
            started = time.perf_counter()
            changes = reader.sync(snapshot.watermark)
            middle = time.perf_counter()
            snapshot.apply(changes)
            ended = time.perf_counter()
            if sorted(changes.rows.machine_id.tolist()) != sorted(touched.tolist()):
                raise IncorrectResult(
                    f"{len(changes.rows.machine_id)} machines changed for the reader, expected {changed}"
                )
            caught_up.append(ended - started)
            answered.append(middle - started)
            plain.append(_timed(partial(_read, raw, touched)))
        _verify(store, snapshot)
        return SyncTimes(
            caught_up=tuple(caught_up[_WARM:]),
            answered=tuple(answered[_WARM:]),
            raw=tuple(plain[_WARM:]),
            full=tuple(full),
            full_raw=tuple(full_raw),
            server_version=cell.settings("server_version")["server_version"],
            durability=cell.settings("fsync", "synchronous_commit"),
        )


class _Rival:
    """A scheduler that claims so many machines a transaction, a job each."""

    def __init__(self, store: PostgresStore, *, changed: int, rounds: int, seed: int) -> None:
        self._store = store
        self._changed = changed
        self._rng = np.random.default_rng(seed)
        self._lease: Lease = store.register_scheduler("rival", "rival", lease_seconds=LEASE_SECONDS)
        spec = features.job(Combination(claims=changed), "rival")
        store.submit([Submission(submission_id=uuid4(), spec=spec) for _ in range(rounds)])
        self._jobs: list[ClaimedJob] = list(
            store.claim_jobs(self._lease.holder_id, self._lease.token, limit=rounds)
        )

    def change(self, snapshot: Snapshot) -> Int64:
        """Claim a slot on each of some machines, drawn at random: int64[K], their ids."""
        machine_id = self._rng.choice(snapshot.machine_id, size=self._changed, replace=False)
        verdict = self._store.commit(
            Transaction(
                txn_id=uuid4(),
                scheduler_id=self._lease.holder_id,
                token=self._lease.token,
                job_id=np.full(self._changed, self._jobs.pop().job_id),
                machine_id=machine_id,
                slots=np.ones(self._changed, dtype=np.int64),
                claim_sequence=np.zeros(self._changed, dtype=np.int64),
            )
        )
        if int(verdict.accepted.sum()) != self._changed:
            raise IncorrectResult(
                f"{int(verdict.accepted.sum())} of {self._changed} claims were kept, expected all"
            )
        changed: Int64 = machine_id
        return changed


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _load(reader: PostgresStore, snapshot: Snapshot) -> None:
    snapshot.apply(reader.sync(None))


def _read(connection: psycopg.Connection[tuple[object, ...]], machine_id: Int64) -> int:
    statement = f"SELECT {_COLUMNS} FROM machine WHERE machine_id = ANY(%b::bigint[])"
    return len(connection.execute(statement, (machine_id,), binary=True).fetchall())


def _read_all(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """Bytes of the machine rows, by binary COPY."""
    with connection.cursor().copy(f"COPY (SELECT {_COLUMNS} FROM machine) TO STDOUT (FORMAT binary)") as copy:
        return sum(len(block) for block in copy)


def _verify(store: PostgresStore, snapshot: Snapshot) -> None:
    violations = store.check()
    if violations:
        raise IncorrectResult(f"{len(violations)} invariants broken, the first: {violations[0].detail}")
    fresh = Snapshot()
    fresh.apply(store.sync(None))
    ours = snapshot.rows_of(fresh.machine_id)
    if not (
        np.array_equal(snapshot.used[ours], fresh.used)
        and np.array_equal(snapshot.claim_sequence[ours], fresh.claim_sequence)
    ):
        raise IncorrectResult("the reader's snapshot is not what the store has, expected the same")
