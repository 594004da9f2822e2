"""The live driver: leases, outages, waking, stopping."""

from __future__ import annotations

import queue
import threading

import numpy as np
import pytest

from omegacell.cellstate.clock import boottime
from omegacell.cellstate.errors import PolicyError, StoreUnavailable
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.loop import Loop
from tests.unit.schedulers.builders import MemoryCell
from tests.unit.schedulers.live import PATIENCE_SECONDS, SLOW_POLL, Bell, Flaky, Slow, running, until


def test_bell_wakes_an_idle_loop_and_placements_are_announced() -> None:
    cell, bell, said = MemoryCell(9_000), Bell(), queue.Queue[str]()
    with running(cell, wakeup=bell, announce=said.put, config=SLOW_POLL) as loop:
        assert loop.wait_ready(PATIENCE_SECONDS)
        job = cell.submit(2)
        bell.ring()
        assert said.get(timeout=PATIENCE_SECONDS) == "placements"
        assert cell.store.job(job).placed == 2
        until(lambda: loop.status().attempts == 1)
    status = cell.store.schedulers()[0]
    assert (status.attempts, status.alive) == (1, False)
    assert status.busy_seconds > 0


def test_polling_finds_work_without_a_bell() -> None:
    cell = MemoryCell(9_000)
    with running(cell, config=SchedulerConfig(poll_seconds=0.01)):
        job = cell.submit(2)
        until(lambda: cell.store.job(job).placed == 2)


def test_a_job_put_back_at_once_does_not_hide_one_put_back_for_later() -> None:
    cell = MemoryCell(1_000)
    cell.submit(2)  # one is placed, and the other finds no room at the attempt right after
    with running(cell, config=SLOW_POLL) as loop:
        until(lambda: loop.status().attempts == 2)
        cell.clock.advance(1.0)
        until(lambda: loop.status().attempts == 3)


def test_stopping_gives_the_lease_and_the_jobs_back() -> None:
    cell = MemoryCell()
    job = cell.submit()
    with running(cell, config=SLOW_POLL):
        until(lambda: cell.store.job(job).attempts > 0)
    assert cell.store.job(job).claimed_by == 0
    assert not cell.store.schedulers()[0].alive


def test_outage_is_lived_through_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    cell = MemoryCell(9_000)
    store = Flaky(cell.store)
    store.failing["claim_jobs"] = StoreUnavailable("database x cannot be reached")
    with running(cell, store, config=SchedulerConfig(poll_seconds=0.01)) as loop:
        job = cell.submit()
        until(lambda: store.called.count("claim_jobs") >= 2)
        assert loop.status().state == "waiting_for_store"
        del store.failing["claim_jobs"]
        until(lambda: cell.store.job(job).placed == 1)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert lines == ["scheduler s-1 waits for the store: database x cannot be reached"]


def test_outage_before_registering_is_lived_through() -> None:
    cell = MemoryCell(9_000)
    store = Flaky(cell.store)
    store.failing["register_scheduler"] = StoreUnavailable("away")
    with running(cell, store) as loop:
        until(lambda: "register_scheduler" in store.called)
        store.failing.clear()
        assert loop.wait_ready(PATIENCE_SECONDS)


def test_bug_in_an_attempt_is_logged_and_the_scheduler_starts_afresh(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cell = MemoryCell(9_000)
    store = Flaky(cell.store)
    store.failing["sync"] = ZeroDivisionError("a bug")
    with running(cell, store, config=SchedulerConfig(poll_seconds=0.01)):
        job = cell.submit()
        until(lambda: "sync" in store.called)
        store.failing.clear()
        until(lambda: cell.store.job(job).placed == 1)
    assert any("starting afresh" in record.getMessage() for record in caplog.records)


def test_replaced_incarnation_stops_and_the_newer_serves() -> None:
    cell = MemoryCell(9_000)
    with running(cell, config=SchedulerConfig(poll_seconds=0.01)) as old:
        assert old.wait_ready(PATIENCE_SECONDS)
        with running(cell, config=SchedulerConfig(poll_seconds=0.01)) as new:
            until(lambda: old.status().state == "stopped")
            job = cell.submit()
            until(lambda: cell.store.job(job).placed == 1)
            assert new.status().state == "serving"


def test_lease_that_merely_ended_is_taken_again() -> None:
    cell = MemoryCell(9_000)
    with running(cell, config=SchedulerConfig(poll_seconds=0.01)) as loop:
        assert loop.wait_ready(PATIENCE_SECONDS)
        cell.clock.advance(100.0)
        cell.store.reap()
        job = cell.submit()
        until(lambda: cell.store.job(job).placed == 1)


def test_lease_is_renewed_during_a_long_think_time() -> None:
    cell = MemoryCell(9_000)
    store = Flaky(cell.store)
    config = SchedulerConfig(think_job_seconds=60.0, lease_seconds=0.03, poll_seconds=0.01)
    cell.submit()
    with running(cell, store, config=config):
        until(lambda: "sync" in store.called)
        renewals = store.called.count("renew_scheduler")
        until(lambda: store.called.count("renew_scheduler") >= renewals + 3)
        assert "commit" not in store.called


def test_policy_may_think_for_longer_than_the_lease() -> None:
    cell, policy = MemoryCell(9_000), Slow()
    store = Flaky(cell.store)
    job = cell.submit()
    with running(cell, store, policy=policy, config=SchedulerConfig(lease_seconds=0.15, poll_seconds=0.01)):
        until(lambda: "sync" in store.called)
        until(lambda: store.called.count("renew_scheduler") >= 6)
        policy.go_on.set()
        until(lambda: cell.store.job(job).placed == 1)
    assert store.called.count("register_scheduler") == 1


def test_scheduler_frozen_for_longer_than_its_lease_drops_its_plan_and_renews_before_it_commits() -> None:
    cell, asleep = MemoryCell(9_000), [0.0]
    store = Flaky(cell.store)
    job = cell.submit()
    calls: list[str] = []

    def freeze() -> None:
        asleep[0] += 60.0
        calls.extend(store.called)
        store.called.clear()

    store.after["sync"] = freeze
    with running(cell, store, config=SLOW_POLL, awake=lambda: boottime() + asleep[0]):
        until(lambda: cell.store.job(job).placed == 1)
    woken = store.called
    assert "commit" not in calls
    assert woken.index("renew_scheduler") < woken.index("claim_jobs") < woken.index("commit")
    assert woken.count("commit") == 1


def test_frozen_scheduler_whose_jobs_were_given_away_commits_nothing_with_its_old_token() -> None:
    cell, asleep = MemoryCell(9_000), [0.0]
    store = Flaky(cell.store)
    job = cell.submit()
    rival = cell.scheduler(BatchScheduler, name="s-2")

    def freeze() -> None:
        asleep[0] += 60.0
        cell.clock.advance(60.0)
        cell.store.renew_scheduler(rival.lease.holder_id, rival.lease.token, busy_seconds=0.0, attempts=0)
        cell.store.reap()
        assert cell.run(rival).placed == 1
        store.called.clear()

    store.after["sync"] = freeze
    with running(cell, store, config=SLOW_POLL, awake=lambda: boottime() + asleep[0]):
        until(lambda: "register_scheduler" in store.called)
        until(lambda: "claim_jobs" in store.called)
    assert "commit" not in store.called
    assert cell.store.job(job).placed == 1
    assert cell.store.check() == ()


def test_retry_is_timed_by_the_clock_of_the_store() -> None:
    cell = MemoryCell()  # no machine: the job waits
    job = cell.submit()
    cell.clock.advance(500.0)  # nothing like the host's own clock

    loop = Loop(cell.store, BatchScheduler, name="s-1", rng=np.random.default_rng(1), config=SLOW_POLL)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        until(lambda: cell.store.job(job).attempts == 1)
        cell.add(9_000)
        cell.clock.advance(2.0)
        until(lambda: cell.store.job(job).placed == 1)
    finally:
        loop.stop()
        thread.join(PATIENCE_SECONDS)


def test_unknown_policy_ends_the_loop_with_its_sentence() -> None:
    cell = MemoryCell()
    loop = Loop(cell.store, BatchScheduler, name="s-1", rng=np.random.default_rng(1), policy="nope")
    with pytest.raises(PolicyError, match="'nope' is unknown"):
        loop.run()
