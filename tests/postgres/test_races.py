"""Two at once: the order is forced with locks, never hoped for. Each test ends with the invariants."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.errors import KeyConflict
from omegacell.cellstate.model import AttemptState, JobState, Reason, Verdict
from omegacell.cellstate.postgres import PostgresStore
from tests.contract.scene import Scene, machine_spec, submission, transaction
from tests.processes import eventually


@pytest.fixture
def store(database: str, clock: ManualClock) -> Iterator[PostgresStore]:
    store = PostgresStore(database, clock=clock)
    yield store
    assert store.check() == ()
    store.close()


@pytest.fixture
def scene(store: PostgresStore, clock: ManualClock) -> Scene:
    return Scene(store, clock)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@contextmanager
def held(database: str, table: str, column: str, value: int) -> Iterator[None]:
    """Somebody's transaction that holds one row locked."""
    with psycopg.connect(database) as connection:
        connection.execute(f"SELECT FROM omega.{table} WHERE {column} = %s FOR UPDATE".encode(), (value,))
        yield
        connection.rollback()


def waiting(database: str, count: int) -> None:
    """Wait until `count` sessions of this database wait for a lock."""

    def are_waiting() -> bool:
        with psycopg.connect(database, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchall()
            return bool(rows[0][0] == count)

    eventually(are_waiting, what=f"{count} sessions wait for a lock")


def answers(*futures: Future[Any]) -> list[Any]:
    return [future.result(timeout=30) for future in futures]


def test_a_commit_sent_again_while_the_first_still_runs_is_applied_once_and_answered_alike(
    scene: Scene, database: str, threads: ThreadPoolExecutor
) -> None:
    machine = scene.worker().machine(cpu=4000)
    scheduler = scene.scheduler()
    job = scene.submit(tasks=3)
    scheduler.claim()
    sent = transaction(scheduler.lease, [(job, machine, 3, 1)])
    with held(database, "machine", "machine_id", machine):
        first: Future[Verdict] = threads.submit(scene.store.commit, sent)
        waiting(database, 1)
        second: Future[Verdict] = threads.submit(scene.store.commit, sent)
        waiting(database, 2)
    one, other = answers(first, second)
    assert one.accepted.tolist() == other.accepted.tolist() == [3]
    assert one.first_index.tolist() == other.first_index.tolist() == [0]
    assert len(scene.store.placements(job)) == 3


def test_two_schedulers_and_one_last_place_give_one_winner_and_one_clean_conflict(
    scene: Scene, database: str, threads: ThreadPoolExecutor
) -> None:
    machine = scene.worker().machine(cpu=1000)
    rivals = [scene.scheduler("s1"), scene.scheduler("s2")]
    jobs = [scene.submit(), scene.submit()]
    for rival, job in zip(rivals, jobs, strict=True):
        assert rival.claim_ids(limit=1) == [job]
    transactions = [
        transaction(rival.lease, [(job, machine, 1, 1)]) for rival, job in zip(rivals, jobs, strict=True)
    ]
    with held(database, "machine", "machine_id", machine):
        sent = [threads.submit(scene.store.commit, one) for one in transactions]
        waiting(database, 2)
    verdicts = answers(*sent)
    assert sorted(verdict.accepted.tolist() for verdict in verdicts) == [[0], [1]]
    winner = next(index for index, verdict in enumerate(verdicts) if verdict.accepted[0])
    refused = verdicts[1 - winner]
    assert refused.reason.tolist() == [Reason.CPU]
    assert refused.free.tolist() == [0]
    assert refused.rival_txn == (transactions[winner].txn_id,)
    assert refused.rival_scheduler.tolist() == [rivals[winner].lease.holder_id]
    assert refused.rows.used.tolist() == [[1000, 0, 0]]


def test_a_cancellation_that_wins_the_race_leaves_nothing_to_commit(
    scene: Scene, database: str, threads: ThreadPoolExecutor
) -> None:
    machine = scene.worker().machine()
    scheduler = scene.scheduler()
    job = scene.submit(tasks=2)
    scheduler.claim()
    sent = transaction(scheduler.lease, [(job, machine, 2, 1)])
    with held(database, "job_state", "job_id", job):
        cancelled = threads.submit(scene.store.cancel, job)
        waiting(database, 1)
        committed = threads.submit(scene.store.commit, sent)
        waiting(database, 2)
    _, verdict = answers(cancelled, committed)
    assert verdict.reason.tolist() == [Reason.JOB_NOT_CLAIMED]
    assert scene.job(job).state is JobState.CANCELLED


def test_a_commit_that_wins_the_race_is_stopped_by_the_cancellation(
    scene: Scene, database: str, threads: ThreadPoolExecutor
) -> None:
    machine = scene.worker().machine()
    scheduler = scene.scheduler()
    job = scene.submit(tasks=2)
    scheduler.claim()
    sent = transaction(scheduler.lease, [(job, machine, 2, 1)])
    with held(database, "job_state", "job_id", job):
        committed = threads.submit(scene.store.commit, sent)
        waiting(database, 1)
        cancelled = threads.submit(scene.store.cancel, job)
        waiting(database, 2)
    verdict, status = answers(committed, cancelled)
    assert verdict.accepted.tolist() == [2]
    assert status.placed == 2
    assert [placement.stop for placement in scene.store.placements(job)] == ["cancel", "cancel"]


def test_a_report_that_comes_while_its_machine_is_reaped_is_refused(
    scene: Scene, database: str, clock: ManualClock, threads: ThreadPoolExecutor
) -> None:
    worker = scene.worker()
    machine = worker.machine()
    job = scene.submit(retries=1)
    (placement,) = scene.scheduler().place(job, machine)
    clock.advance(60)
    with held(database, "placement", "job_id", job):
        reaped = threads.submit(scene.store.reap)
        waiting(database, 1)
        ended = threads.submit(worker.end, placement)
        waiting(database, 2)
    assert answers(reaped, ended) == [1, (False,)]
    assert [outcome.state for outcome in scene.outcomes(job)] == ["lost"]


def test_two_folds_of_one_job_count_each_report_once(
    scene: Scene, database: str, threads: ThreadPoolExecutor
) -> None:
    worker = scene.worker()
    machine = worker.machine()
    job = scene.submit(tasks=4)
    placements = scene.scheduler().place(job, machine, 4)
    with held(database, "job_state", "job_id", job):
        sent = [threads.submit(worker.end, placement) for placement in placements]
        waiting(database, 4)
    answers(*sent)
    assert (scene.job(job).succeeded, scene.job(job).state) == (4, JobState.SUCCEEDED)


_RANGES_READ = "    SELECT array_agg(x.upto - x.due + 1"


@contextmanager
def held_between_two_statements(database: str) -> Iterator[None]:
    """Every commit stops right after it has read the ranges that are due, until this context ends."""
    with psycopg.connect(database, autocommit=True, options="-csearch_path=omega") as connection:
        (row,) = connection.execute("SELECT pg_get_functiondef('place_claims'::regproc)").fetchall()
        assert row[0].count(_RANGES_READ) == 1
        stop = f"    PERFORM pg_advisory_xact_lock_shared(1);\n{_RANGES_READ}"
        connection.execute(row[0].replace(_RANGES_READ, stop).encode())
        connection.execute("SELECT pg_advisory_lock(1)")
        yield
        connection.execute("SELECT pg_advisory_unlock(1)")


def test_a_range_reported_while_a_commit_numbers_its_slots_is_left_for_the_next(
    scene: Scene, database: str, threads: ThreadPoolExecutor
) -> None:
    worker, scheduler = scene.worker(), scene.scheduler()
    machine, other = (one.machine_id for one in worker.bring(machine_spec("m"), machine_spec("other")))
    jobs = [scene.submit(tasks=3, retries=1, backoff_seconds=0.0) for _ in range(2)]
    scheduler.claim()
    scheduler.commit(*[(job, place, 1) for job in jobs for place in (machine, other)])
    (again, failing), (waits, _) = (scene.store.placements(job) for job in jobs)
    worker.end(again, waits, state=AttemptState.FAILED)
    scheduler.claim()
    with held_between_two_statements(database):
        committed = threads.submit(scheduler.commit, *[(job, machine, 1) for job in jobs])
        waiting(database, 1)
        failed = threads.submit(worker.end, failing, state=AttemptState.FAILED)
        eventually(lambda: len(scene.store.retries(jobs[0])) == 2, what="the second range is there")
    verdict, _ = answers(committed, failed)
    assert verdict.first_index.tolist() == [0, 0]
    assert [one.first_index for one in scene.store.retries(jobs[0])] == [failing.first_index]
    assert scene.store.retries(jobs[1]) == ()


def test_one_key_submitted_by_two_at_once_makes_one_job(
    store: PostgresStore, threads: ThreadPoolExecutor
) -> None:
    sent = [threads.submit(store.submit, [submission(key="nightly")]) for _ in range(4)]
    found = [answer[0] for answer in answers(*sent)]
    assert len({one.job_id for one in found}) == 1
    assert sum(one.created for one in found) == 1


def test_a_submission_rolled_back_with_the_callers_transaction_leaves_nothing(
    store: PostgresStore, database: str
) -> None:
    with psycopg.connect(database) as connection:
        (told,) = store.submit([submission(key="order-7", inputs=(b"x",))], connection=connection)
        assert told.created
        connection.rollback()
    assert store.jobs() == ()
    with psycopg.connect(database) as connection:
        (told,) = store.submit([submission(key="order-7", inputs=(b"x",))], connection=connection)
        connection.commit()
    assert [job.job_id for job in store.jobs()] == [told.job_id]
    assert store.inputs(told.job_id, 0, 1) == (b"x",)


def test_a_key_conflict_names_the_fields_and_stores_nothing(store: PostgresStore) -> None:
    store.submit([submission(key="nightly", priority=5)])
    with pytest.raises(KeyConflict, match="priority, retries differ") as caught:
        store.submit([submission(), submission(key="nightly", priority=6, retries=2, submission_id=uuid4())])
    assert caught.value.fields == ("priority", "retries")
    assert len(store.jobs()) == 1


@contextmanager
def locked_table(database: str, table: str) -> Iterator[None]:
    """Somebody's transaction that holds a whole table."""
    with psycopg.connect(database) as connection:
        connection.execute(f"LOCK TABLE omega.{table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


def test_what_was_claimed_while_its_scheduler_was_reaped_is_given_back(
    scene: Scene, database: str, clock: ManualClock, threads: ThreadPoolExecutor
) -> None:
    scheduler = scene.scheduler()
    job = scene.submit()
    with locked_table(database, "job_queue"):
        claimed = threads.submit(scheduler.claim_ids)
        waiting(database, 1)
        clock.advance(60)
        assert scene.store.reap() == 0
    answers(claimed)
    assert scene.job(job).claimed_by == scheduler.lease.holder_id
    scene.store.reap()
    assert scene.scheduler("other").claim_ids() == [job]


class Died(Exception):
    """The process ended here."""


@contextmanager
def dying_before_the_fold(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def die(_jobs: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(store, "_fold", die)
        with contextlib.suppress(Died):
            yield


def test_a_reporter_that_dies_before_its_fold_leaves_it_to_the_next_reap(
    scene: Scene, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, scheduler = scene.worker(), scene.scheduler()
    ending, failing = scene.submit(), scene.submit(retries=1, backoff_seconds=0.0)
    machine = worker.machine()
    for job in (ending, failing):
        scheduler.place(job, machine)
    with dying_before_the_fold(store, monkeypatch):
        worker.end_job(ending)
    with dying_before_the_fold(store, monkeypatch):
        worker.end_job(failing, AttemptState.FAILED)
    assert scene.job(ending).state is JobState.RUNNING
    store.reap()
    assert scene.job(ending).state is JobState.SUCCEEDED
    assert scheduler.claim_ids() == [failing]


def test_a_job_that_ends_while_it_is_checked_breaks_no_invariant(
    scene: Scene, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = scene.worker()
    job = scene.submit()
    scene.scheduler().place(job, worker.machine())
    connections = store._connections
    call = connections.call

    def reporting_behind_the_fold(function: str, *arguments: Any) -> Any:
        answer = call(function, *arguments)
        if function == "fold_jobs":
            with dying_before_the_fold(store, monkeypatch):
                worker.end_job(job)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(connections, "call", reporting_behind_the_fold)
        assert store.check() == ()
    assert scene.job(job).state is JobState.RUNNING


def test_a_report_sent_again_makes_up_for_a_fold_that_was_not_made(
    scene: Scene, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = scene.worker()
    job = scene.submit()
    (placement,) = scene.scheduler().place(job, worker.machine())
    with dying_before_the_fold(store, monkeypatch):
        worker.end(placement)
    assert worker.end(placement) == (False,)
    assert scene.job(job).state is JobState.SUCCEEDED
