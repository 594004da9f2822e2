"""Randomised first fit equals the reference's rule in distribution, and looks at few machines."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from omegacell.cellstate.model import AntiAffinity
from omegacell.schedulers.policies.random_first_fit import RandomFirstFit
from omegacell.schedulers.policy import Plan, Request
from omegacell.schedulers.view import AttemptView
from tests.unit.schedulers.builders import request, view

RUNS = 1_500


def reference(request: Request, cell: AttemptView, rng: np.random.Generator) -> tuple[int, ...]:
    """OMEGA.md's rule as it is written: draw, place or strike out, until no task or no machine is left."""
    free = cell.free("cpu_milli").tolist()
    left = {rule.attribute: dict[int, int]() for rule in request.anti_affinity}
    urn, tasks = list(range(cell.machines)), request.count
    slots = [0] * cell.machines
    while tasks and urn:
        row = urn[int(rng.integers(len(urn)))]
        groups = {
            rule.attribute: int(cell.attribute(rule.attribute).codes[row]) for rule in request.anti_affinity
        }
        full = any(
            left[rule.attribute].get(groups[rule.attribute], 0) >= rule.limit
            for rule in request.anti_affinity
        )
        if free[row] < request.amounts[0] or full:
            urn.remove(row)
            continue
        free[row] -= int(request.amounts[0])
        slots[row] += 1
        tasks -= 1
        for attribute, group in groups.items():
            left[attribute][group] = left[attribute].get(group, 0) + 1
    return tuple(slots)


def spread_out(plan: Plan, machines: int) -> tuple[int, ...]:
    slots = np.zeros(machines, dtype=np.int64)
    slots[plan.rows] = plan.slots
    return tuple(slots.tolist())


@pytest.mark.parametrize(
    ("free", "count", "rules"),
    [
        ([1, 3, 0, 2, 2], 3, ()),  # from the list of those with room: the cell is small
        ([1, 3, 0, 2, 2], 7, ()),  # nearly all the room there is
        ([1, 0, 0, 3] + [0] * 60, 2, ()),  # drawn in vain at first, then from the list
        ([1] * 30 + [0] * 4, 1, ()),
        ([2, 2, 2, 2, 1], 3, (AntiAffinity(attribute="rack", limit=2),)),
        (
            [2, 2, 2, 2, 1],
            3,
            (AntiAffinity(attribute="rack", limit=2), AntiAffinity(attribute="zone", limit=2)),
        ),
    ],
    ids=["small", "nearly full", "in vain", "one task", "one limit", "two limits"],
)
def test_distribution_equals_the_reference(
    free: list[int], count: int, rules: tuple[AntiAffinity, ...]
) -> None:
    attributes = [{"rack": f"r{row // 2}", "zone": f"z{row % 2}"} for row in range(len(free))]
    cell = view([[cpu, 0, 0] for cpu in free], attributes, capacity=[[3, 0, 0]] * len(free))
    asked = request(count, anti_affinity=rules)
    rng = np.random.default_rng(20130415)
    expected = Counter(reference(asked, cell, rng) for _ in range(RUNS))
    found = Counter(spread_out(RandomFirstFit().place(asked, cell, rng), len(free)) for _ in range(RUNS))
    # Two samples of one distribution: chi-squared over the outcomes, far within what chance allows.
    outcomes = sorted(expected | found)
    chi_squared = sum(
        (expected[outcome] - found[outcome]) ** 2 / (expected[outcome] + found[outcome])
        for outcome in outcomes
    )
    degrees = max(len(outcomes) - 1, 1)
    assert chi_squared < degrees + 5 * np.sqrt(2 * degrees), (chi_squared, degrees)


def test_everything_that_fits_is_placed() -> None:
    cell = view([[cpu, 0, 0] for cpu in (3, 0, 5, 1)])
    plan = RandomFirstFit().place(request(100), cell, np.random.default_rng(1))
    assert spread_out(plan, 4) == (3, 0, 5, 1)


def test_one_task_in_a_large_cell_looks_at_few_machines() -> None:
    cell = view([[4, 0, 0]] * 12_500)
    looked: list[int] = []

    class Watched:
        """The view, noting how many rows are asked for."""

        def __getattr__(self, name: str) -> Any:
            return getattr(cell, name)

        @property
        def free_matrix(self) -> Any:
            class Matrix:
                def __getitem__(self, rows: Any) -> Any:
                    found = cell.free_matrix[rows]
                    looked.append(len(found))
                    return found

                def take(self, rows: Any, axis: int) -> Any:
                    looked.append(len(rows))
                    return cell.free_matrix.take(rows, axis=axis)

            return Matrix()

    plan = RandomFirstFit().place(request(), Watched(), np.random.default_rng(1))
    assert plan.placed == 1
    assert 0 < sum(looked) < 50
