"""Running again what has no result in a job that failed."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import AttemptState, JobState, OnLost
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.slots import ends

SUCCEEDED, FAILED, CANCELLED = AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED
HOUR = 3600.0


@pytest.fixture
def worker(scene: Scene) -> WorkerHand:
    """A worker with machine 1, whose lease outlives the tests."""
    worker = scene.worker(lease_seconds=HOUR)
    worker.machine()
    return worker


@pytest.fixture
def scheduler(scene: Scene) -> SchedulerHand:
    """A scheduler whose lease outlives the tests."""
    return scene.scheduler(lease_seconds=HOUR)


def again(scene: Scene, job_id: int) -> dict[int, tuple[int, int, int, float]]:
    """Attempt, failures, losses and time of each task that waits to run again."""
    return {
        task: (one.attempt, one.failures, one.lost, one.not_before)
        for one in scene.store.retries(job_id)
        for task in range(one.first_index, one.first_index + one.count)
    }


def ended_so(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, job_id: int, *states: AttemptState
) -> int:
    """Place a job's next tasks, one a slot, and report how each ended; the job."""
    slots = scheduler.place(job_id, 1, len(states))
    for slot, state in zip(slots, states, strict=True):
        worker.end(slot, state=state)
    return job_id


def test_only_what_failed_runs_again_and_then_the_job_succeeds(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = ended_so(scene, worker, scheduler, scene.submit(tasks=4), SUCCEEDED, FAILED, SUCCEEDED, FAILED)
    scene.clock.advance(1.0)
    status = scene.store.retry_failed(job_id)
    assert (status.state, status.succeeded, status.failed, status.waiting_retry) == (
        JobState.PENDING,
        2,
        0,
        2,
    )
    assert (status.ended_at, status.reason, status.waiting) == (0.0, "", 0)
    assert status == scene.job(job_id)
    now = scene.clock.now()
    assert again(scene, job_id) == {1: (2, 0, 0, now), 3: (2, 0, 0, now)}
    ended_so(scene, worker, scheduler, job_id, SUCCEEDED, SUCCEEDED)
    assert (scene.job(job_id).state, scene.job(job_id).succeeded) == (JobState.SUCCEEDED, 4)


def test_the_earlier_ends_are_history(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = ended_so(scene, worker, scheduler, scene.submit(tasks=2), SUCCEEDED, FAILED)
    scene.store.retry_failed(job_id)
    assert ends(scene.store, job_id) == [(0, 1, SUCCEEDED, True), (1, 1, FAILED, False)]
    ended_so(scene, worker, scheduler, job_id, FAILED)
    assert ends(scene.store, job_id)[1:] == [(1, 1, FAILED, False), (1, 2, FAILED, True)]


def test_it_may_be_asked_for_each_time_the_job_has_failed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit()
    for attempt in (1, 2, 3):
        ended_so(scene, worker, scheduler, job_id, FAILED)
        assert scene.job(job_id).state is JobState.FAILED
        scene.store.retry_failed(job_id)
        assert again(scene, job_id)[0][0] == attempt + 1


def test_budgets_are_like_new(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(retries=1, max_lost=1, backoff_seconds=0.0)
    for state in (FAILED, AttemptState.PREEMPTED, FAILED):
        ended_so(scene, worker, scheduler, job_id, state)
    scene.store.retry_failed(job_id)
    assert again(scene, job_id) == {0: (4, 0, 0, scene.clock.now())}
    for state in (FAILED, AttemptState.PREEMPTED):
        ended_so(scene, worker, scheduler, job_id, state)
        assert not scene.job(job_id).state.final


@pytest.mark.parametrize("state", [AttemptState.TIMED_OUT, AttemptState.START_FAILED, AttemptState.LOST])
def test_however_a_task_failed_it_runs_again(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: AttemptState
) -> None:
    job_id = ended_so(scene, worker, scheduler, scene.submit(on_lost=OnLost.FAIL), state)
    assert scene.store.retry_failed(job_id).waiting_retry == 1
    assert ends(scene.store, job_id) == [(0, 1, state, False)]


def test_what_was_cancelled_with_too_many_failures_runs_too(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=6, max_failures=1)
    waits, fails, runs = scheduler.place(job_id, 1, 3)
    worker.end(waits, state=AttemptState.PREEMPTED)
    worker.end(fails, state=FAILED)
    assert (scene.states(job_id), again(scene, job_id)) == ([JobState.RUNNING], {})
    worker.end(runs, state=CANCELLED)
    status = scene.job(job_id)
    assert (status.state, status.failed, status.cancelled, status.never_placed) == (JobState.FAILED, 1, 5, 3)
    status = scene.store.retry_failed(job_id)
    assert (status.state, status.failed, status.cancelled, status.never_placed) == (JobState.PENDING, 0, 0, 0)
    assert (status.cancel_requested, status.waiting_retry, status.waiting) == (False, 3, 3)
    now = scene.clock.now()
    assert again(scene, job_id) == {0: (3, 0, 0, now), 1: (2, 0, 0, now), 2: (2, 0, 0, now)}
    for _ in range(2):
        ended_so(scene, worker, scheduler, job_id, *[SUCCEEDED] * 3)
    assert scene.states(job_id) == [JobState.SUCCEEDED]


def test_what_was_never_numbered_is_numbered_in_its_turn(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = ended_so(scene, worker, scheduler, scene.submit(tasks=4, max_failures=1), FAILED)
    assert scene.job(job_id).never_placed == 3
    status = scene.store.retry_failed(job_id)
    assert (status.never_placed, status.next_index, status.waiting) == (0, 1, 3)
    assert [job.pending for job in scheduler.claim()] == [4]
    slots = scheduler.place(job_id, 1, 4)
    assert [(slot.first_index, slot.attempt) for slot in slots] == [(0, 2), (1, 1), (2, 1), (3, 1)]


def test_its_limit_of_failures_counts_anew(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = ended_so(scene, worker, scheduler, scene.submit(tasks=4, max_failures=2), FAILED, FAILED)
    assert scene.job(job_id).state is JobState.FAILED
    scene.store.retry_failed(job_id)
    ended_so(scene, worker, scheduler, job_id, FAILED)
    assert scene.states(job_id) == [JobState.RUNNING]
    ended_so(scene, worker, scheduler, job_id, FAILED)
    assert (scene.states(job_id), scene.job(job_id).reason) == (
        [JobState.FAILED],
        "max_failures=2 was reached",
    )


def test_when_it_was_first_placed_stays_as_it_was(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = ended_so(scene, worker, scheduler, scene.submit(), FAILED)
    before = scene.job(job_id)
    scene.clock.advance(1.0)
    scene.store.retry_failed(job_id)
    ended_so(scene, worker, scheduler, job_id, SUCCEEDED)
    status = scene.job(job_id)
    assert (status.first_placed_at, status.first_attempt_at) == (
        before.first_placed_at,
        before.first_attempt_at,
    )


def test_its_deadline_is_dropped(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=2, deadline_seconds=30.0)
    scene.clock.advance(31.0)
    scene.store.reap()
    assert scene.states(job_id) == [JobState.FAILED]
    scene.store.retry_failed(job_id)
    scene.clock.advance(60.0)
    scene.store.reap()
    ended_so(scene, worker, scheduler, job_id, SUCCEEDED, SUCCEEDED)
    assert scene.states(job_id) == [JobState.SUCCEEDED]


def test_its_clients_lease_is_dropped(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = ended_so(scene, worker, scheduler, scene.submit(lease_seconds=30.0), FAILED)
    scene.store.retry_failed(job_id)
    assert not scene.store.renew_job(job_id, 30.0)
    scene.clock.advance(60.0)
    scene.store.reap()
    assert scene.states(job_id) == [JobState.PENDING]


def test_one_that_succeeded_is_left_as_it_is(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = ended_so(scene, worker, scheduler, scene.submit(), SUCCEEDED)
    before = scene.job(job_id)
    assert scene.store.retry_failed(job_id) == before == scene.job(job_id)


@pytest.mark.parametrize("how", ["pending", "running", "cancelled", "blocked", "gave up", "service"])
def test_one_that_was_cancelled_or_has_not_ended_is_refused(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, how: str
) -> None:
    job_id = scene.submit(service=how == "service")
    match how:
        case "running":
            scheduler.place(job_id, 1)
        case "cancelled":
            scene.store.cancel(job_id)
        case "blocked":
            job_id = scene.submit(after=(job_id,))
        case "gave up":
            scheduler.claim()
            scheduler.settle(job_id, gave_up=True)
        case _:
            pass
    before = scene.job(job_id)
    with pytest.raises(SpecInvalid, match=f"j{job_id}"):
        scene.store.retry_failed(job_id)
    assert scene.job(job_id) == before


def test_jobs_that_were_cancelled_because_it_failed_stay_so_and_later_ones_wait_for_it(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    parent = scene.submit()
    cancelled = scene.submit(after=(parent,))
    ended_so(scene, worker, scheduler, parent, FAILED)
    scene.store.retry_failed(parent)
    waiting = scene.submit(after=(parent,))
    assert scene.states(cancelled, waiting) == [JobState.CANCELLED, JobState.BLOCKED]
    ended_so(scene, worker, scheduler, parent, SUCCEEDED)
    assert scene.states(cancelled, waiting) == [JobState.CANCELLED, JobState.PENDING]


def test_a_job_that_runs_again_is_not_forgotten(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = ended_so(scene, worker, scheduler, scene.submit(), FAILED)
    later = ended_so(scene, worker, scheduler, scene.submit(), FAILED)
    scene.store.retry_failed(job_id)
    scene.clock.advance(HOUR)
    assert scene.store.purge(older_than_seconds=0.0).jobs == 1
    assert [job.job_id for job in scene.store.jobs()] == [job_id]
    ended_so(scene, worker, scheduler, job_id, SUCCEEDED)
    scene.clock.advance(1.0)
    assert scene.store.purge(older_than_seconds=2.0).jobs == 0
    scene.clock.advance(2.0)
    assert scene.store.purge(older_than_seconds=2.0).jobs == 1
    assert later != job_id


def test_a_task_cancelled_alone_in_a_job_that_failed_runs_too(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=3)
    scene.store.cancel_tasks(job_id, [(1, 1)])
    ended_so(scene, worker, scheduler, job_id, FAILED, SUCCEEDED)
    assert scene.states(job_id) == [JobState.FAILED]
    scene.store.retry_failed(job_id)
    assert again(scene, job_id) == {task: (2, 0, 0, scene.clock.now()) for task in (0, 1)}
    assert ends(scene.store, job_id) == [
        (0, 1, FAILED, False),
        (1, 1, CANCELLED, False),
        (2, 1, SUCCEEDED, True),
    ]


def test_a_closed_job_stays_closed(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job([b"a"])
    ended_so(scene, worker, scheduler, job_id, FAILED)
    scene.store.close_job(job_id)
    assert not scene.store.retry_failed(job_id).open
    ended_so(scene, worker, scheduler, job_id, SUCCEEDED)
    assert scene.states(job_id) == [JobState.SUCCEEDED]
    assert scene.store.inputs(job_id, 0, 1) == (b"a",)


def test_a_held_job_stays_held(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit()
    scheduler.place(job_id, 1)
    scene.store.hold(job_id)
    worker.end_job(job_id, FAILED)
    assert scene.store.retry_failed(job_id).held
    assert scheduler.claim_ids() == []
    scene.store.release(job_id)
    assert scheduler.claim_ids() == [job_id]
