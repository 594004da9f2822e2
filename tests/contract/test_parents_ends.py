"""However a job ends, what comes after it is settled in the same call."""

from __future__ import annotations

import pytest

from omegacell.cellstate.model import AttemptState, JobState, OnLost
from tests.contract.scene import Scene, SchedulerHand, WorkerHand, worker_spec

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


def settled(scene: Scene, parent: int, state: JobState) -> None:
    """The parent ended so, and the two jobs that came after it are where they belong."""
    strict, lenient = parent + 1, parent + 2
    expected = JobState.PENDING if state is JobState.SUCCEEDED else JobState.CANCELLED
    assert scene.states(parent, strict, lenient) == [state, expected, JobState.PENDING]
    verb = {JobState.FAILED: "failed", JobState.CANCELLED: "was cancelled"}.get(state)
    assert scene.job(strict).reason == (f"j{parent}, which it comes after, {verb}" if verb else "")


def family(scene: Scene, **fields: object) -> int:
    """A job, and two that come after it: one if it succeeds, one in any case."""
    parent = scene.submit(**fields)
    scene.submit(after=(parent,))
    scene.submit(after_any=(parent,))
    assert scene.states(parent + 1, parent + 2) == [JobState.BLOCKED] * 2
    return parent


def test_by_giving_up(scene: Scene, scheduler: SchedulerHand) -> None:
    parent = family(scene)
    scheduler.claim()
    scheduler.settle(parent, gave_up=True)
    settled(scene, parent, JobState.CANCELLED)


def test_by_the_cancellation_of_its_last_tasks(scene: Scene) -> None:
    parent = family(scene, tasks=2)
    scene.store.cancel_tasks(parent, [(0, 2)])
    settled(scene, parent, JobState.CANCELLED)


def test_by_closing(scene: Scene) -> None:
    parent = family(scene, tasks=0, open=True)
    scene.store.close_job(parent)
    settled(scene, parent, JobState.SUCCEEDED)


def test_by_too_many_failures(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    parent = family(scene, tasks=5, max_failures=1)
    scheduler.place(parent, 1)
    worker.end_job(parent, AttemptState.FAILED)
    settled(scene, parent, JobState.FAILED)


def test_by_its_deadline(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    parent = family(scene, deadline_seconds=30.0)
    scene.clock.advance(30.25)
    scene.store.reap()
    settled(scene, parent, JobState.FAILED)


def test_by_the_end_of_its_clients_lease(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    parent = family(scene, tasks=0, open=True, lease_seconds=30.0)
    scene.store.append(parent, 0, [b""])
    scene.clock.advance(30.25)
    scene.store.reap()
    settled(scene, parent, JobState.CANCELLED)


def test_by_the_loss_of_its_machine(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    parent = family(scene, on_lost=OnLost.FAIL)
    scheduler.place(parent, 1)
    worker.machine()
    settled(scene, parent, JobState.FAILED)


def test_by_its_workers_leave(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    parent = family(scene, on_lost=OnLost.FAIL)
    scheduler.place(parent, 1)
    worker.release()
    settled(scene, parent, JobState.FAILED)


def test_by_its_workers_replacement(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    parent = family(scene, on_lost=OnLost.FAIL)
    scheduler.place(parent, 1)
    scene.store.register_worker(worker_spec("w"), lease_seconds=HOUR)
    settled(scene, parent, JobState.FAILED)


def test_by_its_workers_death(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    parent = family(scene, on_lost=OnLost.FAIL)
    scheduler.place(parent, scene.worker("other", lease_seconds=5.0).machine("short-lived"))
    scene.clock.advance(6.0)
    assert scene.store.reap() == 1
    settled(scene, parent, JobState.FAILED)


def test_by_success_after_a_second_attempt(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    parent = family(scene, retries=1, backoff_seconds=1.0)
    scheduler.place(parent, 1)
    worker.end_job(parent, AttemptState.FAILED)
    assert scene.states(parent + 1, parent + 2) == [JobState.BLOCKED] * 2
    scene.clock.advance(1.0)
    scheduler.place(parent, 1)
    worker.end_job(parent)
    settled(scene, parent, JobState.SUCCEEDED)


def test_by_the_end_of_a_parent_of_its_own(scene: Scene) -> None:
    first = scene.submit()
    parent = family(scene, after=(first,))
    scene.store.cancel(first)
    settled(scene, parent, JobState.CANCELLED)
