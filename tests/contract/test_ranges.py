"""Slots of several tasks: how a commit numbers and charges them, and what they mean to what reads them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from omegacell.cellstate.model import (
    TASKS_PER_SLOT,
    AttemptState,
    CommitMode,
    Detection,
    JobState,
    Reason,
    Stop,
)
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import Wish, answers

SUCCEEDED, FAILED = AttemptState.SUCCEEDED, AttemptState.FAILED


def claimed(scene: Scene, scheduler: SchedulerHand, **fields: Any) -> int:
    """A job that `scheduler` has claimed."""
    job_id = scene.submit(**fields)
    scheduler.claim()
    return job_id


def slots(scene: Scene, job_id: int) -> list[tuple[int, int, int]]:
    """First index, count and attempt of each of a job's slots."""
    return [(one.first_index, one.count, one.attempt) for one in scene.store.placements(job_id)]


def test_a_slot_holds_one_tasks_amounts_and_many_tasks(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, rule: dict[str, Any]
) -> None:
    many = 1 if rule["commit"] is CommitMode.GANG else 10  # a gang's slots always hold one
    job = claimed(scene, scheduler, tasks=25, **rule)
    verdict = scheduler.commit(Wish(job, 1, 2, tasks=10))
    assert (answers(verdict), verdict.tasks.tolist()) == ([(2, Reason.ACCEPTED, 0)], [2 * many])
    assert verdict.first_index.tolist() == [0]
    assert slots(scene, job) == [(0, many, 1), (many, many, 1)]
    machine, status = scene.machine(1), scene.job(job)
    assert (machine.used.cpu_milli, machine.placements) == (2000, 2)
    assert (status.placed, status.next_index) == (2 * many, 2 * many)
    assert [(one.pending, one.placed) for one in scheduler.claim()] == [(25 - 2 * many, 2 * many)]


def test_the_last_slot_holds_what_is_left(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, rule: dict[str, Any]
) -> None:
    job = claimed(scene, scheduler, tasks=7, **(rule | {"commit": CommitMode.INCREMENTAL}))
    verdict = scheduler.commit(Wish(job, 1, 3, tasks=3))
    assert (answers(verdict), verdict.tasks.tolist()) == ([(3, Reason.ACCEPTED, 0)], [7])
    assert slots(scene, job) == [(0, 3, 1), (3, 3, 1), (6, 1, 1)]
    assert scene.job(job).claimed_by == 0


def test_no_more_slots_are_kept_than_there_are_tasks_for(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = claimed(scene, scheduler, tasks=7)
    verdict = scheduler.commit(Wish(job, 1, 1, tasks=3), Wish(job, 1, 3, tasks=3))
    assert answers(verdict) == [(1, Reason.ACCEPTED, 0), (2, Reason.NOTHING_TO_PLACE, 4)]
    assert verdict.tasks.tolist() == [3, 4]
    assert verdict.first_index.tolist() == [0, 3]


def test_all_or_nothing_counts_slots(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job = claimed(scene, scheduler, tasks=7, commit=CommitMode.ALL_OR_NOTHING)
    assert answers(scheduler.commit(Wish(job, 1, 4, tasks=3))) == [(0, Reason.NOTHING_TO_PLACE, 7)]
    assert answers(scheduler.commit(Wish(job, 1, 3, tasks=3))) == [(3, Reason.ACCEPTED, 0)]


def test_claims_of_one_job_may_hold_different_numbers_of_tasks(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    other = worker.machine("other")
    job = claimed(scene, scheduler, tasks=20)
    verdict = scheduler.commit(Wish(job, 1, 2), Wish(job, other, 1, tasks=5), Wish(job, 1, 1, tasks=2))
    assert (verdict.tasks.tolist(), verdict.first_index.tolist()) == ([2, 5, 2], [0, 2, 7])
    assert slots(scene, job) == [(0, 1, 1), (1, 1, 1), (2, 5, 1), (7, 2, 1)]


def test_what_does_not_fit_is_not_numbered(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = claimed(scene, scheduler, tasks=100, cpu=1500)
    verdict = scheduler.commit(Wish(job, 1, 3, tasks=4))
    assert (answers(verdict), verdict.tasks.tolist()) == ([(2, Reason.CPU, 4000)], [8])
    assert scene.job(job).next_index == 8


def test_a_slot_may_hold_a_thousand_tasks(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job = claimed(scene, scheduler, tasks=2 * TASKS_PER_SLOT)
    scheduler.commit(Wish(job, 1, 2, tasks=TASKS_PER_SLOT))
    worker.end_job(job)
    status = scene.job(job)
    assert (status.state, status.succeeded) == (JobState.SUCCEEDED, 2 * TASKS_PER_SLOT)


def test_a_scheduler_counts_slots_of_many_tasks_as_slots(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = claimed(scene, scheduler, tasks=100)
    scheduler.commit(Wish(job, 1, 6, tasks=10))
    status = scene.store.schedulers()[0]
    assert (status.claims, status.claims_refused, status.placements) == (6, 2, 4)


def test_the_same_transaction_again_gives_the_same_numbers(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job, txn_id = claimed(scene, scheduler, tasks=100), uuid4()
    answered = [
        scheduler.commit(Wish(job, 1, 2, tasks=10, seen=1), txn_id=txn_id).tasks.tolist() for _ in range(2)
    ]
    assert answered == [[20], [20]]
    assert scene.job(job).placed == 20


def in_two_ranges(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> int:
    """A claimed job: tasks 1-3 wait as second attempts, 4-8 as second ones after a loss, 9-12 are new."""
    job = scene.submit(tasks=13)
    first, second = scheduler.place(job, 1, tasks=4) + scheduler.place(job, 1, tasks=5)[1:]
    worker.report(first, {0: SUCCEEDED})
    worker.end(second, state=AttemptState.PREEMPTED)
    scheduler.claim()
    return job


def test_a_slot_takes_from_one_retry_range_only(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = in_two_ranges(scene, worker, scheduler)
    verdict = scheduler.commit(Wish(job, 1, 3, tasks=4))
    assert (answers(verdict), verdict.tasks.tolist()) == ([(3, Reason.ACCEPTED, 0)], [8])
    assert verdict.first_index.tolist() == [1]
    assert [(one.first_index, one.count, one.lost) for one in scene.store.placements(job)] == [
        (1, 3, 0),
        (4, 4, 1),
        (8, 1, 1),
    ]
    assert scene.store.retries(job) == ()
    assert [one.pending for one in scheduler.claim()] == [4]


def test_what_a_slot_leaves_of_a_range_stays_one(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = in_two_ranges(scene, worker, scheduler)
    before = scene.store.retries(job)
    scheduler.commit(Wish(job, 1, 1, tasks=2))
    left, untouched = scene.store.retries(job)
    assert (left.first_index, left.count, left.attempt, left.failures, left.lost) == (3, 1, 2, 0, 0)
    assert (left.not_before, untouched) == (before[0].not_before, before[1])
    assert scene.job(job).waiting_retry == 6


def test_a_range_that_is_not_due_is_passed_over(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = scene.submit(tasks=9, retries=1, backoff_seconds=8.0)
    (slot,) = scheduler.place(job, 1, tasks=4)
    worker.report(slot, {0: FAILED, 1: SUCCEEDED})
    scheduler.claim()
    verdict = scheduler.commit(Wish(job, 1, 3, tasks=4))
    assert answers(verdict) == [(2, Reason.NOTHING_TO_PLACE, 7)]
    assert slots(scene, job) == [(2, 2, 2), (4, 4, 1)]


def test_cancelling_tells_the_slot_and_counts_its_tasks_when_it_ends(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = scene.submit(tasks=20)
    (slot,) = scheduler.place(job, 1, tasks=10)
    status = scene.store.cancel(job)
    assert (status.state, status.never_placed, status.cancelled) == (JobState.RUNNING, 10, 10)
    assert scene.store.placements(job)[0].stop is Stop.CANCEL
    worker.end(slot, state=AttemptState.CANCELLED)
    status = scene.job(job)
    assert (status.state, status.cancelled, status.placed) == (JobState.CANCELLED, 20, 0)


def test_machines_and_policies_count_slots_and_jobs_count_tasks(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = scene.submit(tasks=50, spread="zone")
    scheduler.place(job, 1, 3, tasks=10)
    (one,) = scheduler.claim()
    assert (dict(one.placed_on), one.placed, one.pending) == ({1: 3}, 30, 20)
    assert (scene.machine(1).placements, scene.job(job).placed) == (3, 30)


@pytest.mark.parametrize("detection", Detection)
def test_a_preempted_slot_is_recorded_with_its_tasks(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, detection: Detection
) -> None:
    low = scheduler.place(scene.submit(tasks=10, cpu=4000, priority=1), 1, tasks=10)
    job = claimed(scene, scheduler, priority=2, tasks=10, detection=detection)
    verdict = scheduler.commit(Wish(job, 1, tasks=10, victims=low))
    assert (verdict.preempted.tolist(), verdict.tasks.tolist()) == ([1], [10])
    (record,) = scene.store.preemptions(job)
    assert (record.first_index, record.count, record.attempt) == (0, 10, 1)
