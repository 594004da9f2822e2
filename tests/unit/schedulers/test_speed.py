"""What a decision costs at 12,500 machines, 60 % full; run with -m bench."""

from __future__ import annotations

import time

import numpy as np
import pytest

from omegacell.cellstate.model import AntiAffinity
from omegacell.schedulers import plugins
from omegacell.schedulers.score import make_plan
from tests.unit.schedulers.builders import request, view
from tests.unit.schedulers.test_policies import FreestCpu, LeastMemoryOddRows

MACHINES = 12_500
SINGLE_SECONDS, THOUSAND_SECONDS = 0.002, 0.020
"""Aims for one task and for 1,000 identical ones, as medians on a quiet machine."""
POLICIES = ["random_first_fit", "first_fit", "best_fit", "worst_fit", FreestCpu(), LeastMemoryOddRows()]


@pytest.mark.bench
@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("limits", [(), (AntiAffinity(attribute="rack", limit=50),)], ids=["free", "limited"])
@pytest.mark.parametrize(("count", "aim"), [(1, SINGLE_SECONDS), (1_000, THOUSAND_SECONDS)])
def test_decision_is_within_its_aim(
    policy: object, limits: tuple[AntiAffinity, ...], count: int, aim: float
) -> None:
    rng = np.random.default_rng(1)
    tasks = rng.integers(0, 9, size=MACHINES)
    free = np.stack([4_000 - 500 * tasks, 16_000 - 1_000 * tasks, 0 * tasks], axis=1)
    cell = view(
        free.tolist(),
        [{"rack": f"r{row % 250}"} for row in range(MACHINES)],
        capacity=[[4_000, 16_000, 0]] * MACHINES,
    )
    asked = request(count, cpu=500, memory=1_000, anti_affinity=limits)
    chosen = plugins.policy(policy)
    took = []
    for _ in range(11):
        started = time.perf_counter()
        assert make_plan(chosen, asked, cell, rng).placed == count
        took.append(time.perf_counter() - started)
    print(f"{plugins.policy_name(policy)}, {count} tasks: {np.median(took) * 1e3:.2f} ms")
    assert np.median(took) <= aim
