"""What only a server can get wrong about the front door: purges beside open transactions, lost answers, crashes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import AttemptState, JobState, Watermark
from omegacell.cellstate.postgres import PostgresStore, calls
from tests.contract.scene import Scene, machine_spec, submission


@pytest.fixture
def store(database: str, clock: ManualClock) -> Iterator[PostgresStore]:
    store = PostgresStore(database, clock=clock)
    yield store
    assert store.check() == ()
    store.close()


@pytest.fixture
def scene(store: PostgresStore, clock: ManualClock) -> Scene:
    return Scene(store, clock)


def test_a_parent_purged_while_its_child_was_on_its_way_blocks_it_no_more(
    scene: Scene, database: str
) -> None:
    # No purge sees that somebody waits for what it forgets, while that is in a transaction of the caller's own.
    gone = scene.submit()
    scene.store.cancel(gone)
    with psycopg.connect(database) as own:
        wants_success, wants_end = scene.store.submit(
            [submission(after=(gone,)), submission(after_any=(gone,))], connection=own
        )
        running = scene.submit()
        any_end = scene.store.submit([submission(after_any=(running,))], connection=own)[0]
        scene.store.cancel(running)
        scene.clock.advance(10.0)
        assert scene.store.purge(older_than_seconds=1.0).jobs == 2
    scene.store.reap()
    children = [wants_success.job_id, wants_end.job_id, any_end.job_id]
    assert scene.states(*children) == [JobState.CANCELLED, JobState.PENDING, JobState.PENDING]
    assert scene.job(children[0]).reason == f"j{gone}, which it comes after, was purged"


def test_all_are_let_go_that_wait_however_many_parents_one_of_them_has(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_JOBS_AT_ONCE", 2)
    parents = [one.job_id for one in scene.store.submit([submission(tasks=1) for _ in range(4)])]
    children = [scene.submit(after=tuple(parents)), *(scene.submit(after=(parent,)) for parent in parents)]
    scheduler, worker = scene.scheduler(), scene.worker()
    machine = worker.machine()
    scheduler.claim()
    scheduler.commit(*((parent, machine, 1) for parent in parents))
    worker.end(*(one for parent in parents for one in scene.store.placements(parent)))
    assert set(scene.states(*children)) == {JobState.PENDING}


def test_running_again_is_asked_for_once_however_often_it_is_sent(scene: Scene, store: PostgresStore) -> None:
    # As after an answer that was lost: the first one was heard, and the job is pending by now.
    job_id = scene.submit()
    scheduler, worker = scene.scheduler(), scene.worker()
    scheduler.place(job_id, worker.bring(machine_spec("m"))[0].machine_id)
    worker.end_job(job_id, AttemptState.FAILED)
    request = uuid4()
    for _ in range(2):
        store._connections.call("retry_failed", job_id, request)
    assert [one.attempt for one in scene.store.retries(job_id)] == [2]


def test_a_reader_of_ends_from_before_a_crash_misses_none_since_and_hears_none_twice(scene: Scene) -> None:
    # A server that crashed gives the transaction ids that it forgot to others, which are behind this snapshot.
    job_id = scene.open_job([b"."] * 4)
    now = scene.store.ended(job_id, None).watermark
    snapshot, _, up_since = now.snapshot.rpartition("@")
    ahead = int(snapshot.split(":")[1]) + 1_000_000
    before = Watermark(generation=now.generation, snapshot=f"{ahead}:{ahead}:@{float(up_since) - 60.0}")
    scene.store.cancel_tasks(job_id, [(1, 2)])
    since = scene.store.ended(job_id, before)
    assert [one.task_index for one in since.outcomes] == [1, 2]
    assert scene.store.ended(job_id, since.watermark).outcomes == ()


def test_a_new_day_does_not_let_everybody_wait_for_a_submission_on_its_way(
    scene: Scene, database: str
) -> None:
    # It holds the log; who waits to give the log another partition lets all wait that write there.
    with psycopg.connect(database) as own:
        scene.store.submit([submission()], connection=own)
        scene.clock.advance(86_400.0)
        began = time.monotonic()
        scene.store.reap()
        assert time.monotonic() - began < 0.4
