"""Events on PostgreSQL: none is missed, none told twice, in whatever order transactions commit."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from omegacell.cellstate.model import Watermark
from omegacell.cellstate.postgres import PostgresStore
from tests.contract.scene import submission


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(database)
    yield store
    store.close()


def told(store: PostgresStore, watermark: Watermark) -> tuple[list[int], Watermark]:
    """The jobs that events speak of, and the next watermark."""
    events = store.events(watermark)
    return [event.job_id for event in events.events], events.watermark


def test_a_submission_that_commits_late_is_told_once_beside_a_long_foreign_transaction(
    store: PostgresStore, database: str
) -> None:
    with (
        psycopg.connect(database, autocommit=True) as foreign,
        psycopg.connect(database) as early,
        psycopg.connect(database) as undone,
    ):
        foreign.execute("BEGIN")
        foreign.execute("SELECT pg_current_xact_id()")  # holds the horizon, and touches nothing of ours
        watermark = store.events(None).watermark
        (slow,) = store.submit([submission(name="slow")], connection=early)
        store.submit([submission(name="undone")], connection=undone)
        (fast,) = store.submit([submission(name="fast")])
        assert slow.job_id < fast.job_id
        seen, watermark = told(store, watermark)
        assert seen == [fast.job_id]

        early.commit()
        undone.rollback()
        seen, watermark = told(store, watermark)
        assert seen == [slow.job_id]
        assert told(store, watermark)[0] == []


def test_a_reader_from_the_time_of_the_submission_is_told_of_its_late_commit(
    store: PostgresStore, database: str
) -> None:
    with psycopg.connect(database) as early:
        (slow,) = store.submit([submission()], connection=early)
        watermark = store.events(None).watermark  # while it is on its way
        early.commit()
    assert told(store, watermark)[0] == [slow.job_id]


def test_a_reader_from_before_a_crash_is_told_what_the_server_logged_since(store: PostgresStore) -> None:
    # A server that crashed gives the transaction ids that it forgot to others, which are behind this snapshot.
    now = store.events(None).watermark
    snapshot, _, up_since = now.snapshot.rpartition("@")
    ahead = int(snapshot.split(":")[1]) + 1_000_000
    before = Watermark(generation=now.generation, snapshot=f"{ahead}:{ahead}:@{float(up_since) - 60.0}")
    (job,) = store.submit([submission()])
    seen, watermark = told(store, before)
    assert seen == [job.job_id]
    assert told(store, watermark)[0] == []


def test_a_reader_from_before_a_restore_is_told_all_that_the_new_log_holds(
    store: PostgresStore, database: str
) -> None:
    watermark = store.events(None).watermark
    ahead = Watermark(
        generation=watermark.generation, snapshot="9999999:9999999:@" + watermark.snapshot.split("@")[1]
    )
    (job,) = store.submit([submission()])
    with psycopg.connect(database, autocommit=True) as restore:
        restore.execute("UPDATE omega.cell SET generation = generation + 1")
    seen, watermark = told(store, ahead)
    assert seen == [job.job_id]
    assert told(store, watermark)[0] == []
