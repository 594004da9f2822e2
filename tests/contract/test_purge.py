"""Purging: jobs that ended long ago are forgotten, with all that is kept of them, and nothing else changes."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import AttemptState, JobState
from tests.contract.scene import Scene, SchedulerHand, WorkerHand, submission
from tests.contract.wishes import Wish

HOUR = 3600.0


def finished(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: AttemptState) -> int:
    """A job that has ended now."""
    job_id = scene.submit(tasks=2)
    scheduler.place(job_id, 1, 2)
    worker.end_job(job_id, state)
    return job_id


@pytest.fixture
def worker(scene: Scene) -> WorkerHand:
    """A worker with machine 1, whose lease outlives hours."""
    worker = scene.worker(lease_seconds=100 * HOUR)
    worker.machine()
    return worker


@pytest.fixture
def scheduler(scene: Scene) -> SchedulerHand:
    """A scheduler whose lease outlives hours."""
    return scene.scheduler(lease_seconds=100 * HOUR)


@pytest.mark.parametrize("state", [AttemptState.SUCCEEDED, AttemptState.FAILED])
def test_a_job_that_ended_longer_ago_is_forgotten(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: AttemptState
) -> None:
    old = finished(scene, worker, scheduler, state)
    scene.clock.advance(HOUR)
    young = finished(scene, worker, scheduler, state)
    scene.clock.advance(0.25)
    assert scene.store.purge(older_than_seconds=HOUR).jobs == 1
    assert [job.job_id for job in scene.store.jobs()] == [young]
    for ask in (scene.store.job, scene.store.cancel, scene.store.explanation, scene.store.outcomes):
        with pytest.raises(NotFound, match=f"j{old}"):
            ask(old)
    assert (scene.store.definitions([old]), scene.store.inputs(old, 0, 2)) == ((), ())
    assert len(scene.outcomes(young)) == 2


def test_a_job_that_was_cancelled_before_it_was_placed_is_forgotten_too(scene: Scene) -> None:
    job_id = scene.submit(tasks=3)
    scene.store.cancel(job_id)
    scene.clock.advance(1.0)
    assert scene.store.purge(older_than_seconds=0.5).jobs == 1
    assert scene.store.jobs() == ()


def test_what_has_not_ended_is_never_forgotten(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    running, queued, cancelled = scene.submit(), scene.submit(cpu=9000), scene.submit(tasks=2)
    scheduler.place(running, 1)
    scheduler.place(cancelled, 1)
    scene.store.cancel(cancelled)
    scene.clock.advance(48 * HOUR)
    assert scene.store.purge(older_than_seconds=0.0).jobs == 0
    assert [job.job_id for job in scene.store.jobs()] == [cancelled, queued, running]


def test_purging_again_finds_nothing(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    for _ in range(3):
        finished(scene, worker, scheduler, AttemptState.SUCCEEDED)
    scene.clock.advance(HOUR)
    assert [scene.store.purge(older_than_seconds=60.0).jobs for _ in range(2)] == [3, 0]


def test_a_jobs_number_is_never_given_again(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    old = finished(scene, worker, scheduler, AttemptState.SUCCEEDED)
    scene.clock.advance(HOUR)
    scene.store.purge(older_than_seconds=60.0)
    assert scene.submit() == old + 1


def test_a_forgotten_jobs_key_and_submission_stand_for_a_new_job(scene: Scene) -> None:
    again = submission(key="nightly")
    (first,) = scene.store.submit([again])
    scene.store.cancel(first.job_id)
    scene.clock.advance(HOUR)
    scene.store.purge(older_than_seconds=60.0)
    (second,) = scene.store.submit([again])
    assert (second.created, second.job_id > first.job_id) == (True, True)
    assert scene.job(second.job_id).state is JobState.PENDING


def test_a_forgotten_winners_victim_goes_on(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    (victim,) = scheduler.place(scene.submit(cpu=4000, priority=1), 1)
    winner = scene.submit(priority=2)
    scheduler.claim()
    scheduler.commit(Wish(winner, 1, victims=(victim,)))
    worker.end_job(winner)
    scene.clock.advance(HOUR)
    assert scene.store.purge(older_than_seconds=60.0).jobs == 1
    (held,) = scene.store.placements(victim.job_id)
    assert held.preempted_by == winner
    assert worker.end(held, state=AttemptState.PREEMPTED) == (True,)
    assert scene.retry(victim.job_id).lost == 1


def test_a_late_word_about_a_forgotten_job_changes_nothing(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit()
    (slot,) = scheduler.place(job_id, 1)
    worker.end(slot)
    scene.clock.advance(HOUR)
    scene.store.purge(older_than_seconds=60.0)
    assert worker.end(slot) == (False,)
    assert scene.store.fold([job_id]) == 0
