"""Each policy places what its rule, run naively task by task, would place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.cellstate.model import DEVICE_MILLI, AntiAffinity, Int64
from omegacell.schedulers import fill, score
from omegacell.schedulers.feasible import group_limits, room
from omegacell.schedulers.plan_check import offence
from omegacell.schedulers.policies.best_fit import BestFit
from omegacell.schedulers.policies.first_fit import FirstFit
from omegacell.schedulers.policies.random_first_fit import RandomFirstFit
from omegacell.schedulers.policies.spread import Spread
from omegacell.schedulers.policies.worst_fit import WorstFit
from omegacell.schedulers.policy import CellView, Float64, Plan, Policy, Request
from omegacell.schedulers.score import make_plan
from omegacell.schedulers.view import AttemptView
from tests.unit.schedulers.builders import START, extras, request, view


@pytest.fixture(autouse=True, scope="module")
def few_spare() -> Iterator[None]:
    """Let even these small cells have more machines than are looked at first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fill, "SPARE", 0)
        yield


Choose = Callable[[Request, AttemptView, Int64], int]


class FreestCpu:
    """A spreading score, as a user would write it."""

    def score(self, request: Request, cell: CellView, rows: Int64) -> Float64:
        return cell.free("cpu_milli")[rows].astype(np.float64)


class LeastMemoryOddRows:
    """A packing score with a filter."""

    packs = True

    def filter(self, request: Request, cell: CellView, rows: Int64) -> Any:
        return rows % 2 == 1

    def score(self, request: Request, cell: CellView, rows: Int64) -> Float64:
        return -cell.free("memory_bytes")[rows].astype(np.float64)


class Restless:
    """A score that neither packs nor spreads: it depends on the free cpu without any order."""

    def score(self, request: Request, cell: CellView, rows: Int64) -> Float64:
        return ((cell.free("cpu_milli")[rows] * 7919 + rows * 31) % 11).astype(np.float64)


def naive(request: Request, cell: AttemptView, choose: Choose) -> dict[int, int]:
    """Slots by row: the best machine that may take one more, one task at a time."""
    chosen: dict[int, int] = {}
    for _ in range(request.count):
        may = room(request, cell) > 0
        for limit in group_limits(request, cell):
            may &= limit.left[limit.group] > 0
        rows = np.flatnonzero(may)
        if not len(rows):
            break
        row = choose(request, cell, rows)
        chosen[row] = chosen.get(row, 0) + 1
        cell.claim(request, np.array([row]), np.array([1]))
    cell.rollback(0)
    return chosen


def best(of: Callable[[Request, AttemptView, Int64], Any]) -> Choose:
    """The row with the highest value, ties to the first."""
    return lambda request, cell, rows: int(rows[np.argmax(of(request, cell, rows))])


def first(_: Request, __: AttemptView, rows: Int64) -> int:
    return int(rows[0])


def leftover(request: Request, cell: AttemptView, rows: Int64) -> Any:
    return score.leftover(cell, rows, gpu_milli=request.gpu_milli)


def on_used_device_then_least_left(request: Request, cell: AttemptView, rows: Int64) -> int:
    """The machine with the least left over, among those whose devices in use have room for a share if there are any."""
    if 0 < request.gpu_milli < DEVICE_MILLI:
        free = cell.device_free[rows]
        used = rows[((free >= request.gpu_milli) & (free < DEVICE_MILLI)).any(axis=1)]
        rows = used if len(used) else rows
    return int(rows[np.argmin(leftover(request, cell, rows))])


GREEDY: list[tuple[Policy, Choose]] = [
    (FirstFit(), first),
    (BestFit(), on_used_device_then_least_left),
    (WorstFit(), best(leftover)),
    (FreestCpu(), best(FreestCpu().score)),
    (Restless(), best(Restless().score)),
]

FREE = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda pair: [*pair, 0]), min_size=1, max_size=12
)
LIMITS = st.lists(
    st.builds(AntiAffinity, attribute=st.sampled_from(["machine", "rack", "zone"]), limit=st.integers(1, 4)),
    max_size=3,
    unique_by=lambda limit: limit.attribute,
).map(tuple)


def small_cell(free: list[list[int]], devices: list[list[int]] | None = None) -> AttemptView:
    attributes = [{"rack": f"r{row // 3}", "zone": f"z{row % 2}"} for row in range(len(free) - 1)] + [{}]
    has = (devices or [])[: len(free)]
    return view(free, attributes, capacity=[[9, 9, 0]] * len(free), extras=extras(has, custom=CUSTOM))


DEVICES = st.lists(st.lists(st.sampled_from([0, 300, 600, 1000]), max_size=3), max_size=12)
GPU = st.sampled_from([0, 300, 500, 1000, 2000])
CUSTOM = {"fpga": [2_000, 5_000]}


def placed(plan: Plan) -> dict[int, int]:
    return dict(sorted(zip(plan.rows.tolist(), plan.slots.tolist(), strict=True)))


@pytest.mark.parametrize(("policy", "choose"), GREEDY, ids=lambda one: type(one).__name__)
@settings(max_examples=60)
@given(
    free=FREE,
    count=st.integers(1, 30),
    cpu=st.integers(0, 3),
    memory=st.integers(0, 3),
    gpu=GPU,
    devices=DEVICES,
    anti_affinity=LIMITS,
    held=st.dictionaries(st.integers(1, 12), st.integers(1, 3), max_size=3),
)
def test_places_what_one_by_one_greedy_places(
    *,
    policy: Policy,
    choose: Choose,
    free: list[list[int]],
    count: int,
    cpu: int,
    memory: int,
    gpu: int,
    devices: list[list[int]],
    anti_affinity: tuple[AntiAffinity, ...],
    held: dict[int, int],
) -> None:
    cell = small_cell(free, devices)
    cell.expect(1, held)
    asked = request(count, cpu=cpu, memory=memory, gpu_milli=gpu, anti_affinity=anti_affinity)
    plan = make_plan(policy, asked, cell, np.random.default_rng(1))
    assert placed(plan) == dict(sorted(naive(asked, cell, choose).items()))


@settings(max_examples=60)
@given(free=FREE, count=st.integers(1, 20))
def test_packing_score_with_a_filter_is_greedy_too(free: list[list[int]], count: int) -> None:
    asked = request(count, cpu=1, memory=1)
    plan = make_plan(LeastMemoryOddRows(), asked, small_cell(free), np.random.default_rng(1))
    odd_only = view(free, available=[row % 2 == 1 for row in range(len(free))])
    expected = naive(asked, odd_only, best(LeastMemoryOddRows().score))
    assert placed(plan) == dict(sorted(expected.items()))


ALL: list[Policy] = [RandomFirstFit(), Spread(), LeastMemoryOddRows(), *(policy for policy, _ in GREEDY)]


@pytest.mark.parametrize("policy", ALL, ids=lambda one: type(one).__name__)
@settings(max_examples=60)
@given(
    free=FREE,
    count=st.integers(1, 30),
    cpu=st.integers(0, 3),
    gpu=GPU,
    devices=DEVICES,
    custom=st.sampled_from([(), (("fpga", 1_000),), (("tpu", 1),)]),
    anti_affinity=LIMITS,
    spread=st.sampled_from(["", "machine", "rack"]),
    seed=st.integers(0, 3),
)
def test_never_breaks_a_hard_rule_and_repeats_itself(
    *,
    policy: Policy,
    free: list[list[int]],
    count: int,
    cpu: int,
    gpu: int,
    devices: list[list[int]],
    custom: tuple[tuple[str, int], ...],
    anti_affinity: tuple[AntiAffinity, ...],
    spread: str,
    seed: int,
) -> None:
    cell = small_cell(free, devices)
    asked = request(
        count, cpu=cpu, memory=1, gpu_milli=gpu, custom=custom, anti_affinity=anti_affinity, spread=spread
    )
    plan = make_plan(policy, asked, cell, np.random.default_rng(seed))
    assert offence(asked, cell, plan) == ""
    assert placed(make_plan(policy, asked, cell, np.random.default_rng(seed))) == placed(plan)
    assert cell.mark() == 0


@pytest.mark.parametrize("policy", ALL, ids=lambda one: type(one).__name__)
def test_huge_amounts_and_an_empty_cell_place_nothing(policy: Policy) -> None:
    for cell in (view([]), view([[5, 5, 5]] * 3)):
        asked = request(3, cpu=2**62, memory=2**62)
        assert make_plan(policy, asked, cell, np.random.default_rng(1)).placed == 0


@settings(max_examples=60)
@given(
    free=FREE,
    count=st.integers(1, 30),
    held=st.dictionaries(st.integers(1, 12), st.integers(1, 3), max_size=3),
)
def test_spread_puts_each_task_where_the_fewest_are(
    free: list[list[int]], count: int, held: dict[int, int]
) -> None:
    cell = small_cell(free)
    cell.expect(1, held)
    asked = request(count)
    before = score.leftover(cell).copy()  # machines of equal count are ranked as before the plan
    choose = best(lambda request, cell, rows: -cell.count(request)[rows] * float(2**62) + before[rows])
    assert placed(make_plan(Spread(), asked, cell, np.random.default_rng(1))) == dict(
        sorted(naive(asked, cell, choose).items())
    )


def test_spread_over_an_attribute_levels_its_values_first() -> None:
    zones = [{"zone": "a"}] * 4 + [{"zone": "b"}] * 2 + [{"zone": "c"}]
    cell = view([[9, 0, 0]] * 6 + [[1, 0, 0]], zones)
    plan = make_plan(Spread(), request(7, spread="zone"), cell, np.random.default_rng(1))
    slots = np.zeros(7, dtype=np.int64)
    slots[plan.rows] = plan.slots
    assert [slots[:4].sum(), slots[4:6].sum(), slots[6]] == [3, 3, 1]
    assert slots.max() == 2  # three tasks on the two machines of zone b


def test_best_fit_fills_the_fullest_machine_and_worst_fit_levels() -> None:
    free = [[9, 0, 0], [4, 0, 0], [7, 0, 0]]
    cell = view(free, capacity=[[10, 0, 0]] * 3)
    asked = request(3, cpu=2)
    assert placed(BestFit().place(asked, cell, np.random.default_rng(1))) == {1: 2, 2: 1}
    assert placed(WorstFit().place(asked, cell, np.random.default_rng(1))) == {0: 2, 2: 1}


def test_best_fit_puts_a_share_where_a_device_is_in_use_though_another_machine_is_fuller() -> None:
    cell = view(
        [[9, 0, 0], [2, 0, 0], [9, 0, 0]],
        capacity=[[9, 0, 0]] * 3,
        extras=extras([[1000, 400], [1000], [900]]),
    )
    rng = np.random.default_rng(1)
    assert placed(BestFit().place(request(1, gpu_milli=300), cell, rng)) == {2: 1}
    assert placed(BestFit().place(request(4, gpu_milli=300), cell, rng)) == {0: 1, 2: 3}
    assert placed(BestFit().place(request(5, gpu_milli=300), cell, rng)) == {0: 1, 1: 1, 2: 3}


@pytest.mark.parametrize("policy", ALL, ids=lambda one: type(one).__name__)
def test_machine_kept_for_another_job_gets_nothing(policy: Policy) -> None:
    kept = dict.fromkeys((1, 3, 4), (9, 100, START + 1))
    cell = view([[5, 5, 0]] * 4, extras=extras(reserved=kept))
    assert set(placed(make_plan(policy, request(20), cell, np.random.default_rng(1)))) == {1}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.array([1.0]), "expected a number for each of 3 rows"),
        (np.array([1.0, np.nan, 2.0]), "1 nan"),
    ],
)
def test_score_that_is_nonsense_is_refused(answer: Float64, words: str) -> None:
    class Broken:
        def score(self, request: Request, cell: CellView, rows: Int64) -> Float64:
            return answer

    with pytest.raises(Exception, match=words):
        make_plan(Broken(), request(), view([[1, 1, 1]] * 3), np.random.default_rng(1))
