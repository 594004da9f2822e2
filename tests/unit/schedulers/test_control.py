"""A live scheduler does what people want: holds, drains, serves again, and swaps its policy."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from omegacell.cellstate.model import Wanted, WorkerSpec
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.config import RetryRule, SchedulerConfig
from omegacell.schedulers.explain import render
from omegacell.schedulers.loop import Loop
from omegacell.schedulers.policies.first_fit import FirstFit
from omegacell.schedulers.policy import CellView, Plan, Request
from tests.unit.schedulers.builders import MemoryCell
from tests.unit.schedulers.live import PATIENCE_SECONDS, SLOW_POLL, Bell, Flaky, Slow, running, until

QUICK = SchedulerConfig(lease_seconds=0.06, poll_seconds=0.01)
"""Hears of everything within some 20 ms, without a hint."""
DEAF = replace(SLOW_POLL, lease_seconds=1e6)
"""Hears of nothing without a hint."""


class Asked:
    """First fit that counts what it was asked: a policy by dotted path."""

    times: ClassVar[Counter[str]] = Counter()

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        self.times[type(self).__name__] += 1
        return FirstFit().place(request, cell, rng)


class First(Asked):
    pass


class Second(Asked):
    pass


FIRST, SECOND = f"{__name__}:First", f"{__name__}:Second"


@pytest.fixture(autouse=True)
def asked() -> Counter[str]:
    Asked.times.clear()
    return Asked.times


@pytest.fixture
def cell() -> MemoryCell:
    return MemoryCell(9_000)


def want(cell: MemoryCell, wanted: Wanted, bell: Bell | None = None) -> None:
    cell.store.control_scheduler("s-1", wanted=wanted)
    if bell is not None:
        bell.ring("control")


def asks(cell: MemoryCell, asked: Counter[str], policy: str) -> bool:
    """Place a task; whether this policy was asked where to."""
    before = asked[policy]
    job = cell.submit(cpu=1)
    until(lambda: cell.store.job(job).placed == 1)
    return asked[policy] > before


def ended(loop: Loop) -> bool:
    return loop.status().state == "stopped"


# --- hold


def test_held_scheduler_claims_nothing_and_serves_again_when_released(cell: MemoryCell) -> None:
    with running(cell, config=QUICK) as loop:
        assert loop.wait_ready(PATIENCE_SECONDS)
        want(cell, Wanted.HOLD)
        until(lambda: loop.status().state == "holding")
        job = cell.submit(2)
        renewed = cell.store.schedulers()[0].expires_at
        cell.clock.advance(0.02)
        until(lambda: cell.store.schedulers()[0].expires_at > renewed)
        assert (cell.store.job(job).placed, cell.store.job(job).attempts) == (0, 0)
        want(cell, Wanted.RUN)
        until(lambda: cell.store.job(job).placed == 2)
        assert loop.status().state == "serving"


def test_scheduler_that_is_held_when_it_starts_never_claims(cell: MemoryCell) -> None:
    cell.scheduler(BatchScheduler)
    want(cell, Wanted.HOLD)
    cell.submit()
    store = Flaky(cell.store)
    with running(cell, store, config=QUICK) as loop:
        until(lambda: loop.status().state == "holding")
        until(lambda: store.called.count("renew_scheduler") > 3)
    assert loop.status().attempts == 0
    assert cell.store.jobs()[0].first_attempt_at == 0.0


def test_held_scheduler_still_reaps(cell: MemoryCell) -> None:
    with running(cell, config=QUICK) as loop:
        assert loop.wait_ready(PATIENCE_SECONDS)
        want(cell, Wanted.HOLD)
        until(lambda: loop.status().state == "holding")
        spec = WorkerSpec(name="dying", host="host", boot_id="boot", pid=2)
        lease = cell.store.register_worker(spec, lease_seconds=0.01)
        cell.clock.advance(0.02)
        until(lambda: cell.store.workers()[1].token != lease.token)


def test_what_it_holds_goes_back_to_the_queue_with_a_word(cell: MemoryCell) -> None:
    holder, other = cell.scheduler(BatchScheduler), cell.scheduler(BatchScheduler, name="s-2")
    job = cell.submit(2)
    holder.begin(cell.clock.now())  # a plan that is dropped
    assert cell.store.job(job).claimed_by == holder.lease.holder_id
    holder.give_back(cell.clock.now())
    assert render(cell.store.explanation(job)) == [
        "Scheduler s-1 was told to place nothing more, and put it back in the queue."
    ]
    assert cell.run(other).placed == 2
    holder.give_back(cell.clock.now())


def test_jobs_of_a_plan_that_was_dropped_are_given_back_by_a_hold(cell: MemoryCell) -> None:
    asleep, store = [0.0], Flaky(cell.store)
    job = cell.submit()

    def freeze() -> None:
        asleep[0] += 2e6
        want(cell, Wanted.HOLD)

    store.after["sync"] = freeze
    with running(cell, store, config=DEAF, awake=lambda: 1e6 + asleep[0]) as loop:
        until(lambda: loop.status().state == "holding")
        assert (cell.store.job(job).placed, cell.store.job(job).claimed_by) == (0, 0)
    assert "commit" not in store.called


# --- drain


def test_drained_scheduler_ends_and_leaves_in_good_order(cell: MemoryCell) -> None:
    with running(cell, config=QUICK) as loop:
        job = cell.submit(2)
        until(lambda: cell.store.job(job).placed == 2)
        want(cell, Wanted.DRAIN)
        until(lambda: ended(loop))
    (status,) = cell.store.schedulers()
    assert (status.alive, status.wanted) == (False, Wanted.DRAIN)


def test_attempt_in_progress_is_finished_before_the_end(cell: MemoryCell) -> None:
    policy, bell, store = Slow(), Bell(), Flaky(cell.store)
    job = cell.submit(2)
    with running(cell, store, policy=policy, wakeup=bell, config=DEAF) as loop:
        until(lambda: "sync" in store.called)
        want(cell, Wanted.DRAIN, bell)
        late = cell.submit()
        policy.go_on.set()
        until(lambda: ended(loop))
    assert (cell.store.job(job).placed, cell.store.job(late).attempts) == (2, 0)
    assert [cell.store.job(one).claimed_by for one in (job, late)] == [0, 0]


def test_drained_name_serves_when_it_is_started_again(cell: MemoryCell) -> None:
    with running(cell, config=QUICK) as loop:
        assert loop.wait_ready(PATIENCE_SECONDS)
        want(cell, Wanted.DRAIN)
        until(lambda: ended(loop))
    with running(cell, config=QUICK):
        job = cell.submit()
        until(lambda: cell.store.job(job).placed == 1)


# --- how it hears


def test_hint_is_heard_while_idle(cell: MemoryCell) -> None:
    bell = Bell()
    with running(cell, wakeup=bell, config=DEAF) as loop:
        assert loop.wait_ready(PATIENCE_SECONDS)
        want(cell, Wanted.HOLD, bell)
        until(lambda: loop.status().state == "holding")
        want(cell, Wanted.RUN, bell)
        until(lambda: loop.status().state == "serving")


def test_hint_is_heard_by_a_scheduler_that_is_never_idle(cell: MemoryCell) -> None:
    bell = Bell()
    at_once = RetryRule(backoff_first_seconds=0.0)
    cell.submit(cpu=99_000)  # never fits
    with running(cell, wakeup=bell, config=replace(DEAF, retry=at_once)) as loop:
        until(lambda: loop.status().attempts > 3)
        want(cell, Wanted.DRAIN, bell)
        until(lambda: ended(loop))


def test_hint_about_jobs_costs_a_held_scheduler_no_call(cell: MemoryCell) -> None:
    bell, store = Bell(), Flaky(cell.store)
    with running(cell, store, wakeup=bell, config=DEAF) as loop:
        assert loop.wait_ready(PATIENCE_SECONDS)
        want(cell, Wanted.HOLD, bell)
        until(lambda: loop.status().state == "holding")
        store.called.clear()
        for _ in range(5):
            bell.ring("jobs")
        want(cell, Wanted.RUN, bell)
        until(lambda: "claim_jobs" in store.called)
        assert store.called[: store.called.index("claim_jobs")] == ["renew_scheduler"]


# --- policy


def test_policy_is_swapped_between_attempts_and_back(cell: MemoryCell, asked: Counter[str]) -> None:
    with running(cell, policy=FIRST, config=QUICK):
        until(lambda: asks(cell, asked, "First"))
        cell.store.control_scheduler("s-1", policy=SECOND)
        until(lambda: asks(cell, asked, "Second"))
        cell.store.control_scheduler("s-1", policy="")
        until(lambda: asks(cell, asked, "First"))


def test_policy_outlives_the_process(cell: MemoryCell, asked: Counter[str]) -> None:
    cell.scheduler(BatchScheduler)
    cell.store.control_scheduler("s-1", policy=SECOND)
    with running(cell, policy=FIRST, config=QUICK):
        job = cell.submit()
        until(lambda: cell.store.job(job).placed == 1)
    assert asked == {"Second": 1}


def test_unknown_policy_is_told_of_once_and_the_old_one_stays(
    cell: MemoryCell, asked: Counter[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with running(cell, policy=FIRST, config=QUICK):
        cell.store.control_scheduler("s-1", policy="nope")
        until(lambda: len(caplog.records) > 0)
        assert all(asks(cell, asked, "First") for _ in range(3))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("scheduler s-1 keeps its policy: policy 'nope' is unknown; expected one of ")
    assert cell.store.schedulers()[0].policy == "nope"
