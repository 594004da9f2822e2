"""How many tasks a slot holds, and that plans of slots never hold more than was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.model import TASKS_PER_SLOT, ClaimedJob, CommitMode
from omegacell.schedulers.policy import NOWHERE, Plan
from omegacell.schedulers.ranges import SLOT_SECONDS, claims_of, slots_for, tasks_per_slot
from tests.unit.schedulers.builders import claimed_job


def job(measured: int = 0, mean: float = 0.0, **more: Any) -> ClaimedJob:
    """A claimed job of which so many tasks ran for so long on average."""
    return claimed_job(measured_tasks=measured, mean_task_seconds=mean, **more)


def test_slot_holds_one_task_until_something_is_known() -> None:
    assert tasks_per_slot(job(), 10**6) == 1


def test_slot_grows_until_it_lasts_as_long_as_it_should() -> None:
    assert tasks_per_slot(job(10**6, SLOT_SECONDS / 10), 1_000) == 10
    assert tasks_per_slot(job(10**6, SLOT_SECONDS), 1_000) == 1
    assert tasks_per_slot(job(10**6, 100 * SLOT_SECONDS), 1_000) == 1


def test_slot_holds_no_more_tasks_than_were_measured() -> None:
    assert tasks_per_slot(job(1, 1e-6), 10**6) == 1
    assert tasks_per_slot(job(50, 1e-6), 10**6) == 50
    assert tasks_per_slot(job(10**6, 0.0), 10**6) == TASKS_PER_SLOT


def test_slot_shrinks_as_soon_as_the_mean_rises() -> None:
    assert tasks_per_slot(job(1_000, SLOT_SECONDS / 100), 10**6) == 100
    assert tasks_per_slot(job(1_001, SLOT_SECONDS * 2), 10**6) == 1


def test_submitters_word_counts_for_a_little_until_it_is_measured() -> None:
    assert tasks_per_slot(job(expected_duration_seconds=1e-6), 1_000) == 8
    assert tasks_per_slot(job(expected_duration_seconds=SLOT_SECONDS / 2), 1_000) == 2
    assert tasks_per_slot(job(expected_duration_seconds=60.0), 1_000) == 1
    assert tasks_per_slot(job(1, 60.0, expected_duration_seconds=1e-6), 1_000) == 1
    assert tasks_per_slot(job(1, 1e-6, expected_duration_seconds=60.0), 1_000) == 8


@pytest.mark.parametrize(
    "fields",
    [{"commit": CommitMode.GANG}, {"service": True}, {"max_running": 50}],
    ids=["gang", "service", "limited"],
)
def test_tasks_of_gangs_services_and_limited_jobs_have_slots_of_their_own(fields: dict[str, Any]) -> None:
    assert tasks_per_slot(job(10**6, 1e-6, **fields), 1_000) == 1


def test_slots_are_filled_alike() -> None:
    assert tasks_per_slot(job(32, 1e-6), 33) == 17
    assert tasks_per_slot(job(10**6, 1e-6), 3) == 3
    assert tasks_per_slot(job(10**6, 1e-6), 0) == 1


@given(measured=st.integers(0, 2_000), mean=st.floats(0, 0.1), asked=st.integers(1, 5_000))
def test_evening_out_needs_no_more_slots_and_leaves_none_empty(
    measured: int, mean: float, asked: int
) -> None:
    tasks = tasks_per_slot(job(measured, mean), asked)
    assert 1 <= tasks <= max(min(measured, TASKS_PER_SLOT), 1)
    assert tasks * mean <= max(SLOT_SECONDS, mean)
    assert (slots_for(asked, tasks) - 1) * tasks < asked <= slots_for(asked, tasks) * tasks


@given(asked=st.integers(1, 200), tasks=st.integers(1, 20), seed=st.integers(0, 99), short=st.booleans())
def test_claims_of_a_plan_hold_what_was_asked_and_never_more(
    asked: int, tasks: int, seed: int, short: bool
) -> None:
    wanted = slots_for(asked, tasks) - short
    drawn = np.random.default_rng(seed).integers(5, size=wanted)
    rows, slots = np.unique(drawn, return_counts=True)
    claims = claims_of(Plan(rows=rows, slots=slots.astype(np.int64)), asked, tasks)
    assert claims.slots.sum() == wanted
    assert (claims.slots * claims.tasks).sum() == min(asked, wanted * tasks)
    assert (claims.tasks >= 1).all()
    assert len(claims.rows) <= len(rows) + 1


def test_last_slot_gets_a_claim_of_its_own_with_the_tasks_that_are_left() -> None:
    claims = claims_of(Plan(rows=np.array([4, 2]), slots=np.array([1, 3])), 15, 4)
    assert claims.rows.tolist() == [4, 2, 2]
    assert claims.slots.tolist() == [1, 2, 1]
    assert claims.tasks.tolist() == [4, 4, 3]


def test_named_devices_stay_with_their_claims() -> None:
    plan = Plan(rows=np.array([4, 2]), slots=np.array([1, 2]), devices=np.array([2, 0]))
    assert claims_of(plan, 5, 2).devices.tolist() == [2, 0, 0]
    assert claims_of(plan, 6, 2).devices.tolist() == [2, 0]


def test_empty_plan_gives_no_claims() -> None:
    assert not len(claims_of(NOWHERE, 7, 3).rows)
