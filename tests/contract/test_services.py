"""Services: their tasks run again whenever they end, with back-off."""

from __future__ import annotations

from typing import Any

import pytest

from omegacell.cellstate.model import AttemptState, JobState, RetryRange
from tests.contract.scene import FAILURES, Scene, SchedulerHand, WorkerHand


@pytest.fixture
def service(scene: Scene) -> int:
    """A service of one task."""
    return scene.submit(service=True, backoff_seconds=1.0, backoff_max_seconds=8.0, max_lost=1)


def run(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, service: int, **report: Any
) -> RetryRange:
    """Place the service's task and report its end; what waits to run again, which a minute later is due."""
    (placement,) = scheduler.place(service, 1)
    worker.end(placement, **report)
    waiting = scene.retry(service)
    scene.clock.advance(60.0)
    return waiting


@pytest.mark.parametrize("state", [AttemptState.SUCCEEDED, *FAILURES])
def test_it_backs_off_more_each_time_whatever_its_retries(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, service: int, state: AttemptState
) -> None:
    for failures in (1, 2, 3):
        waiting = run(scene, worker, scheduler, service, state=state)
        assert (waiting.failures, waiting.attempt) == (failures, failures + 1)
    status = scene.job(service)
    assert (status.state, status.succeeded, status.failed) == (JobState.RUNNING, 0, 0)
    assert not any(outcome.final for outcome in scene.outcomes(service))


def test_it_starts_counting_anew_after_a_long_run(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, service: int
) -> None:
    for ran_seconds, failures in ((1.0, 1), (1.0, 2), (8.0, 3), (8.25, 1)):
        assert run(scene, worker, scheduler, service, ran_seconds=ran_seconds).failures == failures


def test_one_that_never_started_has_not_run_for_long(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, service: int
) -> None:
    for failures in (1, 2):
        waiting = run(
            scene,
            worker,
            scheduler,
            service,
            state=AttemptState.START_FAILED,
            ran_seconds=0.0,
            started_at=0.0,
        )
        assert waiting.failures == failures


def test_it_ends_by_cancellation(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, service: int
) -> None:
    scheduler.place(service, 1)
    scene.store.cancel(service)
    worker.end_job(service, AttemptState.CANCELLED)
    assert scene.job(service).state is JobState.CANCELLED


def test_a_service_is_lost_as_often_as_it_may_be_and_runs_again(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, service: int
) -> None:
    run(scene, worker, scheduler, service, state=AttemptState.LOST)
    scheduler.place(service, 1)
    worker.end_job(service, AttemptState.PREEMPTED)
    (waiting,) = scene.store.retries(service)
    assert (waiting.attempt, waiting.lost) == (3, 2)
    assert scene.job(service).state is JobState.RUNNING
