"""A cell of some size, loaded by SQL in about a second: what the plan tests look at the hot statements on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import Lease
from omegacell.cellstate.postgres import PostgresStore
from tests.contract.scene import Scene, submission

MACHINES = 3_000
WORKERS = 10
RUNNING, WAITING, ENDED = 200, 300, 2_500
"""Jobs: with 100 slots each, of which one in four says spread; queued with nothing placed; ended, one task each."""
SLOTS = 100
LOG_ROWS = 5_000

_LOAD = """
    INSERT INTO worker (name, host, boot_id, pid, log_directory, token, lease_seconds, expires_at)
    SELECT 'w' || i, 'h', 'b', i, '', nextval('token_sequence'), 600, %(now)s + interval '600 s'
    FROM generate_series(1, %(workers)s) AS i;

    INSERT INTO machine (machine_id, cpu_milli, memory_bytes, disk_bytes, used_cpu_milli, version, claim_sequence,
                         epoch, worker_id)
    SELECT i, 16000, 2^35, 2^40, 0, 1, 1, 1, 1 + i %% %(workers)s FROM generate_series(1, %(machines)s) AS i;
    INSERT INTO machine_fact (machine_id, name, attributes)
    SELECT i, 'm' || i, '{}' FROM generate_series(1, %(machines)s) AS i;

    INSERT INTO job (job_id, submission_id, namespace, name, key, labels, scheduler, priority, cpu_milli, memory_bytes,
                     disk_bytes, detection, commit, gang_min, retries, backoff_seconds, backoff_max_seconds, on_lost,
                     max_lost, specification, payload, inputs_digest, submitted_at)
    SELECT i, gen_random_uuid(), t.namespace, t.name, '', t.labels, t.scheduler, 100, 100, 0, 0, t.detection, t.commit,
           0, 3, 1, 60, t.on_lost, t.max_lost,
           t.specification || CASE WHEN i %% 4 = 0 THEN '{"spread": "rack"}' ELSE '{}' END::jsonb, '', '', %(now)s
    FROM job t, generate_series(%(first)s, %(first)s + %(running)s + %(waiting)s + %(ended)s - 1) AS i
    WHERE t.job_id = 1;
    INSERT INTO job_state (job_id, state, task_count, next_index, placed, succeeded, ended_at)
    SELECT j.job_id, 'running', 150, 120, %(slots)s, 10, NULL::timestamptz
    FROM job j WHERE j.job_id >= %(first)s AND j.job_id < %(first)s + %(running)s
    UNION ALL
    SELECT j.job_id, 'pending', 150, 0, 0, 0, NULL
    FROM job j WHERE j.job_id >= %(first)s + %(running)s AND j.job_id < %(first)s + %(running)s + %(waiting)s
    UNION ALL
    SELECT j.job_id, 'succeeded', 1, 1, 0, 1, %(now)s
    FROM job j WHERE j.job_id >= %(first)s + %(running)s + %(waiting)s;
    INSERT INTO job_queue (job_id, scheduler, priority, not_before)
    SELECT s.job_id, 'batch', 100, %(now)s FROM job_state s WHERE s.state <> 'succeeded' AND s.job_id >= %(first)s;
    INSERT INTO job_explanation (job_id, explanation, changed_at)
    SELECT s.job_id, '{}', %(now)s FROM job_state s WHERE s.job_id >= %(first)s;
    INSERT INTO task_input (job_id, first_index, count, chunk)
    SELECT s.job_id, n * 50, 50, '' FROM job_state s, generate_series(0, 2) AS n
    WHERE s.job_id >= %(first)s AND s.state <> 'succeeded';

    INSERT INTO placement (job_id, first_index, attempt, failures, lost, machine_id, epoch, cpu_milli, memory_bytes,
                           disk_bytes, placed_at)
    SELECT s.job_id, n, 1, 0, 0, 1 + ((s.job_id - %(first)s) * %(slots)s + n) %% %(machines)s, 1, 100, 0, 0, %(now)s
    FROM job_state s, generate_series(0, %(slots)s - 1) AS n WHERE s.state = 'running';
    UPDATE machine m SET used_cpu_milli = h.cpu
    FROM (SELECT p.machine_id, sum(p.cpu_milli) AS cpu FROM placement p GROUP BY p.machine_id) h
    WHERE h.machine_id = m.machine_id;
    INSERT INTO retry (job_id, first_index, attempt, failures, lost, not_before)
    SELECT s.job_id, n, 2, 1, 0, %(now)s + interval '60 s'
    FROM job_state s, generate_series(110, 119) AS n WHERE s.state = 'running';
    INSERT INTO preemption (at, machine_id, winner_job, victim_job, first_index, count, attempt)
    SELECT %(now)s, p.machine_id, p.job_id, p.job_id + 1, p.first_index, 1, 1
    FROM placement p WHERE p.first_index < 10;
    INSERT INTO outcome (at, job_id, task_index, attempt, state, machine_id, exit_code, started_at, ended_at, result,
                         error, stdout_tail, stderr_tail)
    SELECT %(now)s, s.job_id, n, 1, 'succeeded', 1, 0, %(now)s, %(now)s, ''::bytea, '', '', ''
    FROM job_state s, generate_series(100, 109) AS n WHERE s.state = 'running'
    UNION ALL
    SELECT %(now)s, s.job_id, 0, 1, 'succeeded', 1, 0, %(now)s, %(now)s, ''::bytea, '', '', ''
    FROM job_state s WHERE s.state = 'succeeded';
    INSERT INTO cell_log (at, xid, kind, txn_id, scheduler_id, machine_id)
    -- transactions of long ago: a new server's own count from some 700 on
    SELECT %(now)s, (3 + i %% 500)::text::xid8, 'commit', gen_random_uuid(), 1, ARRAY[1 + i %% %(machines)s]
    FROM generate_series(1, %(log_rows)s) AS i;
"""
_TABLES = """
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'omega'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCell:
    """Where it is, and who is there: worker 1 with every tenth machine, and a scheduler."""

    dsn: str
    now: float
    worker: Lease
    scheduler: Lease


def load(dsn: str, clock: ManualClock, *, analyzed: bool) -> LoadedCell:
    """Fill an empty cell; with statistics, or as it is before anything has made some."""
    with closing(PostgresStore(dsn, clock=clock)) as store:
        scheduler = store.register_scheduler("s", "batch", lease_seconds=600.0)
        (model,) = store.submit([submission(tasks=1)])
        store.cancel(model.job_id)
        _fill(dsn, first=model.job_id + 1, now=clock.now(), analyzed=analyzed)
        (worker,) = (one for one in store.workers() if one.name == "w1")
        assert store.check() == ()
    lease = Lease(
        holder_id=worker.worker_id, token=worker.token, lease_seconds=600.0, expires_at=worker.expires_at
    )
    return LoadedCell(dsn=dsn, now=clock.now(), worker=lease, scheduler=scheduler)


def _fill(dsn: str, *, first: int, now: float, analyzed: bool) -> None:
    values = {
        "first": first, "machines": MACHINES, "workers": WORKERS, "running": RUNNING, "waiting": WAITING,
        "ended": ENDED, "slots": SLOTS, "log_rows": LOG_ROWS, "now": f"to_timestamp({now})",
    }  # fmt: skip
    with psycopg.connect(dsn, autocommit=True, options="-csearch_path=omega") as connection:
        for (table,) in connection.execute(_TABLES).fetchall():  # statistics are made when the test says so
            connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)".encode())
        connection.execute((_LOAD % values).encode())
        for table in ("machine", "job"):
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{table}_id'), 100000)".encode()
            )
        if analyzed:
            connection.execute("ANALYZE")


@dataclass(frozen=True, slots=True)
class Reads:
    """What a table was asked for: scans of the whole of it, and rows read in any way."""

    whole: int
    rows: int


class OneTransaction:
    """A store whose calls all run in one transaction, which is taken back; and what each table was read."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.scene = Scene(store, ManualClock(0.0))

    def say(self, statement: str) -> list[Any]:
        """Execute one statement on the connection that all calls use."""

        def act(connection: psycopg.Connection[Any]) -> list[Any]:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

        return self.store._connections.run(act)

    def begin(self) -> None:
        """Begin the transaction. SQLAlchemy would end it after each listing, as if it were its own."""
        self.store._connections.run(lambda connection: setattr(connection, "rollback", lambda: None))
        self.say("BEGIN")

    def _counts(self) -> dict[str, Reads]:
        rows = self.say(
            "SELECT relname, seq_scan, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
        )
        return {name: Reads(whole, read) for name, whole, read in rows}

    @contextmanager
    def reading(self, into: dict[str, Reads]) -> Iterator[None]:
        """Put into the dictionary what was read of each table while this context lasted."""
        before = self._counts()
        yield
        for name, now in self._counts().items():
            was = before.get(name, Reads(0, 0))
            if now != was:
                into[name] = Reads(now.whole - was.whole, now.rows - was.rows)


@contextmanager
def one_transaction(cell: LoadedCell, *, plans: str) -> Iterator[OneTransaction]:
    """A store on the cell that plans as told (plan_cache_mode), with everything it does taken back."""
    store = PostgresStore(cell.dsn, clock=ManualClock(cell.now + 1.0))
    everything = OneTransaction(store)
    everything.scene.clock.advance(cell.now + 1.0)
    try:
        everything.say(f"SET plan_cache_mode = {plans}")
        everything.begin()
        yield everything
        assert everything.say("SELECT 1 WHERE now() <> statement_timestamp()"), "a call ended the transaction"
        everything.say("ROLLBACK")
    finally:
        store.close()
