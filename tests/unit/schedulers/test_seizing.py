"""Jobs of high priority in a full cell, on the in-memory store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from omegacell.cellstate.model import (
    Amounts,
    AntiAffinity,
    CommitMode,
    Constraint,
    Int64,
    Operator,
    Preemptible,
    Stop,
)
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.explain import render
from omegacell.schedulers.retry import Done, RetryAt
from tests.unit.schedulers.builders import START, MemoryCell


def full(
    *machines: int | Amounts, priority: int = 100, cpu: int = 1_000, **more: Any
) -> tuple[MemoryCell, int]:
    """A cell full of one job's tasks, and that job."""
    cell = MemoryCell(*machines)
    has = sum(one if isinstance(one, int) else one.cpu_milli for one in machines)
    job = cell.submit(has // cpu, cpu, priority=priority, **more)
    assert cell.run(cell.scheduler(BatchScheduler, name="filler")).placed == has // cpu
    return cell, job


def stopped(cell: MemoryCell, job: int) -> int:
    return sum(placement.stop is Stop.PREEMPT for placement in cell.store.placements(job))


class Asks:
    """A store that counts what is asked about victims; all else is the store's own."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: list[list[int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def preemptible(self, machine_ids: Int64, *, below: int) -> Preemptible:
        self.asked.append(machine_ids.tolist())
        found: Preemptible = self._store.preemptible(machine_ids, below=below)
        return found


def test_job_of_higher_priority_takes_just_the_room_it_needs() -> None:
    cell, batch = full(4_000, 4_000)
    urgent = cell.submit(3, priority=200)
    finished = cell.run(cell.scheduler(BatchScheduler))
    assert finished.next == (Done(),)
    assert cell.store.job(urgent).placed == 3
    assert stopped(cell, batch) == 3
    assert len(cell.store.preemptions(urgent)) == 3
    assert cell.store.check() == ()


def test_equals_and_protected_ones_are_never_named() -> None:
    for more in ({"priority": 200}, {"priority": 10, "preemptible": False}):
        cell, batch = full(4_000, **more)
        urgent = cell.submit(priority=200)
        finished = cell.run(cell.scheduler(BatchScheduler))
        assert len(finished.attempt.transaction.job_id) == 0
        assert stopped(cell, batch) == 0
        said = " ".join(render(cell.store.explanation(urgent)))
        assert (
            "Not enough of what holds the machines may give way to it: that has a priority below 200" in said
        )


def test_a_job_of_no_special_priority_is_not_told_that_nobody_gives_way() -> None:
    cell, _ = full(4_000)
    waiting = cell.submit(priority=100)
    cell.run(cell.scheduler(BatchScheduler))
    assert "give way" not in " ".join(render(cell.store.explanation(waiting)))


def test_switched_off_nobody_is_asked() -> None:
    cell, _ = full(4_000)
    cell.submit(priority=200)
    store = Asks(cell.store)
    cell.run(cell.scheduler(BatchScheduler, store=store, config=SchedulerConfig(preemption=False)))
    assert store.asked == []


def test_what_is_free_comes_first() -> None:
    cell, batch = full(4_000)
    cell.add(2_000, first=2)
    urgent = cell.submit(3, priority=200)
    cell.run(cell.scheduler(BatchScheduler))
    assert cell.store.job(urgent).placed == 3
    assert stopped(cell, batch) == 1


def test_victims_of_an_attempt_are_bounded() -> None:
    cell, batch = full(9_000)
    urgent = cell.submit(8, priority=200)
    scheduler = cell.scheduler(BatchScheduler, config=SchedulerConfig(max_victims_per_attempt=5))
    finished = cell.run(scheduler)
    assert isinstance(finished.next[0], RetryAt)
    assert (cell.store.job(urgent).placed, stopped(cell, batch)) == (5, 5)
    assert "5 placements of lower priority gave way to it." in render(cell.store.explanation(urgent))
    cell.run(scheduler)
    assert (cell.store.job(urgent).placed, stopped(cell, batch)) == (8, 8)


def test_jobs_of_one_attempt_name_no_victim_twice_and_do_not_count_on_what_is_left_over() -> None:
    cell, batch = full(9_000, cpu=3_000)
    jobs = [cell.submit(priority=200) for _ in range(3)]
    finished = cell.run(cell.scheduler(BatchScheduler))
    assert finished.conflicts == 0
    assert [cell.store.job(job).placed for job in jobs] == [1, 0, 0]
    cell.clock.advance(5.0)
    cell.run(cell.scheduler(BatchScheduler))
    assert [cell.store.job(job).placed for job in jobs] == [1, 1, 1]
    assert stopped(cell, batch) == 1


def test_gang_takes_all_its_machines_at_once_or_none() -> None:
    cell, batch = full(4_000, 4_000)
    cell.submit(9, priority=200, commit=CommitMode.GANG)
    scheduler = cell.scheduler(BatchScheduler)
    cell.run(scheduler)
    assert stopped(cell, batch) == 0
    gang = cell.submit(7, priority=300, commit=CommitMode.GANG)
    finished = cell.run(scheduler)
    assert cell.store.job(gang).placed == 7
    assert finished.verdict.preempted.sum() == stopped(cell, batch) == 7


def test_constraints_and_anti_affinity_hold_for_seized_slots() -> None:
    cell, _ = full(4_000, 4_000, 4_000)
    urgent = cell.submit(
        5,
        priority=200,
        constraints=(Constraint(attribute="machine", operator=Operator.NE, values=("m1",)),),
        anti_affinity=(AntiAffinity(attribute="machine", limit=1),),
    )
    cell.run(cell.scheduler(BatchScheduler))
    assert sorted(placement.machine_id for placement in cell.store.placements(urgent)) == [2, 3]


def test_devices_are_taken_from_who_has_them() -> None:
    host = Amounts(cpu_milli=8_000, memory_bytes=2**30, gpu_milli=2_000)
    cell = MemoryCell(host)
    shares = cell.submit(4, cpu=100, gpu=500)
    cell.run(cell.scheduler(BatchScheduler, name="filler"))
    whole = cell.submit(cpu=100, gpu=1_000, priority=200)
    cell.run(cell.scheduler(BatchScheduler))
    (winner,) = cell.store.placements(whole)
    assert len(winner.devices) == 1
    assert stopped(cell, shares) == 2
    assert cell.store.check() == ()


@pytest.mark.parametrize("seed", range(3))
def test_two_schedulers_that_want_the_same_victim_are_one_winner_and_one_conflict(seed: int) -> None:
    cell, batch = full(1_000)
    schedulers = [
        cell.scheduler(BatchScheduler, name=f"s-{n}", seed=seed, config=SchedulerConfig(jobs_per_attempt=1))
        for n in range(2)
    ]
    jobs = [cell.submit(priority=200), cell.submit(priority=200)]
    attempts = [scheduler.begin(START) for scheduler in schedulers]
    finished = [
        scheduler.finish(attempt, START) for scheduler, attempt in zip(schedulers, attempts, strict=True)
    ]
    assert [one.placed for one in finished] == [1, 0]
    assert finished[1].conflicts == 1
    assert "had ended or given way already" in " ".join(render(cell.store.explanation(jobs[1])))
    assert stopped(cell, batch) == 1
    assert cell.store.check() == ()


def test_machines_that_hold_nothing_of_lower_priority_are_asked_once() -> None:
    cell, _ = full(4_000, 4_000, priority=200)
    store = Asks(cell.store)
    scheduler = cell.scheduler(BatchScheduler, store=store)
    cell.submit(priority=200)
    cell.submit(priority=200)
    for _ in range(3):
        cell.run(scheduler)
        cell.clock.advance(5.0)
    assert store.asked == [[1, 2]]
    cell.submit(priority=300)
    cell.run(scheduler)
    assert store.asked == [[1, 2], [1, 2]]


def test_sample_is_asked_of_very_many_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omegacell.schedulers.seize.MACHINES_ASKED", 10)
    cell, _ = full(*[1_000] * 40)
    store = Asks(cell.store)
    urgent = cell.submit(4, priority=200)
    cell.run(cell.scheduler(BatchScheduler, store=store))
    assert cell.store.job(urgent).placed == 4
    assert len(np.unique(store.asked[0])) == 10
