"""The daily partitions of log and outcomes: made ahead, dropped by age, and what remains true without them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from omegacell import migrations
from omegacell.cellstate import tables
from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import AttemptState, JobState
from omegacell.cellstate.postgres import PostgresStore
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.processes import eventually

DAY = 86_400.0
FOREVER = 1000 * DAY
TABLES = ("cell_log", "outcome")


@pytest.fixture(autouse=True)
def retention(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daily housekeeping keeps all that a test may look at; one test says otherwise."""
    monkeypatch.setenv("OMEGA_RETENTION", "1000d")
    monkeypatch.setenv("OMEGA_LOG_RETENTION", "1000d")


@pytest.fixture
def store(database: str, clock: ManualClock) -> Iterator[PostgresStore]:
    store = PostgresStore(database, clock=clock)
    yield store
    try:
        assert store.check() == ()
    finally:
        store.close()


@pytest.fixture
def scene(store: PostgresStore, clock: ManualClock) -> Scene:
    return Scene(store, clock)


@pytest.fixture
def worker(scene: Scene) -> WorkerHand:
    worker = scene.worker(lease_seconds=FOREVER)
    worker.machine()
    return worker


@pytest.fixture
def scheduler(scene: Scene) -> SchedulerHand:
    return scene.scheduler(lease_seconds=FOREVER)


def days(database: str, table: str) -> set[int]:
    """The days that have a partition, as day() writes them."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
            (f"omega.{table}",),
        ).fetchall()
    names = {name.rpartition("_")[2] for (name,) in rows}
    return {int(name) for name in names - {"default"}}


def day(now: float, distance: int = 0) -> int:
    """The day of a time, or one so many days away, as partitions write it: 20261123."""
    return int(f"{datetime.fromtimestamp(now, UTC) + timedelta(days=distance):%Y%m%d}")


def rows_of(database: str, table: str) -> int:
    with psycopg.connect(database) as connection:
        found = connection.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("omega", table))
        ).fetchone()
    assert found is not None
    return int(found[0])


@contextmanager
def begun(database: str, statement: str, *parameters: Any) -> Iterator[psycopg.Connection[Any]]:
    """Somebody's transaction that has executed one statement; committed at the end."""
    with psycopg.connect(database, options="-csearch_path=omega") as connection:
        connection.execute(statement.encode(), parameters)
        yield connection


def a_day_of_work(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> int:
    """A job of two tasks that ended today, one with success."""
    job = scene.submit(tasks=2)
    one, other = scheduler.place(job, 1, 2)
    worker.end(one)
    worker.end(other, state=AttemptState.FAILED)
    return job


@pytest.mark.parametrize("table", TABLES)
def test_a_new_cell_has_partitions_for_today_and_two_days_more(
    store: PostgresStore, database: str, clock: ManualClock, table: str
) -> None:
    store.reap()
    assert {day(clock.now(), distance) for distance in range(3)} <= days(database, table)


@pytest.mark.parametrize("table", TABLES)
def test_a_cell_that_lives_over_days_makes_the_next_ones(
    store: PostgresStore, database: str, clock: ManualClock, table: str
) -> None:
    made = days(database, table)
    for number in range(1, 5):
        clock.advance(DAY)
        store.reap()
        assert max(days(database, table)) == day(clock.now(), 2), number
    assert made < days(database, table)


def test_rows_of_a_day_without_a_partition_are_kept_and_found(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, clock: ManualClock, database: str
) -> None:
    clock.advance(30 * DAY)  # nobody kept house: nothing that registers or reaps came by
    job = a_day_of_work(scene, worker, scheduler)
    assert rows_of(database, "outcome_default") == 2
    assert [one.state for one in scene.outcomes(job)] == [AttemptState.SUCCEEDED, AttemptState.FAILED]
    scene.store.reap()  # today's cannot be made, as its rows are elsewhere; tomorrow's can
    assert {day(clock.now(), 1), day(clock.now(), 2)} <= days(database, "outcome")
    assert len(scene.outcomes(job)) == 2


def test_a_purge_drops_what_is_wholly_older(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, clock: ManualClock, database: str
) -> None:
    for _ in range(5):
        a_day_of_work(scene, worker, scheduler)
        clock.advance(DAY)
        scene.store.reap()
    young = day(clock.now(), -2)
    purged = scene.store.purge(older_than_seconds=2 * DAY)
    assert (purged.jobs, purged.partitions >= 2 * 3) == (3, True)
    for table in TABLES:
        assert min(days(database, table)) == young
    assert rows_of(database, "outcome") == 2 * 2
    assert scene.store.purge(older_than_seconds=2 * DAY).partitions == 0


def test_those_of_today_and_yesterday_are_always_kept(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, clock: ManualClock, database: str
) -> None:
    for _ in range(3):
        a_day_of_work(scene, worker, scheduler)
        clock.advance(DAY)
        scene.store.reap()
    clock.advance(0.25)
    assert scene.store.purge(older_than_seconds=0.0).jobs == 3
    for table in TABLES:
        assert min(days(database, table)) == day(clock.now(), -1)


def test_the_daily_housekeeping_forgets_by_the_settings(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMEGA_RETENTION", "4d")
    monkeypatch.setenv("OMEGA_LOG_RETENTION", "2d")
    keeper = PostgresStore(database, clock=scene.clock)
    jobs = []
    for _ in range(7):
        jobs.append(a_day_of_work(scene, worker, scheduler))
        scene.clock.advance(DAY)
        keeper.reap()
    keeper.close()
    assert min(days(database, "outcome")) == day(scene.clock.now(), -4)
    assert min(days(database, "cell_log")) == day(scene.clock.now(), -2)
    assert [job.job_id for job in scene.store.jobs()] == jobs[:2:-1]


def test_what_a_job_that_goes_on_has_lost_of_its_outcomes_stays_counted(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, clock: ManualClock
) -> None:
    long = scene.submit(tasks=6, cpu=500)
    for _ in range(2):
        one, other = scheduler.place(long, 1, 2)
        worker.end(one)
        worker.end(other, state=AttemptState.FAILED)
        clock.advance(2 * DAY)
        scene.store.reap()
        assert scene.store.purge(older_than_seconds=DAY).jobs == 0
        assert scene.store.check() == ()
    status = scene.job(long)
    assert (status.state, status.succeeded, status.failed) == (JobState.RUNNING, 2, 2)
    assert scene.outcomes(long) == ()  # dropped
    one, other = scheduler.place(long, 1, 2)
    worker.end(one, other)
    status = scene.job(long)
    assert (status.state, status.succeeded, status.failed) == (JobState.FAILED, 4, 2)
    assert [outcome.task_index for outcome in scene.outcomes(long)] == [4, 5]


def test_attempts_that_were_not_final_are_not_counted_when_they_are_dropped(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, clock: ManualClock
) -> None:
    job = scene.submit(retries=3, backoff_seconds=0.0)
    worker.end(*scheduler.place(job, 1), state=AttemptState.FAILED)
    clock.advance(3 * DAY)
    scene.store.purge(older_than_seconds=DAY)
    worker.end(*scheduler.place(job, 1))
    assert scene.job(job).state is JobState.SUCCEEDED
    assert [one.attempt for one in scene.outcomes(job)] == [2]


def test_results_of_purged_jobs_are_not_found(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, clock: ManualClock
) -> None:
    job = a_day_of_work(scene, worker, scheduler)
    clock.advance(3 * DAY)
    scene.store.purge(older_than_seconds=DAY)
    for ask in (
        scene.store.job,
        scene.outcomes,
        scene.store.placements,
        scene.store.retries,
        scene.store.preemptions,
    ):
        with pytest.raises(NotFound, match=f"job j{job} does not exist"):
            ask(job)


def test_outcomes_of_a_purged_job_that_are_still_there_trouble_nobody(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, clock: ManualClock, database: str
) -> None:
    a_day_of_work(scene, worker, scheduler)
    clock.advance(60.0)
    assert scene.store.purge(older_than_seconds=1.0).jobs == 1
    assert rows_of(database, "outcome") == 2
    assert scene.store.check() == ()
    clock.advance(3 * DAY)
    assert scene.store.purge(older_than_seconds=DAY).partitions >= 2
    assert rows_of(database, "outcome") == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_somebody_holds_is_left_for_the_next_purge(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, database: str, table: str
) -> None:
    a_day_of_work(scene, worker, scheduler)
    scene.clock.advance(3 * DAY)
    scene.store.reap()
    old = min(days(database, table))
    with begun(database, f"SELECT count(*) FROM {table}_{old}"):
        scene.store.purge(older_than_seconds=DAY)
        assert min(days(database, table)) == old
        assert scene.store.check() == ()
        scene.submit()  # and the cell goes on
    scene.store.purge(older_than_seconds=DAY)
    assert min(days(database, table)) > old


def test_a_reader_behind_what_the_log_lost_loads_everything(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, clock: ManualClock
) -> None:
    behind = scene.store.sync(None).watermark
    a_day_of_work(scene, worker, scheduler)
    level = scene.store.sync(None).watermark
    clock.advance(3 * DAY)
    scene.store.purge(older_than_seconds=DAY)
    changes = scene.store.sync(behind)
    assert changes.full
    assert changes.rows.version.tolist() == [scene.machine(1).version]
    assert not scene.store.sync(level).full
    assert not scene.store.sync(changes.watermark).full


def test_a_reader_that_comes_while_the_log_is_dropped_misses_nothing(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, clock: ManualClock, database: str
) -> None:
    behind = scene.store.sync(None).watermark
    a_day_of_work(scene, worker, scheduler)
    clock.advance(3 * DAY)
    now = datetime.fromtimestamp(clock.now(), UTC).isoformat()
    with (
        ThreadPoolExecutor(1) as threads,
        begun(database, "SELECT set_config('omega.now', %s, false)", now) as purger,
    ):
        old = f"cell_log_{min(days(database, 'cell_log'))}"
        dropped = purger.execute("SELECT drop_partition('cell_log', %s)", (old,)).fetchone()
        assert dropped == (True,)
        waiting = threads.submit(scene.store.sync, behind)
        eventually(lambda: lock_waits(database) == 1, what="the reader waits for the log")
        purger.commit()
        changes = waiting.result(timeout=30)
    assert changes.full
    assert changes.rows.version.tolist() == [scene.machine(1).version]


def lock_waits(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    assert found is not None
    return int(found[0])


def test_storage_settings_are_those_of_the_tables(database: str) -> None:
    with psycopg.connect(database) as connection:
        found: dict[str, dict[str, float]] = {
            name: {key: float(value) for key, value in (option.split("=") for option in options or ())}
            for name, options in connection.execute(
                "SELECT c.relname, c.reloptions FROM pg_class c WHERE c.relnamespace = 'omega'::regnamespace "
                "AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            ).fetchall()
        }
    wanted = {
        name: {
            key: float(value) for key, value in (table.dialect_options["postgresql"]["with"] or {}).items()
        }
        for name, table in tables.metadata.tables.items()
    }
    assert {name: found[name] for name in wanted} == wanted
    for short_lived in ("job_queue", "job_delta", "retry", "placement"):
        assert wanted[short_lived]["autovacuum_vacuum_scale_factor"] <= 0.1
    for updated_in_place in ("machine", "job_state", "device", "machine_custom", "scheduler", "worker"):
        assert wanted[updated_in_place]["fillfactor"] == 50


def test_a_cell_with_data_goes_down_to_the_first_version_and_up_again(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, database: str
) -> None:
    ended = a_day_of_work(scene, worker, scheduler)
    waiting, kept = scene.submit(tasks=3, preemptible=False), scene.submit(tasks=2)
    scheduler.place(kept, 1)
    watermark = scene.store.sync(None).watermark
    before = [scene.store.jobs(), scene.store.machines(), scene.store.placements(kept), scene.outcomes(ended)]
    migrations.downgrade(database, revision="0001")
    migrations.upgrade(database)
    store = PostgresStore(database, clock=scene.clock)
    try:
        assert [store.jobs(), store.machines(), store.placements(kept), store.outcomes(ended)] == before
        assert store.check() == ()
        assert not store.sync(watermark).full
        again = Scene(store, scene.clock)
        hand, agent = SchedulerHand(again, scheduler.lease), WorkerHand(again, worker.lease)
        assert hand.claim_ids() == [waiting, kept]
        hand.commit((waiting, 1, 3))
        assert store.preemptible(np.array([1]), below=1000).job_id.tolist() == [
            kept
        ]  # it still says that it is not
        agent.end_job(waiting)
        assert again.job(waiting).state is JobState.SUCCEEDED
    finally:
        store.close()
