"""What a review of the front door found, where both stores are concerned."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import AttemptState
from tests.contract.scene import Scene, SchedulerHand, WorkerHand


@pytest.mark.parametrize("priority", [-1, 1001, 2**31 - 1])
def test_a_priority_that_cannot_be_is_refused_and_changes_nothing(scene: Scene, priority: int) -> None:
    job_id = scene.submit(priority=7)
    with pytest.raises(SpecInvalid, match="priority"):
        scene.store.alter(job_id, priority=priority, labels={"changed": "yes"})
    assert (scene.job(job_id).priority, scene.job(job_id).labels) == (7, {})


def test_many_ranges_are_cut_out_of_many_that_wait(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b"."] * 40, cpu=100, retries=5, backoff_seconds=2.0)
    for placement in scheduler.place(job_id, 1, slots=6):  # 0 to 5 wait alone, each for a second attempt
        worker.end(placement, state=AttemptState.FAILED)
    assert scene.store.cancel_tasks(job_id, [(30, 3), (20, 3), (10, 3)]) == ((10, 3), (20, 3), (30, 3))
    wanted = [(0, 1), (2, 2), (5, 3), (9, 2), (12, 9), (22, 1), (24, 1), (26, 1), (29, 20), (39, 1)]
    told = scene.store.cancel_tasks(job_id, wanted)
    assert told == ((0, 1), (2, 2), (5, 3), (9, 1), (13, 7), (24, 1), (26, 1), (29, 1), (33, 7))
    assert [(one.first_index, one.count, one.attempt) for one in scene.store.retries(job_id)] == [
        (1, 1, 2),
        (4, 1, 2),
        (8, 1, 1),
        (23, 1, 1),
        (25, 1, 1),
        (27, 2, 1),
    ]
    ended = {one.task_index: one.attempt for one in scene.store.ended(job_id, None).outcomes}
    assert sorted(set(range(40)) - ended.keys()) == [1, 4, 8, 23, 25, 27, 28]
    assert {index: attempt for index, attempt in ended.items() if attempt > 1} == {0: 2, 2: 2, 3: 2, 5: 2}
