"""Slots of several tasks that are cancelled, lost or preempted in the middle: exact to the task."""

from __future__ import annotations

from typing import Any

import pytest

from omegacell.cellstate.model import AttemptState, JobState, OnLost, Stop
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.slots import ends, waiting
from tests.contract.wishes import Wish

SUCCEEDED, FAILED, CANCELLED = AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED
PREEMPTED, LOST = AttemptState.PREEMPTED, AttemptState.LOST


def test_a_cancelled_jobs_tasks_are_final_to_the_task(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot()
    scene.store.cancel(slot.job_id)
    worker.report(slot, {0: SUCCEEDED, 1: FAILED, 2: CANCELLED})
    assert ends(scene.store, slot.job_id) == [
        (0, 1, SUCCEEDED, True),
        (1, 1, FAILED, True),
        (2, 1, CANCELLED, True),
        *((task, 2, CANCELLED, True) for task in (3, 4, 5)),
    ]
    never_ran = scene.outcomes(slot.job_id)[-1]
    assert (never_ran.machine_id, never_ran.started_at, never_ran.exit_code) == (0, 0.0, -1)
    status = scene.job(slot.job_id)
    assert (status.state, status.succeeded, status.cancelled) == (JobState.CANCELLED, 1, 5)


def test_a_cancellation_in_the_middle_of_a_kept_slot_waits_for_its_task(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot()
    worker.report(slot, {0: SUCCEEDED}, keep=1)
    status = scene.store.cancel(slot.job_id)
    assert (status.state, status.cancelled, status.placed) == (JobState.RUNNING, 4, 1)
    (going_on,) = scene.store.placements(slot.job_id)
    assert going_on.stop is Stop.CANCEL
    worker.end(going_on, state=CANCELLED)
    assert scene.job(slot.job_id).state is JobState.CANCELLED


def test_cancelling_waiting_ranges_ends_each_of_their_tasks(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot()
    worker.end(slot, state=PREEMPTED)
    status = scene.store.cancel(slot.job_id)
    assert (status.state, status.cancelled, status.waiting_retry) == (JobState.CANCELLED, 6, 0)
    assert [end for end in ends(scene.store, slot.job_id) if end[3]] == [
        (task, 2, CANCELLED, True) for task in range(6)
    ]


def test_a_lost_machine_loses_every_task_of_a_slot(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot()
    worker.report(slot, {0: SUCCEEDED}, keep=1)
    worker.release()
    (again, *_) = scene.store.retries(slot.job_id)
    assert waiting(scene.store, slot.job_id) == [(1, 1, 2, 0, 1), (2, 4, 2, 0, 0)]
    assert again.not_before == scene.clock.now()
    assert ends(scene.store, slot.job_id) == [(0, 1, SUCCEEDED, True), (1, 1, LOST, False)]


@pytest.mark.parametrize(
    ("fields", "range_left", "failed"),
    [({}, [(0, 4, 2, 0, 1)], 0), ({"max_lost": 0}, [], 4), ({"on_lost": OnLost.FAIL}, [], 4)],
)
def test_a_whole_slot_is_lost_as_its_job_says(
    scene: Scene,
    scheduler: SchedulerHand,
    fields: dict[str, Any],
    range_left: list[tuple[int, ...]],
    failed: int,
) -> None:
    worker = scene.worker()
    worker.machine()
    slot = scheduler.slot(4, **fields)
    worker.machine()
    assert waiting(scene.store, slot.job_id) == range_left
    assert (scene.job(slot.job_id).failed, len(scene.outcomes(slot.job_id))) == (failed, 4)


def test_a_preempted_slot_ends_preempted_for_what_ran_and_at_no_cost_for_the_rest(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(cpu=4000, priority=1)
    job = scene.submit(priority=2)
    scheduler.claim()
    scheduler.commit(Wish(job, 1, victims=(slot,)))
    assert worker.report(slot, {0: SUCCEEDED, 1: PREEMPTED}) == (False, True)
    assert waiting(scene.store, slot.job_id) == [(0, 2, 2, 0, 1), (2, 4, 2, 0, 0)]
    assert ends(scene.store, slot.job_id) == [(0, 1, PREEMPTED, False), (1, 1, PREEMPTED, False)]


def test_a_services_tasks_run_again_each_with_its_own_back_off(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(3, service=True)
    worker.report(slot, {0: SUCCEEDED, 1: FAILED})
    assert waiting(scene.store, slot.job_id) == [(0, 1, 2, 1, 0), (1, 1, 2, 1, 0), (2, 1, 2, 0, 0)]


def test_a_preempted_slot_that_keeps_a_task_stays_preempted(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(4, cpu=4000, priority=1)
    winner = scene.submit(priority=2)
    scheduler.claim()
    scheduler.commit(Wish(winner, 1, victims=(slot,)))
    worker.report(slot, {0: SUCCEEDED}, keep=1)
    (going_on,) = scene.store.placements(slot.job_id)
    assert (going_on.first_index, going_on.count, going_on.preempted_by) == (1, 1, winner)
    assert (going_on.amounts.cpu_milli, scene.machine(1).used.cpu_milli) == (0, 1000)
    assert waiting(scene.store, slot.job_id) == [(0, 1, 2, 0, 1), (2, 2, 2, 0, 0)]
