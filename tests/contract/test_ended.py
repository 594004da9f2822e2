"""What ended of an open job, as a stream: each final outcome once."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import NotFound, SpecInvalid
from omegacell.cellstate.model import AttemptState, JobState, Watermark
from tests.contract.scene import Scene, SchedulerHand, WorkerHand

SUCCEEDED, FAILED, CANCELLED = AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED


class Reader:
    """Who reads the endings of a job, and how far it has come."""

    def __init__(self, scene: Scene, job_id: int) -> None:
        self.scene = scene
        self.job_id = job_id
        self.watermark: Watermark | None = None

    def read(self) -> list[tuple[int, int, AttemptState]]:
        """Task, attempt and state of what is new, by task; all of it is final."""
        found = self.scene.store.ended(self.job_id, self.watermark)
        self.watermark = found.watermark
        assert all(one.final and one.job_id == self.job_id for one in found.outcomes)
        return sorted((one.task_index, one.attempt, one.state) for one in found.outcomes)


def test_each_final_outcome_comes_once(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job([b""] * 3)
    reader = Reader(scene, job_id)
    assert reader.read() == []
    first, second, third = scheduler.place(job_id, 1, 3)
    worker.end(second)
    assert reader.read() == [(1, 1, SUCCEEDED)]
    assert reader.read() == []
    worker.end(first, state=FAILED)
    worker.end(third)
    assert reader.read() == [(0, 1, FAILED), (2, 1, SUCCEEDED)]
    assert reader.read() == []


def test_an_outcome_comes_with_all_that_was_reported(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""])
    scheduler.place(job_id, 1)
    worker.end_job(job_id, result=b"\x00value", stdout_tail="out")
    assert scene.store.ended(job_id, None).outcomes == scene.outcomes(job_id)


def test_who_begins_anew_gets_them_all(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job([b""] * 2)
    reader = Reader(scene, job_id)
    for index in range(2):
        scheduler.place(job_id, 1)
        worker.end_job(job_id)
        assert reader.read() == [(index, 1, SUCCEEDED)]
    assert Reader(scene, job_id).read() == [(0, 1, SUCCEEDED), (1, 1, SUCCEEDED)]


def test_attempts_that_are_followed_by_another_do_not_come(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""], retries=1, backoff_seconds=0.0)
    reader = Reader(scene, job_id)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, FAILED)
    assert reader.read() == []
    scheduler.place(job_id, 1)
    worker.end_job(job_id, FAILED)
    assert reader.read() == [(0, 2, FAILED)]


def test_tasks_cancelled_alone_come_too(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job([b""] * 4, retries=1, backoff_seconds=0.0)
    reader = Reader(scene, job_id)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, FAILED)
    scene.store.cancel_tasks(job_id, [(0, 1), (2, 1)])
    assert reader.read() == [(0, 2, CANCELLED), (2, 1, CANCELLED)]


def test_of_a_cancelled_job_come_those_that_had_been_placed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 4, retries=1, backoff_seconds=0.0)
    reader = Reader(scene, job_id)
    waits, _runs = scheduler.place(job_id, 1, 2)
    worker.end(waits, state=FAILED)
    scene.store.cancel(job_id)
    assert reader.read() == [(0, 2, CANCELLED)]
    worker.end_job(job_id, CANCELLED)
    assert reader.read() == [(1, 1, CANCELLED)]
    assert (scene.job(job_id).never_placed, scene.job(job_id).state) == (2, JobState.CANCELLED)


def test_what_is_lost_for_good_comes(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job([b""], max_lost=0)
    reader = Reader(scene, job_id)
    scheduler.place(job_id, 1)
    worker.machine()
    assert reader.read() == [(0, 1, AttemptState.LOST)]


def test_they_come_also_after_the_job_has_ended(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 2)
    reader = Reader(scene, job_id)
    assert reader.read() == []
    scheduler.place(job_id, 1, 2)
    scene.store.close_job(job_id)
    worker.end_job(job_id)
    assert scene.states(job_id) == [JobState.SUCCEEDED]
    assert reader.read() == [(0, 1, SUCCEEDED), (1, 1, SUCCEEDED)]


def test_what_runs_again_comes_again(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job([b""])
    reader = Reader(scene, job_id)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, FAILED)
    scene.store.close_job(job_id)
    assert reader.read() == [(0, 1, FAILED)]
    scene.store.retry_failed(job_id)
    assert reader.read() == [] == Reader(scene, job_id).read()
    scheduler.place(job_id, 1)
    worker.end_job(job_id)
    assert reader.read() == [(0, 2, SUCCEEDED)] == Reader(scene, job_id).read()


def test_those_of_other_jobs_do_not_come(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    first, second = scene.open_job([b""]), scene.open_job([b""])
    reader = Reader(scene, first)
    scheduler.place(second, 1)
    worker.end_job(second)
    assert reader.read() == []


def test_a_job_that_was_not_submitted_open_has_no_stream(scene: Scene) -> None:
    with pytest.raises(SpecInvalid):
        scene.store.ended(scene.submit(), None)
    with pytest.raises(NotFound, match="j99"):
        scene.store.ended(99, None)


def test_a_slot_of_many_tasks_brings_them_all(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 100)
    reader = Reader(scene, job_id)
    (slot,) = scheduler.place(job_id, 1, tasks=100)
    worker.report(slot, dict.fromkeys(range(40), SUCCEEDED), keep=40)
    assert len(reader.read()) == 40
    worker.end_job(job_id)
    assert [task for task, *_ in reader.read()] == [40]
    assert scene.job(job_id).waiting_retry == 59
