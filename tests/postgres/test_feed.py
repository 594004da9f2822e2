"""The feed's rule (DESIGN section 5): nothing missed, nothing read again, in whatever order others commit."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from omegacell.cellstate.postgres import PostgresStore
from tests.contract.scene import machine_spec, worker_spec


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(database)
    yield store
    store.close()


@pytest.fixture
def machines(store: PostgresStore) -> tuple[int, ...]:
    lease = store.register_worker(worker_spec("w"), lease_seconds=600)
    specs = [machine_spec(f"m{number}") for number in range(8)]
    return tuple(one.machine_id for one in store.register_machines(lease.holder_id, lease.token, specs))


def touch(connection: psycopg.Connection[Any], *machine_ids: int) -> None:
    """Change machines and log it, as every stored function does; the caller's transaction decides when it shows."""
    connection.execute("SET LOCAL search_path = omega")
    connection.execute(
        "UPDATE machine SET version = version + 1 WHERE machine_id = ANY (%s)", (list(machine_ids),)
    )
    connection.execute("SELECT log_machines('report', %s)", (list(machine_ids),))


def changed(store: PostgresStore, watermark: Any) -> tuple[list[int], int, Any]:
    changes = store.sync(watermark)
    assert not changes.full
    return changes.rows.machine_id.tolist(), changes.log_rows, changes.watermark


def test_commits_out_of_sequence_order_beside_a_long_foreign_transaction(
    store: PostgresStore, database: str, machines: tuple[int, ...]
) -> None:
    with (
        psycopg.connect(database, autocommit=True) as foreign,
        psycopg.connect(database, autocommit=True) as early,
        psycopg.connect(database, autocommit=True) as late,
    ):
        foreign.execute("BEGIN")
        foreign.execute("SELECT pg_current_xact_id()")  # holds the horizon, and touches nothing of ours
        watermark = store.sync(None).watermark

        early.execute("BEGIN")
        touch(early, machines[0])  # the lower sequence number and transaction id ...
        late.execute("BEGIN")
        touch(late, machines[1])
        late.execute("COMMIT")
        seen, rows, watermark = changed(store, watermark)
        assert (seen, rows) == ([machines[1]], 1)

        early.execute("COMMIT")  # ... commits last, and is not missed
        seen, rows, watermark = changed(store, watermark)
        assert (seen, rows) == ([machines[0]], 1)

        for machine in machines[2:]:
            late.execute("BEGIN")
            touch(late, machine)
            late.execute("COMMIT")
        seen, rows, watermark = changed(store, watermark)
        assert (seen, rows) == (list(machines[2:]), 6)

        # The foreign transaction is still open: the plain xmin rule would read all of it again.
        assert changed(store, watermark)[:2] == ([], 0)
        foreign.execute("COMMIT")
        assert changed(store, watermark)[:2] == ([], 0)


def test_a_change_rolled_back_is_never_seen(
    store: PostgresStore, database: str, machines: tuple[int, ...]
) -> None:
    watermark = store.sync(None).watermark
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("BEGIN")
        touch(other, machines[0])
        seen, rows, watermark = changed(store, watermark)
        assert (seen, rows) == ([], 0)
        other.execute("ROLLBACK")
    assert changed(store, watermark)[:2] == ([], 0)


def test_another_generation_means_a_full_load(
    store: PostgresStore, database: str, machines: tuple[int, ...]
) -> None:
    watermark = store.sync(None).watermark
    with psycopg.connect(database, autocommit=True) as restore:
        restore.execute("UPDATE omega.cell SET generation = generation + 1")
    changes = store.sync(watermark)
    assert changes.full
    assert changes.rows.machine_id.tolist() == list(machines)


def test_a_registration_brings_its_facts(store: PostgresStore, machines: tuple[int, ...]) -> None:
    watermark = store.sync(None).watermark
    lease = store.register_worker(worker_spec("other"), lease_seconds=600)
    store.register_machines(lease.holder_id, lease.token, [machine_spec("new", zone="z")])
    changes = store.sync(watermark)
    assert [(fact.name, dict(fact.attributes)) for fact in changes.facts] == [("new", {"zone": "z"})]


def test_a_reader_whose_link_broke_loads_everything(
    store: PostgresStore, database: str, machines: tuple[int, ...]
) -> None:
    # A crashed server gives the transaction ids that it forgot to others: a watermark from before passes over them.
    watermark = store.sync(None).watermark
    with psycopg.connect(database, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'omegacell' AND datname = current_database()"
        )
    store.machines()
    changes = store.sync(watermark)
    assert changes.full
    assert changes.rows.machine_id.tolist() == list(machines)
    assert changed(store, changes.watermark)[:2] == ([], 0)


def test_a_closed_store_leaves_nothing_in_memory(database: str) -> None:
    store = PostgresStore(database)
    store.jobs()
    left = weakref.ref(store._connections)
    store.close()
    del store
    gc.collect()
    assert left() is None
