"""Holding a job: nothing more of it is placed before it is released."""

from __future__ import annotations

import pytest

from omegacell.cellstate.model import AttemptState, JobState, Reason
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import answers


def test_a_held_job_is_nobodys_until_it_is_released(scene: Scene, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=2)
    status = scene.store.hold(job_id)
    assert (status.held, status.state) == (True, JobState.PENDING)
    assert status == scene.job(job_id)
    assert scheduler.claim_ids() == []
    status = scene.store.release(job_id)
    assert (status.held, status.state) == (False, JobState.PENDING)
    assert scheduler.claim_ids() == [job_id]


def test_one_submitted_held_waits_for_its_release(scene: Scene, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(held=True)
    assert (scene.job(job_id).held, scene.job(job_id).state) == (True, JobState.PENDING)
    assert scheduler.claim_ids() == []
    scene.store.release(job_id)
    assert scheduler.claim_ids() == [job_id]


def test_both_may_be_said_again(scene: Scene, scheduler: SchedulerHand) -> None:
    job_id = scene.submit()
    assert scene.store.hold(job_id) == scene.store.hold(job_id)
    assert scene.store.release(job_id) == scene.store.release(job_id)
    assert scheduler.claim_ids() == [job_id]


def test_a_release_of_what_is_not_held_changes_nothing(scene: Scene, scheduler: SchedulerHand) -> None:
    queued, claimed = scene.submit(scheduler="other"), scene.submit()
    scheduler.claim()
    before = scene.store.statuses([queued, claimed])
    assert (scene.store.release(queued), scene.store.release(claimed)) == before
    assert before[1].claimed_by == scheduler.lease.holder_id


def test_a_claim_is_taken_away(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=2)
    scheduler.claim()
    assert scene.store.hold(job_id).claimed_by == 0
    assert scheduler.claim_ids() == []
    assert answers(scheduler.commit((job_id, 1, 1))) == [(0, Reason.JOB_NOT_CLAIMED, 0)]
    scheduler.settle(job_id)
    assert (scene.job(job_id).attempts, scheduler.claim_ids()) == (0, [])


def test_what_is_placed_runs_on_and_may_end_the_job(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2)
    slots = scheduler.place(job_id, 1, 2)
    assert scene.store.hold(job_id).state is JobState.RUNNING
    assert scene.store.placements(job_id) == slots
    worker.end_job(job_id)
    assert scene.states(job_id) == [JobState.SUCCEEDED]


def test_what_fails_while_it_is_held_runs_again_after_the_release(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(retries=1, backoff_seconds=1.0)
    scheduler.place(job_id, 1)
    scene.store.hold(job_id)
    worker.end_job(job_id, AttemptState.FAILED)
    assert scene.job(job_id).waiting_retry == 1
    scene.clock.advance(2.0)
    assert scheduler.claim_ids() == []
    scene.store.fold([job_id])
    assert scheduler.claim_ids() == []
    scene.store.release(job_id)
    assert scheduler.claim_ids() == [job_id]


def test_a_release_does_not_shorten_the_back_off(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(retries=1, backoff_seconds=4.0)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, AttemptState.FAILED)
    scene.store.hold(job_id)
    scene.store.release(job_id)
    assert scheduler.claim_ids() == []
    scene.clock.advance(4.0)
    assert scheduler.claim_ids() == [job_id]


def test_a_released_job_goes_to_the_end_of_its_priority(scene: Scene, scheduler: SchedulerHand) -> None:
    first, second, urgent = scene.submit(), scene.submit(), scene.submit(priority=900)
    for job_id in (first, urgent):
        scene.store.hold(job_id)
        scene.store.release(job_id)
    assert scheduler.claim_ids() == [urgent, second, first]


def test_a_held_job_can_be_cancelled(scene: Scene) -> None:
    job_id = scene.submit(tasks=2, held=True)
    status = scene.store.cancel(job_id)
    assert (status.state, status.never_placed) == (JobState.CANCELLED, 2)


@pytest.mark.parametrize("end", [AttemptState.SUCCEEDED, AttemptState.FAILED])
def test_a_final_job_stays_as_it_ended(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, end: AttemptState
) -> None:
    job_id = scene.submit()
    scheduler.place(job_id, 1)
    worker.end_job(job_id, end)
    before = scene.job(job_id)
    for call in (scene.store.hold, scene.store.hold, scene.store.release, scene.store.release):
        after = call(job_id)
        assert (after.state, after.ended_at, after.claimed_by) == (before.state, before.ended_at, 0)
    assert scheduler.claim_ids() == []


def test_a_blocked_job_may_be_held_and_stays_blocked(scene: Scene, scheduler: SchedulerHand) -> None:
    parent = scene.submit()
    child = scene.submit(after_any=(parent,))
    assert scene.store.hold(child).state is JobState.BLOCKED
    assert scene.store.release(child).state is JobState.BLOCKED
    assert scheduler.claim_ids() == [parent]
    scene.store.hold(child)
    scene.store.cancel(parent)
    assert (scene.job(child).state, scene.job(child).held) == (JobState.PENDING, True)
    assert scheduler.claim_ids() == []
    scene.store.release(child)
    assert scheduler.claim_ids() == [child]


def test_one_submitted_held_and_blocked_waits_for_both(scene: Scene, scheduler: SchedulerHand) -> None:
    parent = scene.submit()
    first, second = (scene.submit(after_any=(parent,), held=True) for _ in range(2))
    assert scene.store.release(first).state is JobState.BLOCKED
    scene.store.cancel(parent)
    assert scheduler.claim_ids() == [first]
    assert scene.store.release(second).state is JobState.PENDING
    assert scheduler.claim_ids() == [first, second]


def test_a_held_job_with_nothing_left_to_place_is_not_queued_by_its_release(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit()
    scheduler.place(job_id, 1)
    scene.store.hold(job_id)
    scene.store.release(job_id)
    assert scheduler.claim_ids() == []


def test_a_service_may_be_held(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    service = scene.submit(service=True, tasks=2, backoff_seconds=0.0)
    scheduler.place(service, 1)
    scene.store.hold(service)
    worker.end_job(service)
    assert scheduler.claim_ids() == []
    scene.store.release(service)
    assert [job.pending for job in scheduler.claim()] == [2]


def test_a_scheduler_that_comes_again_does_not_bring_a_held_job_back(scene: Scene) -> None:
    job_id = scene.submit()
    scene.scheduler().claim()
    scene.store.hold(job_id)
    assert scene.scheduler().claim_ids() == []
