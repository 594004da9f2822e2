"""Submitting inside the caller's own transaction, which only PostgreSQL can offer."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import JobState
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


def test_a_parent_that_ends_before_the_callers_commit_is_noticed_by_the_next_reap(
    scene: Scene, database: str
) -> None:
    parent = scene.submit()
    with psycopg.connect(database) as connection:
        family = [submission(after=(parent,)), submission(after_any=(parent,)), submission(earlier=(0,))]
        job_ids = [one.job_id for one in scene.store.submit(family, connection=connection)]
        scene.store.cancel(parent)
        connection.commit()
    scene.store.reap()
    assert scene.states(*job_ids) == [JobState.CANCELLED, JobState.PENDING, JobState.CANCELLED]


def test_jobs_of_the_callers_that_come_after_each_other_are_settled_at_once_after_the_commit(
    scene: Scene, database: str
) -> None:
    with psycopg.connect(database) as connection:
        family = [submission(), submission(earlier=(0,)), submission(tasks=0, open=True, earlier_any=(1,))]
        first, second, third = (one.job_id for one in scene.store.submit(family, connection=connection))
        connection.commit()
    assert scene.states(first, second, third) == [JobState.PENDING, JobState.BLOCKED, JobState.BLOCKED]
    scene.store.cancel(first)
    assert scene.states(second, third) == [JobState.CANCELLED, JobState.PENDING]


def test_a_parent_may_be_of_the_callers_transaction(scene: Scene, database: str) -> None:
    with psycopg.connect(database) as connection:
        (parent,) = scene.store.submit([submission()], connection=connection)
        (child,) = scene.store.submit([submission(after=(parent.job_id,))], connection=connection)
        connection.commit()
    assert scene.states(child.job_id) == [JobState.BLOCKED]


def test_of_jobs_that_are_gone_with_the_callers_transaction_nobody_waits(scene: Scene, database: str) -> None:
    parent = scene.submit()
    with psycopg.connect(database) as connection:
        scene.store.submit([submission(after=(parent,))], connection=connection)
        connection.rollback()
    scene.store.cancel(parent)
    assert [job.job_id for job in scene.store.jobs()] == [parent]
