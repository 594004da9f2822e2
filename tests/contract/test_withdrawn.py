"""Jobs that are withdrawn: for too many failures, for their deadline, or because their client is gone."""

from __future__ import annotations

import pytest

from omegacell.cellstate.model import AttemptState, JobState, Stop
from tests.contract.scene import Scene, SchedulerHand, WorkerHand

FAILED, CANCELLED = AttemptState.FAILED, AttemptState.CANCELLED
HOUR = 3600.0


@pytest.fixture
def worker(scene: Scene) -> WorkerHand:
    """A worker with machine 1, whose lease outlives the tests."""
    worker = scene.worker(lease_seconds=10_000 * HOUR)
    worker.machine()
    return worker


@pytest.fixture
def scheduler(scene: Scene) -> SchedulerHand:
    """A scheduler whose lease outlives the tests."""
    return scene.scheduler(lease_seconds=10_000 * HOUR)


def told(scene: Scene, job_id: int) -> list[Stop]:
    """What its slots are told."""
    return [slot.stop for slot in scene.store.placements(job_id)]


def test_too_many_failures_end_a_job_as_failed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=9, max_failures=2)
    first, second, third, fourth = scheduler.place(job_id, 1, 4)
    worker.end(first, state=FAILED)
    assert (scene.job(job_id).waiting, told(scene, job_id)) == (5, [Stop.NONE] * 3)
    worker.end(second, state=FAILED)
    status = scene.job(job_id)
    assert (status.failed, status.never_placed, status.cancelled, status.waiting) == (2, 5, 5, 0)
    assert (status.state, status.reason, told(scene, job_id)) == (
        JobState.RUNNING,
        "max_failures=2 was reached",
        [Stop.CANCEL] * 2,
    )
    assert scheduler.claim_ids() == []
    worker.end(third)
    worker.end(fourth, state=CANCELLED)
    status = scene.job(job_id)
    assert (status.state, status.succeeded, status.failed, status.cancelled) == (JobState.FAILED, 1, 2, 6)
    assert status.reason == "max_failures=2 was reached"


def test_only_failures_for_good_count(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=3, max_failures=1, retries=1, backoff_seconds=0.0)
    for end in (FAILED, AttemptState.PREEMPTED, CANCELLED):
        worker.end(scheduler.place(job_id, 1)[0], state=end)
    status = scene.job(job_id)
    assert (status.state.final, status.failed, status.cancelled) == (False, 0, 1)


def test_tasks_that_fail_in_one_report_all_count(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(tasks=5, retries=0, max_failures=2)
    worker.end(slot, state=FAILED)
    status = scene.job(slot.job_id)
    assert (status.state, status.failed, status.reason) == (JobState.FAILED, 5, "max_failures=2 was reached")


def test_what_a_slot_leaves_behind_when_too_many_failed_is_cancelled(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(tasks=5, retries=0, max_failures=2)
    worker.report(slot, dict.fromkeys(range(2), FAILED))
    status = scene.job(slot.job_id)
    assert (status.state, status.failed, status.cancelled, status.never_placed) == (JobState.FAILED, 2, 3, 0)


def test_tasks_lost_for_good_are_failures(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=4, max_failures=2, max_lost=0)
    scheduler.place(job_id, 1, 2)
    worker.machine()
    assert (scene.states(job_id), scene.job(job_id).never_placed) == ([JobState.FAILED], 2)


def test_an_open_job_is_closed_by_too_many_failures(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 3, max_failures=1)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, FAILED)
    status = scene.job(job_id)
    assert (status.state, status.open, status.never_placed) == (JobState.FAILED, False, 2)


def test_a_service_fails_as_often_as_it_likes(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(service=True, max_failures=1, backoff_seconds=0.0)
    for _ in range(3):
        scheduler.place(job_id, 1)
        worker.end_job(job_id, FAILED)
    assert (scene.states(job_id), scene.job(job_id).waiting_retry) == ([JobState.RUNNING], 1)


def test_a_cancellation_after_too_many_failures_changes_nothing(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=4, max_failures=1)
    first, second = scheduler.place(job_id, 1, 2)
    worker.end(first, state=FAILED)
    scene.store.cancel(job_id)
    worker.end(second, state=CANCELLED)
    status = scene.job(job_id)
    assert (status.state, status.reason) == (JobState.FAILED, "max_failures=1 was reached")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.5, "0.5"), (60.0, "60"), (90.25, "90.25"), (86_400.0, "86400"), (1_209_600.0, "1209600")],
)
def test_a_job_whose_deadline_has_passed_has_failed(scene: Scene, seconds: float, written: str) -> None:
    job_id, other = scene.submit(tasks=3, deadline_seconds=seconds), scene.submit()
    scene.clock.advance(seconds - 0.25)
    scene.store.reap()
    assert scene.states(job_id) == [JobState.PENDING]
    scene.clock.advance(0.5)
    scene.store.reap()
    status = scene.job(job_id)
    assert (status.state, status.reason) == (JobState.FAILED, f"its deadline of {written} s has passed")
    assert (status.never_placed, status.cancelled, status.ended_at) == (3, 3, scene.clock.now())
    assert scene.scheduler().claim_ids() == [other]


def test_a_deadline_stops_what_runs(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=4, deadline_seconds=60.0, retries=3, backoff_seconds=HOUR)
    waits, _runs = scheduler.place(job_id, 1, 2)
    worker.end(waits, state=FAILED)
    scene.clock.advance(60.25)
    scene.store.reap()
    status = scene.job(job_id)
    assert (status.state, status.never_placed, status.waiting_retry) == (JobState.RUNNING, 2, 0)
    assert told(scene, job_id) == [Stop.CANCEL]
    worker.end_job(job_id, CANCELLED)
    status = scene.job(job_id)
    assert (status.state, status.reason) == (JobState.FAILED, "its deadline of 60 s has passed")


def test_a_job_that_succeeds_after_its_deadline_has_succeeded(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(deadline_seconds=60.0)
    scheduler.place(job_id, 1)
    scene.clock.advance(60.25)
    scene.store.reap()
    worker.end_job(job_id)
    assert scene.states(job_id) == [JobState.SUCCEEDED]


def test_a_deadline_takes_a_claim_away(scene: Scene, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(deadline_seconds=60.0)
    scheduler.claim()
    scene.clock.advance(60.25)
    scene.store.reap()
    assert (scene.states(job_id), scene.job(job_id).claimed_by) == ([JobState.FAILED], 0)
    assert scheduler.claim_ids() == []


@pytest.mark.parametrize("how", ["held", "blocked", "open"])
def test_a_deadline_passes_whatever_a_job_waits_for(scene: Scene, how: str) -> None:
    parent = scene.submit()
    job_id = scene.submit(
        deadline_seconds=60.0,
        held=how == "held",
        open=how == "open",
        after=(parent,) if how == "blocked" else (),
    )
    scene.clock.advance(60.25)
    scene.store.reap()
    status = scene.job(job_id)
    assert (status.state, status.open, status.blocked_by) == (JobState.FAILED, False, 0)
    assert scene.states(parent) == [JobState.PENDING]


def test_a_deadline_does_not_matter_to_a_job_that_has_ended(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    ended, cancelled = (scene.submit(deadline_seconds=60.0) for _ in range(2))
    scheduler.place(ended, 1)
    worker.end_job(ended)
    scene.store.cancel(cancelled)
    before = scene.store.statuses([ended, cancelled])
    scene.clock.advance(60.25)
    scene.store.reap()
    assert scene.store.statuses([ended, cancelled]) == before


def test_a_job_that_is_being_cancelled_when_its_deadline_passes_is_cancelled(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(deadline_seconds=60.0)
    scheduler.place(job_id, 1)
    scene.store.cancel(job_id)
    scene.clock.advance(60.25)
    scene.store.reap()
    worker.end_job(job_id, CANCELLED)
    assert (scene.states(job_id), scene.job(job_id).reason) == ([JobState.CANCELLED], "cancelled by request")


def test_a_job_whose_client_is_gone_is_cancelled(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 3, lease_seconds=30.0)
    scheduler.place(job_id, 1)
    scene.clock.advance(29.75)
    scene.store.reap()
    assert (scene.job(job_id).open, told(scene, job_id)) == (True, [Stop.NONE])
    scene.clock.advance(0.5)
    scene.store.reap()
    status = scene.job(job_id)
    assert (status.open, status.never_placed, told(scene, job_id)) == (False, 2, [Stop.CANCEL])
    worker.end_job(job_id, CANCELLED)
    status = scene.job(job_id)
    assert (status.state, status.reason) == (JobState.CANCELLED, "its program has ended")


def test_a_client_that_renews_in_time_keeps_its_job(scene: Scene) -> None:
    job_id = scene.open_job([b""], lease_seconds=30.0)
    for _ in range(4):
        scene.clock.advance(20.0)
        assert scene.store.renew_job(job_id, 30.0)
        scene.store.reap()
    scene.clock.advance(20.0)
    assert scene.store.renew_job(job_id, 5.0)
    scene.clock.advance(5.25)
    scene.store.reap()
    assert scene.states(job_id) == [JobState.CANCELLED]
    assert not scene.store.renew_job(job_id, 30.0)


def test_a_lease_that_has_ended_and_was_not_looked_at_yet_may_be_renewed(scene: Scene) -> None:
    job_id = scene.open_job([b""], lease_seconds=30.0)
    scene.clock.advance(40.0)
    assert scene.store.renew_job(job_id, 30.0)
    scene.store.reap()
    assert scene.states(job_id) == [JobState.PENDING]


def test_a_closed_jobs_client_still_counts(scene: Scene) -> None:
    job_id = scene.open_job([b""], lease_seconds=30.0)
    scene.store.close_job(job_id)
    assert scene.store.renew_job(job_id, 30.0)
    scene.clock.advance(30.25)
    scene.store.reap()
    assert (scene.states(job_id), scene.job(job_id).reason) == ([JobState.CANCELLED], "its program has ended")


def test_a_job_without_a_lease_needs_nobody(scene: Scene) -> None:
    detached, plain = scene.open_job([b""]), scene.submit()
    assert not scene.store.renew_job(detached, 30.0)
    assert not scene.store.renew_job(plain, 30.0)
    scene.clock.advance(60.0)
    scene.store.reap()
    assert scene.states(detached, plain) == [JobState.PENDING] * 2


def test_a_cancelled_job_cannot_be_renewed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""], lease_seconds=30.0)
    scheduler.place(job_id, 1)
    scene.store.cancel(job_id)
    assert not scene.store.renew_job(job_id, 30.0)
