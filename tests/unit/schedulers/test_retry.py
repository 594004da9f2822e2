"""When a job is tried again, and when no more; how an attempt is shared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.model import Amounts, ClaimedJob, CommitMode, Detection
from omegacell.schedulers.config import REFERENCE, RetryRule
from omegacell.schedulers.queue import shares
from omegacell.schedulers.retry import Done, GiveUp, RetryAt, Tally, backoff_seconds, decide

RULE = RetryRule()
NOTHING = Tally(accepted=0, conflicts=0, withdrawn=False)
NOW = 50.0


def job(pending: int = 10, attempts: int = 0, fruitless: int = 0) -> ClaimedJob:
    return ClaimedJob(
        job_id=1,
        name="job",
        scheduler="batch",
        policy="",
        amounts=Amounts(cpu_milli=1),
        constraints=(),
        anti_affinity=(),
        spread="",
        priority=100,
        detection=Detection.FINE,
        commit=CommitMode.INCREMENTAL,
        gang_min=0,
        service=False,
        expected_duration_seconds=0.0,
        task_count=10,
        pending=pending,
        placed=0,
        ended=0,
        attempts=attempts,
        fruitless=fruitless,
        submitted_at=0.0,
        placed_on={},
    )


def decided(of: ClaimedJob, tally: Tally, rule: RetryRule = RULE) -> Done | RetryAt | GiveUp:
    return decide(rule, of, tally, now=NOW, rng=np.random.default_rng(1))


def test_job_placed_in_full_is_done() -> None:
    assert decided(job(), replace(NOTHING, accepted=10)) == Done()


def test_job_that_was_taken_away_is_done() -> None:
    assert decided(job(), replace(NOTHING, withdrawn=True)) == Done()


def test_conflict_is_retried_at_once() -> None:
    assert decided(job(fruitless=9), replace(NOTHING, conflicts=3)) == RetryAt(at=NOW)


def test_progress_is_followed_up_at_once() -> None:
    assert decided(job(), replace(NOTHING, accepted=4)) == RetryAt(at=NOW)


def test_retries_that_are_not_due_are_left_to_the_store() -> None:
    assert decided(job(pending=0), NOTHING) == RetryAt(at=NOW)


def test_no_room_backs_off_from_a_tenth_to_two_seconds_with_jitter() -> None:
    rng = np.random.default_rng(1)
    for fruitless, ceiling in enumerate((0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0)):
        delays = [backoff_seconds(RULE, fruitless, rng) for _ in range(50)]
        assert ceiling / 2 <= min(delays) < max(delays) <= ceiling
    assert backoff_seconds(RULE, 10_000, rng) <= 2.0


def test_by_default_a_job_without_room_is_never_given_up() -> None:
    assert isinstance(decided(job(attempts=10**6, fruitless=10**6), NOTHING), RetryAt)


def test_reference_retries_everything_after_one_second() -> None:
    for tally in (NOTHING, replace(NOTHING, conflicts=3), replace(NOTHING, accepted=4)):
        assert decided(job(fruitless=7), tally, REFERENCE.retry) == RetryAt(at=NOW + 1.0)


def test_reference_gives_up_after_more_than_100_attempts_with_nothing_placed() -> None:
    assert isinstance(decided(job(attempts=99), NOTHING, REFERENCE.retry), RetryAt)
    assert decided(job(attempts=100), NOTHING, REFERENCE.retry) == GiveUp(attempts=101)
    assert isinstance(decided(job(pending=9, attempts=100), NOTHING, REFERENCE.retry), RetryAt)


def test_reference_gives_up_after_more_than_1000_attempts() -> None:
    some = replace(NOTHING, accepted=1)
    assert isinstance(decided(job(attempts=999), some, REFERENCE.retry), RetryAt)
    assert decided(job(attempts=1_000), some, REFERENCE.retry) == GiveUp(attempts=1_001)


def test_jobs_share_the_budget_equally_and_leave_what_they_do_not_need() -> None:
    assert shares([1_000, 3, 1_000], [1, 1, 1], 103) == [50, 3, 50]
    assert shares([1_000], [1], 400) == [400]
    assert shares([5, 5], [1, 1], 400) == [5, 5]
    assert shares([], [], 400) == []


def test_gang_gets_its_members_also_beyond_the_budget() -> None:
    assert shares([600, 50], [600, 1], 100) == [600, 50]
    assert shares([0, 50], [1, 1], 100) == [0, 50]


@given(st.lists(st.integers(0, 50), max_size=8), st.integers(1, 100))
def test_shares_stay_within_the_budget_and_starve_nobody(wanted: list[int], budget: int) -> None:
    granted = shares(wanted, [1] * len(wanted), budget)
    assert sum(granted) <= max(budget, len(wanted))
    for want, get in zip(wanted, granted, strict=True):
        assert min(want, 1) <= get <= want
