"""The hard rules, one by one and counted."""

from __future__ import annotations

import numpy as np
import pytest

from omegacell.cellstate.model import AntiAffinity, Constraint, Operator
from omegacell.schedulers.feasible import eligible, group_limits, room
from omegacell.schedulers.plan_check import offence
from omegacell.schedulers.policy import NOWHERE, Plan
from omegacell.schedulers.refusals import count_refusals
from tests.unit.schedulers.builders import request, view

ATTRIBUTES = [{"zone": "a", "cores": "8"}, {"zone": "b", "cores": "16"}, {"zone": "c"}, {}]


@pytest.mark.parametrize(
    ("attribute", "operator", "values", "passed"),
    [
        ("zone", Operator.EQ, ("a",), [1, 0, 0, 0]),
        ("zone", Operator.EQ, ("nowhere",), [0, 0, 0, 0]),
        ("zone", Operator.NE, ("a",), [0, 1, 1, 1]),
        ("zone", Operator.NE, ("nowhere",), [1, 1, 1, 1]),
        ("zone", Operator.IN, ("a", "c", "nowhere"), [1, 0, 1, 0]),
        ("zone", Operator.NOT_IN, ("a", "c"), [0, 1, 0, 1]),
        ("zone", Operator.EXISTS, (), [1, 1, 1, 0]),
        ("unheard-of", Operator.EXISTS, (), [0, 0, 0, 0]),
        ("unheard-of", Operator.NE, ("x",), [1, 1, 1, 1]),
        ("cores", Operator.GT, ("8",), [0, 1, 0, 0]),
        ("cores", Operator.LT, ("9.5",), [1, 0, 0, 0]),
        ("zone", Operator.GT, ("1",), [0, 0, 0, 0]),
        ("machine", Operator.EQ, ("m3",), [0, 0, 1, 0]),
    ],
)
def test_constraint(attribute: str, operator: Operator, values: tuple[str, ...], passed: list[int]) -> None:
    asked = request(constraints=(Constraint(attribute=attribute, operator=operator, values=values),))
    assert eligible(asked, view([[1, 1, 1]] * 4, ATTRIBUTES)).tolist() == [bool(one) for one in passed]


def test_room_is_what_fits_in_the_scarcest_dimension_up_to_the_count() -> None:
    cell = view([[10, 100, 0], [10, 3, 0], [0, 100, 0], [99, 99, 0]], available=[True, True, True, False])
    assert room(request(4, cpu=2, memory=3), cell).tolist() == [4, 1, 0, 0]
    assert room(request(9, cpu=0, memory=0), cell).tolist() == [9, 9, 9, 0]
    assert room(request(9, cpu=2), cell, np.array([1, 0])).tolist() == [5, 5]


def test_limit_per_machine_counts_what_the_job_has_there() -> None:
    cell = view([[10, 0, 0]] * 3)
    cell.expect(1, {1: 2, 2: 5})
    asked = request(9, anti_affinity=(AntiAffinity(attribute="machine", limit=3),))
    assert room(asked, cell).tolist() == [1, 0, 3]


def test_limit_per_value_counts_what_the_job_has_there_and_machines_without_value_together() -> None:
    cell = view([[10, 0, 0]] * 5, [{"rack": "x"}, {"rack": "y"}, {"rack": "x"}, {}, {}])
    cell.expect(1, {1: 1, 5: 1})
    (limit,) = group_limits(request(9, anti_affinity=(AntiAffinity(attribute="rack", limit=2),)), cell)
    assert limit.left[limit.group].tolist() == [1, 2, 1, 1, 1]


def test_refusals_are_counted_by_the_first_rule_that_fails() -> None:
    cell = view(
        [[1, 50, 0], [8, 2, 0], [1, 2, 0], [8, 50, 0], [8, 50, 0], [7, 50, 0]],
        [{"zone": "a"}, {"zone": "a"}, {"zone": "a"}, {"zone": "b"}, {"zone": "a"}, {"zone": "a"}],
        capacity=[[8, 64, 0]] * 6,
        available=[True, True, True, True, False, True],
    )
    cell.expect(1, {6: 1})
    counted = count_refusals(
        request(
            cpu=4,
            memory=10,
            constraints=(Constraint(attribute="zone", operator=Operator.EQ, values=("a",)),),
            anti_affinity=(AntiAffinity(attribute="machine", limit=1),),
        ),
        cell,
    )
    assert counted.machines == 6
    assert counted.unavailable == 1
    assert counted.constraints == {"zone = a": 1}
    assert counted.dimensions == {"cpu_milli": 2, "memory_bytes": 2}
    assert counted.anti_affinity == 1
    assert counted.fitting == 0
    assert counted.nearest == "m2"  # lacks 8 of 64 of memory; m1 lacks 3 of 8 of cpu
    assert counted.nearest_free["memory_bytes"] == 2


@pytest.mark.parametrize(
    ("rows", "slots", "words"),
    [
        ([4], [1], "row 4; expected 0 to 3"),
        ([-1], [1], "row -1; expected 0 to 3"),
        ([0], [0], "0 slots on row 0"),
        ([0], [-2], "-2 slots on row 0"),
        ([0, 0], [1, 1], "the same row twice"),
        ([0, 1], [1], "expected two lists of one length"),
        ([[0]], [[1]], "expected two lists of one length"),
        ([0.5], [1], "expected integers"),
        ([0, 1, 2], [2, 2, 2], "6 tasks; expected at most the 5 asked for"),
        ([0], [4], "4 tasks on machine 'm1', which may take 3"),
        ([3], [1], "1 tasks on machine 'm4', which may take 0"),
        ([1, 2], [1, 2], "more tasks on one value of 'rack'"),
    ],
)
def test_plan_that_breaks_a_rule_is_named(rows: list[int], slots: list[int], words: str) -> None:
    cell = view(
        [[3, 0, 0]] * 4,
        [{"rack": "w"}, {"rack": "x"}, {"rack": "x"}, {"rack": "y"}],
        available=[True, True, True, False],
    )
    asked = request(5, anti_affinity=(AntiAffinity(attribute="rack", limit=3),))
    if words.startswith("more"):
        asked = request(5, anti_affinity=(AntiAffinity(attribute="rack", limit=2),))
    assert words in offence(asked, cell, Plan(rows=np.array(rows), slots=np.array(slots)))


def test_allowed_plan_has_no_offence() -> None:
    cell = view([[3, 0, 0]] * 2)
    assert offence(request(5), cell, Plan(rows=np.array([1, 0]), slots=np.array([3, 2]))) == ""
    assert offence(request(5), cell, NOWHERE) == ""
    assert offence(request(5), cell, Plan(rows=np.array([]), slots=np.array([]))) == ""
