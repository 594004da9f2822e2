"""Scaling a service: which replicas come, which go first, and what becomes of those that are told to end."""

from __future__ import annotations

from typing import Any

import pytest

from omegacell.cellstate.model import AttemptState, JobState, Placement, Stop
from tests.contract.scene import FAILURES, Scene, SchedulerHand, WorkerHand
from tests.contract.slots import ends, waiting
from tests.contract.wishes import Wish

FAILED, CANCELLED = AttemptState.FAILED, AttemptState.CANCELLED


def service(scene: Scene, replicas: int = 3, **fields: Any) -> int:
    """A service whose tasks run again at once."""
    return scene.submit(service=True, tasks=replicas, backoff_seconds=0.0, **fields)


def stops(slots: tuple[Placement, ...]) -> dict[int, Stop]:
    """What each slot is told, by its index."""
    return {slot.first_index: slot.stop for slot in slots}


def test_a_service_says_how_many_replicas_there_should_be(scene: Scene) -> None:
    assert scene.job(service(scene, 3)).replicas == 3
    assert scene.job(scene.submit(tasks=3)).replicas == 0


def test_more_replicas_are_tasks_with_new_indexes(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 2)
    scheduler.place(job_id, 1, 2)
    status = scene.store.alter(job_id, replicas=4)
    assert (status.replicas, status.task_count, status.waiting, status.placed) == (4, 4, 2, 2)
    assert scene.store.specification(job_id).task_count == 4
    assert [job.pending for job in scheduler.claim()] == [2]
    assert list(stops(scheduler.place(job_id, 1, 2))) == [0, 1, 2, 3]


def test_as_many_as_there_are_changes_nothing(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 3)
    slots = scheduler.place(job_id, 1, 2)
    before = scene.job(job_id)
    assert scene.store.alter(job_id, replicas=3) == before
    assert scene.store.placements(job_id) == slots


def test_of_fewer_go_first_those_that_never_had_a_number(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 4)
    scheduler.place(job_id, 1, 2)
    status = scene.store.alter(job_id, replicas=2)
    assert (status.replicas, status.task_count, status.waiting) == (2, 4, 0)
    assert (status.cancelled, status.never_placed) == (2, 2)
    assert stops(scene.store.placements(job_id)) == {0: Stop.NONE, 1: Stop.NONE}
    assert scheduler.claim_ids() == []


def test_then_those_that_wait_to_run_again(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 4)
    first, *_ = scheduler.place(job_id, 1, 3)
    worker.end(first, state=FAILED)
    status = scene.store.alter(job_id, replicas=2)
    assert (status.never_placed, status.cancelled, status.waiting_retry, status.placed) == (1, 2, 0, 2)
    assert ends(scene.store, job_id) == [(0, 1, FAILED, False), (0, 2, CANCELLED, True)]
    assert stops(scene.store.placements(job_id)) == {1: Stop.NONE, 2: Stop.NONE}
    assert scene.scheduler("other").claim_ids() == []


def test_of_those_that_wait_the_highest_go_first(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 3)
    worker.end(*scheduler.place(job_id, 1, 3), state=FAILED)
    scene.store.alter(job_id, replicas=1)
    assert [one[0] for one in waiting(scene.store, job_id)] == [0]
    assert [one[0] for one in ends(scene.store, job_id) if one[3]] == [1, 2]


def test_then_the_highest_of_those_that_run_are_told_to_end(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 3)
    scheduler.place(job_id, 1, 3)
    before = scene.machine(1)
    status = scene.store.alter(job_id, replicas=1)
    slots = scene.store.placements(job_id)
    assert stops(slots) == {0: Stop.NONE, 1: Stop.CANCEL, 2: Stop.CANCEL}
    assert (status.replicas, status.placed, status.state) == (1, 3, JobState.RUNNING)
    after = scene.machine(1)
    assert (after.version, after.claim_sequence) == (before.version + 1, before.claim_sequence)
    assert worker.pull({1: before.version})[0].placements == slots


@pytest.mark.parametrize("state", [CANCELLED, *FAILURES, AttemptState.PREEMPTED, AttemptState.LOST])
def test_what_was_told_to_end_does_not_run_again_however_it_ends(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: AttemptState
) -> None:
    job_id = service(scene, 2)
    _, told = scheduler.place(job_id, 1, 2)
    scene.store.alter(job_id, replicas=1)
    worker.end(told, state=state)
    status = scene.job(job_id)
    assert (status.placed, status.waiting_retry, status.cancelled, status.failed) == (1, 0, 1, 0)
    assert ends(scene.store, job_id) == [(1, 1, state, True)]
    assert (status.state, scheduler.claim_ids()) == (JobState.RUNNING, [])


def test_what_was_told_to_end_and_succeeds_does_not_run_again_either(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 2)
    _, told = scheduler.place(job_id, 1, 2)
    scene.store.alter(job_id, replicas=1)
    worker.end(told)
    status = scene.job(job_id)
    assert (status.placed, status.waiting_retry, status.succeeded) == (1, 0, 1)
    assert ends(scene.store, job_id) == [(1, 1, AttemptState.SUCCEEDED, True)]


def test_what_was_told_to_end_and_is_lost_with_its_machine_does_not_run_again(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 2)
    scheduler.place(job_id, 1, 2)
    scene.store.alter(job_id, replicas=1)
    worker.machine()
    assert ends(scene.store, job_id) == [(0, 1, AttemptState.LOST, False), (1, 1, AttemptState.LOST, True)]
    assert waiting(scene.store, job_id) == [(0, 1, 2, 0, 1)]
    assert scene.job(job_id).cancelled == 1


def test_what_gave_its_place_to_another_and_is_told_to_end_does_not_run_again(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 2, cpu=2000, priority=1)
    _, victim = scheduler.place(job_id, 1, 2)
    winner = scene.submit(cpu=2000, priority=2)
    scheduler.claim()
    scheduler.commit(Wish(winner, 1, victims=(victim,)))
    scene.store.alter(job_id, replicas=1)
    slots = scene.store.placements(job_id)
    assert stops(slots) == {0: Stop.NONE, 1: Stop.CANCEL}
    worker.end(slots[1], state=AttemptState.PREEMPTED)
    assert (waiting(scene.store, job_id), scene.job(job_id).cancelled) == ([], 1)


def test_replicas_that_leave_a_drained_machine_still_count(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 2)
    scheduler.place(job_id, 1, 2)
    scene.store.drain("m")
    scene.store.alter(job_id, replicas=1)
    assert stops(scene.store.placements(job_id)) == {0: Stop.PREEMPT, 1: Stop.CANCEL}
    worker.end_job(job_id, AttemptState.PREEMPTED)
    assert waiting(scene.store, job_id) == [(0, 1, 2, 0, 1)]


def test_scaling_down_further_leaves_those_alone_that_are_told_to_end(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 4)
    scheduler.place(job_id, 1, 4)
    for replicas in (3, 2):
        scene.store.alter(job_id, replicas=replicas)
    told = {0: Stop.NONE, 1: Stop.NONE, 2: Stop.CANCEL, 3: Stop.CANCEL}
    assert stops(scene.store.placements(job_id)) == told


def test_scaling_up_while_replicas_end_brings_new_ones(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 3)
    scheduler.place(job_id, 1, 3)
    scene.store.alter(job_id, replicas=1)
    status = scene.store.alter(job_id, replicas=2)
    assert (status.replicas, status.task_count, status.waiting) == (2, 4, 1)
    worker.end(*scene.store.placements(job_id)[1:], state=CANCELLED)
    assert list(stops(scheduler.place(job_id, 1))) == [0, 3]


def test_scaling_up_after_some_never_had_a_number(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 4)
    scheduler.place(job_id, 1)
    scene.store.alter(job_id, replicas=1)
    status = scene.store.alter(job_id, replicas=3)
    assert (status.replicas, status.waiting) == (3, 2)
    assert len(scheduler.place(job_id, 1, 2)) == 3


def test_down_to_none_and_up_again(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = service(scene, 2)
    scheduler.place(job_id, 1)
    status = scene.store.alter(job_id, replicas=0)
    assert (status.replicas, status.never_placed) == (0, 1)
    worker.end_job(job_id, CANCELLED)
    status = scene.job(job_id)
    assert (status.state.final, status.open, status.placed) == (False, True, 0)
    assert scheduler.claim_ids() == []
    assert scene.store.alter(job_id, replicas=1).waiting == 1
    scheduler.place(job_id, 1)
    assert scene.store.cancel(job_id).state is JobState.RUNNING


def test_a_scaled_service_ends_by_cancellation(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 4)
    scheduler.place(job_id, 1, 3)
    scene.store.alter(job_id, replicas=2)
    scene.store.cancel(job_id)
    worker.end_job(job_id, CANCELLED)
    status = scene.job(job_id)
    assert (status.state, status.cancelled, status.never_placed) == (JobState.CANCELLED, 4, 1)


def test_a_claimed_service_with_nothing_left_to_place_is_given_back(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 2)
    scheduler.place(job_id, 1)
    scheduler.claim()
    assert scene.store.alter(job_id, replicas=1).claimed_by == 0
    assert scheduler.claim_ids() == []


@pytest.mark.parametrize("how", ["held", "blocked"])
def test_a_service_that_may_not_be_placed_yet_is_scaled_all_the_same(
    scene: Scene, scheduler: SchedulerHand, how: str
) -> None:
    parent = scene.submit(scheduler="other")
    job_id = service(scene, 1, held=how == "held", after=(parent,) if how == "blocked" else ())
    assert scene.store.alter(job_id, replicas=3).waiting == 3
    assert scheduler.claim_ids() == []
    assert scene.store.alter(job_id, replicas=0).waiting == 0
    assert scene.job(job_id).state is (JobState.BLOCKED if how == "blocked" else JobState.PENDING)
