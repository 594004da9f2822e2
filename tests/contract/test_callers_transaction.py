"""Submitting inside the caller's own transaction, which only PostgreSQL can offer."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.postgres import PostgresStore
from tests.contract.scene import Scene, submission


@pytest.fixture
def scene(database: str, clock: ManualClock) -> Iterator[Scene]:
    """An empty cell in PostgreSQL."""
    store = PostgresStore(database, clock=clock)
    yield Scene(store, clock)
    store.close()


def test_a_job_exists_when_the_callers_transaction_commits(scene: Scene, database: str) -> None:
    scheduler = scene.scheduler(lease_seconds=600)
    with psycopg.connect(database) as connection:
        (submitted,) = scene.store.submit([submission()], connection=connection)
        assert submitted.created
        assert scheduler.claim_ids() == []
        connection.commit()
    scene.clock.advance(60)  # the caller's connection goes by the server's own time
    assert scheduler.claim_ids() == [submitted.job_id]


def test_a_job_is_gone_with_the_callers_transaction(scene: Scene, database: str) -> None:
    with psycopg.connect(database) as connection:
        scene.store.submit([submission()], connection=connection)
        connection.rollback()
    assert scene.store.jobs() == ()


def test_the_callers_connection_may_be_sqlalchemys(scene: Scene, database: str) -> None:
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(database))
    with engine.begin() as connection:
        (submitted,) = scene.store.submit([submission(tasks=3)], connection=connection)
    engine.dispose()
    assert scene.job(submitted.job_id).task_count == 3
