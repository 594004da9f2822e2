"""Lock order, jobs before machines before what is theirs before a scheduler's row: what deadlocked once, forced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import CommitMode, Submitted
from tests.contract.scene import Scene, submission
from tests.faults.rivals import Arena, Rival, race
from tests.processes import eventually

ROUNDS = 30


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@contextmanager
def held(database: str, table: str, value: int) -> Iterator[None]:
    """Somebody's transaction that holds one row locked."""
    with psycopg.connect(database) as connection:
        connection.execute(f"SELECT FROM omega.{table} WHERE {table}_id = %s FOR UPDATE".encode(), (value,))
        yield
        connection.rollback()


def waits(database: str) -> int:
    """How many sessions of this database wait for a lock."""
    with psycopg.connect(database, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchall()
        return int(rows[0][0])


def waiting(database: str, count: int) -> None:
    """Wait until so many sessions of this database wait for a lock."""
    eventually(lambda: waits(database) == count, what=f"{count} sessions wait for a lock")


def test_cancelling_a_gang_beside_a_reservation_in_place_of_its_own_that_ended(
    scene: Scene, database: str, clock: ManualClock, threads: ThreadPoolExecutor
) -> None:
    worker, scheduler = scene.worker(lease_seconds=600.0), scene.scheduler(lease_seconds=600.0)
    low, high = worker.machine("m1"), worker.machine("m2")
    gangs = [scene.submit(tasks=9, commit=CommitMode.GANG, gang_min=2) for _ in range(2)]
    scheduler.claim()
    scheduler.commit((gangs[0], low, 1), (gangs[0], high, 1))
    assert scheduler.reserve(gangs[0], high, seconds=1.0) == 1
    clock.advance(2.0)
    with held(database, "machine", low):
        cancelled = threads.submit(scene.store.cancel, gangs[0])
        waiting(database, 1)
        reserved = threads.submit(scheduler.reserve, gangs[1], high)
        eventually(lambda: reserved.done() or waits(database) == 2, what="the reservation is made, or waits")
    assert cancelled.result(timeout=30).cancel_requested
    assert reserved.result(timeout=30) == 1
    assert [one.job_id for one in scene.store.reservations()] == [gangs[1]]


def test_reaping_a_scheduler_that_still_claims_and_commits(
    scene: Scene, database: str, clock: ManualClock, threads: ThreadPoolExecutor
) -> None:
    worker, scheduler = scene.worker(lease_seconds=600.0), scene.scheduler()
    machine = worker.machine()
    early, late = scene.submit(), scene.submit()
    scheduler.claim(limit=1)
    clock.advance(60.0)
    with held(database, "scheduler", scheduler.lease.holder_id):
        reaped = threads.submit(scene.store.reap)
        waiting(database, 1)
        scheduler.claim(limit=2)
        committed = threads.submit(scheduler.commit, (late, machine, 1))
        waiting(database, 2)
    reaped.result(timeout=30)
    assert committed.result(timeout=30).accepted.tolist() == [1]  # it was under way when the lease was taken
    scene.store.reap()
    assert scene.scheduler("other").claim_ids() == [early]


def submits(rival: Rival, keys: Sequence[str], rounds: int) -> list[tuple[Submitted, ...]]:
    """Submit a job of each key in one call, in an order of its own, new keys a round."""
    found = []
    for number in range(rounds):
        order = list(keys)
        rival.rng.shuffle(order)
        jobs = {key: submission(key=f"{key}-{number}") for key in order}
        rival.together()
        told = dict(zip(order, rival.store.submit(list(jobs.values())), strict=True))
        found.append(tuple(told[key] for key in keys))
    return found


def test_the_same_keys_submitted_in_another_order(scene: Scene, arena: Arena) -> None:
    submitter = partial(submits, keys="abcdefgh", rounds=ROUNDS)
    first, second = race(arena, submitter, submitter)
    for one, other in zip(first, second, strict=True):
        assert [told.job_id for told in one] == [told.job_id for told in other]
        assert all(mine.created != theirs.created for mine, theirs in zip(one, other, strict=True))
    assert len(scene.store.jobs(limit=1000)) == 8 * ROUNDS
