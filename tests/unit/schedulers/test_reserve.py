"""Which machines a gang gets reserved, and when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.model import Amounts, ClaimedJob, CommitMode, Detection
from omegacell.schedulers.config import REFERENCE, SchedulerConfig
from omegacell.schedulers.feasible import GroupLimit
from omegacell.schedulers.reserve import Ages, machines_for

CONFIG = SchedulerConfig(reserve_after_attempts=5, reserve_after_seconds=5.0)
GANG = ClaimedJob(
    job_id=1,
    name="gang",
    scheduler="batch",
    policy="",
    amounts=Amounts(cpu_milli=1),
    constraints=(),
    anti_affinity=(),
    spread="",
    priority=100,
    detection=Detection.FINE,
    commit=CommitMode.GANG,
    gang_min=0,
    service=False,
    expected_duration_seconds=0.0,
    task_count=8,
    pending=8,
    placed=0,
    ended=0,
    attempts=5,
    fruitless=5,
    submitted_at=100.0,
    placed_on={},
)


def machines(missing: int, capacity: list[int], room: list[int], *limits: GroupLimit) -> list[int]:
    chosen: list[int] = machines_for(missing, np.array(capacity), np.array(room), limits).tolist()
    return chosen


def test_machines_that_need_the_least_draining_are_taken() -> None:
    assert machines(4, [4, 4, 4], [0, 3, 1]) == [1]
    assert machines(6, [4, 4, 4], [0, 3, 1]) == [1, 2]


def test_of_equals_the_larger_machine_is_taken() -> None:
    assert machines(8, [2, 8, 2, 8], [1, 4, 1, 4]) == [1]


def test_machine_that_the_others_can_do_without_is_left_out() -> None:
    assert machines(8, [1, 8], [1, 7]) == [1]


def test_nothing_where_not_all_find_a_place() -> None:
    assert machines(9, [4, 4], [4, 4]) == []
    assert machines(1, [], []) == []


def test_limits_of_groups_hold() -> None:
    rack = GroupLimit(attribute="rack", group=np.array([0, 0, 1]), left=np.array([2, 2]))
    assert machines(4, [4, 4, 4], [4, 4, 0], rack) == [0, 2]
    assert machines(5, [4, 4, 4], [4, 4, 0], rack) == []


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8),
    st.integers(1, 30),
)
def test_just_enough(of: list[tuple[int, int]], missing: int) -> None:
    capacity = [most for most, _ in of]
    taken = machines(missing, capacity, [min(now, most) for most, now in of])
    total = sum(capacity[k] for k in taken)
    assert bool(taken) == (sum(capacity) >= missing)
    assert not taken or total - min(capacity[k] for k in taken) < missing <= total


@pytest.mark.parametrize(
    ("job", "now", "due"),
    [
        (GANG, 105.0, True),
        (GANG, 104.0, False),
        (replace(GANG, fruitless=4), 200.0, False),
        (replace(GANG, commit=CommitMode.ALL_OR_NOTHING), 200.0, False),
    ],
)
def test_gang_is_due_after_so_many_attempts_and_seconds(job: ClaimedJob, now: float, due: bool) -> None:
    assert Ages().due(job, CONFIG, now=now) is due
    assert not Ages().due(job, REFERENCE, now=now)


def test_gang_ages_anew_after_a_reservation() -> None:
    ages = Ages()
    ages.reserved(replace(GANG, fruitless=12))
    assert not ages.due(replace(GANG, fruitless=16), CONFIG, now=200.0)
    assert ages.due(replace(GANG, fruitless=17), CONFIG, now=200.0)


def test_gang_that_was_placed_meanwhile_starts_from_nothing() -> None:
    ages = Ages()
    ages.reserved(replace(GANG, fruitless=12))
    assert ages.due(replace(GANG, fruitless=6), CONFIG, now=200.0)
    ages.placed(GANG.job_id)
    assert ages.due(replace(GANG, fruitless=13), CONFIG, now=200.0)
