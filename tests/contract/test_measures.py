"""What a claimed job tells of itself: how long its tasks run, and how often its attempts conflicted."""

from __future__ import annotations

import pytest

from omegacell.cellstate.model import AttemptState, ClaimedJob
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import Wish

SUCCEEDED, FAILED = AttemptState.SUCCEEDED, AttemptState.FAILED


def told(scheduler: SchedulerHand) -> ClaimedJob:
    """The one job, claimed and given back."""
    (job,) = scheduler.claim()
    scheduler.settle(job.job_id)
    return job


def measured(scheduler: SchedulerHand) -> tuple[int, float]:
    """How many tasks were measured, and their mean run time in seconds."""
    job = told(scheduler)
    return job.measured_tasks, job.mean_task_seconds


def test_nothing_is_measured_before_a_task_has_ended(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = scene.submit(tasks=9)
    assert measured(scheduler) == (0, 0.0)
    worker.start(*scheduler.place(job, 1))
    assert measured(scheduler) == (0, 0.0)


def test_tasks_that_succeeded_or_failed_are_measured(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    first, second, third = scheduler.place(scene.submit(tasks=9, retries=1), 1, 3)
    worker.end(first, ran_seconds=1.0)
    worker.end(second, state=FAILED, ran_seconds=0.5)
    assert measured(scheduler) == (2, 0.75)
    worker.end(third, ran_seconds=0.0)
    assert measured(scheduler) == (3, 0.5)


@pytest.mark.parametrize("state", [state for state in AttemptState if state not in {SUCCEEDED, FAILED}])
def test_ends_that_were_not_the_tasks_own_are_not_measured(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: AttemptState
) -> None:
    job = scene.submit(tasks=9)
    scheduler.place(job, 1, 2)
    worker.end_job(job, state, ran_seconds=2.0)
    assert measured(scheduler) == (0, 0.0)


def test_a_task_whose_start_is_not_known_is_not_measured(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = scene.submit(tasks=9)
    scheduler.place(job, 1)
    worker.end_job(job, started_at=0.0)
    assert measured(scheduler) == (0, 0.0)


def test_an_end_before_its_start_took_no_time(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = scene.submit(tasks=9)
    scheduler.place(job, 1)
    worker.end_job(job, ran_seconds=-3.0)
    assert measured(scheduler) == (1, 0.0)


def test_each_task_of_a_slot_is_measured(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    (slot,) = scheduler.place(scene.submit(tasks=9), 1, tasks=6)
    worker.report(slot, {0: SUCCEEDED, 1: FAILED, 2: SUCCEEDED}, keep=3, ran_seconds=0.25)
    assert measured(scheduler) == (3, 0.25)


def test_a_victims_result_is_not_measured(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    (victim,) = scheduler.place(scene.submit(cpu=4000, priority=1), 1)
    winner = scene.submit(priority=2)
    scheduler.claim()
    scheduler.commit(Wish(winner, 1, victims=(victim,)))
    worker.end(victim)
    assert measured(scheduler) == (0, 0.0)


def test_conflicts_in_a_row_are_counted(scene: Scene, scheduler: SchedulerHand) -> None:
    job = scene.submit()
    counted = []
    for conflicted in (True, True, False, True):
        counted.append(scheduler.claim()[0].conflicts)
        scheduler.settle(job, conflicted=conflicted)
    assert [*counted, told(scheduler).conflicts] == [0, 1, 2, 0, 1]
