"""How a job stands once all its tasks have ended, by how they did."""

from __future__ import annotations

import pytest

from omegacell.cellstate.model import AttemptState, JobState
from tests.contract.scene import Scene, SchedulerHand, WorkerHand

SUCCEEDED, FAILED, CANCELLED = AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize(
    ("states", "left_alone", "asked_to_end"),
    [
        ((SUCCEEDED, SUCCEEDED), JobState.SUCCEEDED, JobState.SUCCEEDED),
        ((SUCCEEDED, FAILED), JobState.FAILED, JobState.CANCELLED),
        ((SUCCEEDED, CANCELLED), JobState.CANCELLED, JobState.CANCELLED),
        ((FAILED, CANCELLED), JobState.FAILED, JobState.CANCELLED),
        ((CANCELLED, CANCELLED), JobState.CANCELLED, JobState.CANCELLED),
    ],
)
def test_it_is_the_first_of_these_that_is_true(
    scene: Scene,
    worker: WorkerHand,
    scheduler: SchedulerHand,
    *,
    states: tuple[AttemptState, ...],
    left_alone: JobState,
    asked_to_end: JobState,
    cancelled: bool,
) -> None:
    job_id = scene.submit(tasks=2)
    slots = scheduler.place(job_id, 1, 2)
    if cancelled:
        scene.store.cancel(job_id)
    for slot, state in zip(slots, states, strict=True):
        assert not scene.job(job_id).state.final
        worker.end(slot, state=state)
    assert scene.states(job_id) == [asked_to_end if cancelled else left_alone]


def test_a_cancellation_counts_for_more_than_an_earlier_failure(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, FAILED)
    status = scene.store.cancel(job_id)
    assert (status.state, status.failed, status.reason) == (JobState.CANCELLED, 1, "cancelled by request")


def test_too_many_failures_count_for_more_than_a_cancellation(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2, max_failures=1)
    slots = scheduler.place(job_id, 1, 2)
    worker.end(slots[0], state=FAILED)
    scene.store.cancel(job_id)
    worker.end(slots[1], state=CANCELLED)
    assert scene.states(job_id) == [JobState.FAILED]


def test_a_failure_after_a_cancellation_is_none(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2, max_failures=1)
    scheduler.place(job_id, 1, 2)
    scene.store.cancel(job_id)
    worker.end_job(job_id, FAILED)
    status = scene.job(job_id)
    assert (status.state, status.failed, status.reason) == (JobState.CANCELLED, 0, "cancelled by request")


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED, CANCELLED])
def test_a_task_that_ended_alone_ends_no_service(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, end: AttemptState
) -> None:
    service = scene.submit(service=True)
    scheduler.place(service, 1)
    worker.end_job(service, end)
    assert not scene.job(service).state.final
