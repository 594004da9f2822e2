"""Progress among rivals: whoever loses again and again is placed all the same. In virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from omegacell.cellstate.model import AntiAffinity, CommitMode, Detection
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.retry import Done
from omegacell.schedulers.scheduler import Scheduler
from tests.unit.schedulers.builders import MemoryCell

RIVALS = 32
K = 3
ALONE = SchedulerConfig(
    jobs_per_attempt=1, widen=False, split=False, explain=False, alternatives_after_conflicts=K
)
"""No help but the alternatives; first_fit always claims the machines of the lowest ids."""


def rivals(cell: MemoryCell, config: SchedulerConfig, count: int = RIVALS) -> list[Scheduler]:
    return [
        cell.scheduler(BatchScheduler, name=f"s-{n}", seed=n, policy="first_fit", config=config)
        for n in range(count)
    ]


def attempts_until_placed(
    cell: MemoryCell, schedulers: Sequence[Scheduler], rounds: int, **job: Any
) -> tuple[list[int], int]:
    """Rounds in which all look at once and commit one after another in random order; a job is always waiting for each.

    The attempts that each job needed which was placed in full, and how many transactions conflicted.
    """
    rng = np.random.default_rng(1)
    needed: list[int] = []
    submitted = conflicted = 0
    for _ in range(rounds):
        while submitted - len(needed) < len(schedulers):
            cell.submit(detection=Detection.COARSE, **job)
            submitted += 1
        attempts = [scheduler.begin(cell.clock.now()) for scheduler in schedulers]
        for position in rng.permutation(len(schedulers)).tolist():
            finished = schedulers[position].finish(attempts[position], cell.clock.now())
            conflicted += finished.conflicts > 0
            needed += [
                planned.job.attempts + 1
                for planned, step in zip(finished.attempt.jobs, finished.next, strict=True)
                if isinstance(step, Done)
            ]
        cell.clock.advance(0.01)
    assert cell.store.check() == ()
    return needed, conflicted


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"tasks": 3},
        {"tasks": 3, "commit": CommitMode.GANG},
        {"tasks": 3, "commit": CommitMode.ALL_OR_NOTHING},
    ],
    ids=["single", "incremental", "gang", "all_or_nothing"],
)
def test_every_feasible_claim_among_32_rivals_for_the_same_machines_commits_within_k_plus_1_attempts(
    job: dict[str, Any],
) -> None:
    cell = MemoryCell(*[20_000] * 100)
    schedulers = rivals(cell, ALONE)
    needed, conflicted = attempts_until_placed(cell, schedulers, 12, cpu=500, **job)
    assert conflicted > 100
    assert len(needed) > 80
    assert max(needed) <= K + 1


def test_without_alternatives_one_rival_wins_a_round() -> None:
    cell = MemoryCell(*[20_000] * 100)
    schedulers = rivals(
        cell, SchedulerConfig(jobs_per_attempt=1, widen=False, alternatives_after_conflicts=0)
    )
    needed, _ = attempts_until_placed(cell, schedulers, 12, cpu=500)
    assert len(needed) == 12


def test_job_with_anti_affinity_moves_a_claim_at_a_time_and_keeps_its_limits() -> None:
    cell = MemoryCell(*[20_000] * 100, attributes=[{"rack": f"r{n % 10}"} for n in range(100)])
    limits = (AntiAffinity(attribute="machine", limit=1), AntiAffinity(attribute="rack", limit=1))
    schedulers = rivals(cell, ALONE)
    attempts_until_placed(cell, schedulers, 3 * (K + 1), cpu=500, tasks=3, anti_affinity=limits)
    for job in range(1, RIVALS + 1):
        racks = [placement.machine_id % 10 for placement in cell.store.placements(job)]
        assert len(set(racks)) == len(racks) == 3


def test_widening_lets_most_attempts_through_among_rivals_that_rank_machines_alike() -> None:
    lost = []
    for widen in (False, True):
        cell = MemoryCell(*[20_000] * 200)
        config = replace(ALONE, widen=widen, alternatives_after_conflicts=0)
        needed, conflicted = attempts_until_placed(cell, rivals(cell, config, 16), 15, cpu=10)
        lost.append(conflicted / len(needed))
    assert lost[0] == 15
    assert lost[1] < 1


def test_all_or_nothing_asks_for_half_as_much_after_each_conflict() -> None:
    cell = MemoryCell(*[2_000] * 16)
    first, second = rivals(cell, SchedulerConfig(jobs_per_attempt=1, widen=False), 2)
    asked = []
    cell.submit(16, detection=Detection.COARSE, commit=CommitMode.ALL_OR_NOTHING)
    for _ in range(3):
        attempt = second.begin(cell.clock.now())
        asked.append(attempt.jobs[0].asked)
        cell.submit(1, cpu=1)
        cell.run(first)
        second.finish(attempt, cell.clock.now())
    assert asked == [16, 8, 4]


def test_losers_are_planned_first_among_jobs_of_their_priority() -> None:
    cell = MemoryCell(1_000)
    scheduler, rival = rivals(cell, SchedulerConfig(jobs_per_attempt=3), 2)
    loser = cell.submit(detection=Detection.COARSE)
    attempt = scheduler.begin(cell.clock.now())
    cell.submit(cpu=1)
    cell.run(rival)
    assert scheduler.finish(attempt, cell.clock.now()).conflicts == 1
    later = cell.submit()
    urgent = cell.submit(priority=500)
    jobs = [planned.job.job_id for planned in scheduler.begin(cell.clock.now()).jobs]
    assert jobs == [urgent, loser, later]
