"""What is preemptible, and how a slot that a claim has preempted ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from omegacell.cellstate.model import Amounts, AttemptState, JobState, Placement, Preemptible
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import Wish

LOW, HIGH = 100, 900


def urgent(scene: Scene, scheduler: SchedulerHand) -> int:
    """A job of one task and high priority that `scheduler` has claimed."""
    job_id = scene.submit(priority=HIGH)
    scheduler.claim()
    return job_id


def found(answer: Preemptible) -> list[tuple[int, int, int]]:
    """Machine, job and index of each placement."""
    columns = (answer.machine_id.tolist(), answer.job_id.tolist(), answer.first_index.tolist())
    return list(zip(*columns, strict=True))


def test_what_may_be_preempted_is_of_lower_priority_willing_and_not_yet_preempted(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    batch = scheduler.place(scene.submit(tasks=4, priority=LOW), 1, 4)
    there, elsewhere = worker.machine("there"), worker.machine("elsewhere")
    for fields in ({"preemptible": False}, {"priority": 500}):
        scheduler.place(scene.submit(**fields), there)
    low = scheduler.place(scene.submit(tasks=2, priority=LOW), there)[0]
    scheduler.place(low.job_id, elsewhere)
    scheduler.commit(Wish(urgent(scene, scheduler), 1, victims=batch[1:2]))
    answer = scene.store.preemptible(np.array([there, 1, 99]), below=500)
    assert found(answer) == [*((1, batch[0].job_id, index) for index in (0, 2, 3)), (there, low.job_id, 0)]
    assert found(scene.store.preemptible(np.array([1]), below=LOW)) == []


def test_what_may_be_preempted_is_described_whole(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    machine = worker.machine("gpus", devices=3, custom={"licence": 1000})
    amounts: dict[str, Any] = {"cpu": 100, "memory": 7, "gpu": 2000, "custom": {"licence": 5}}
    job = scene.submit(tasks=3, priority=7, **amounts)
    scheduler.place(job, machine, tasks=3)
    answer = scene.store.preemptible(np.array([machine]), below=8)
    assert answer.amounts.tolist() == [[100, 7, 0]]
    assert (answer.gpu_milli.tolist(), answer.devices.tolist()) == ([2000], [0b11])
    assert (answer.custom, answer.placed_at) == (((("licence", 5),),), (scene.clock.now(),))
    assert (answer.attempt.tolist(), answer.tasks.tolist(), answer.priority.tolist()) == ([1], [3], [7])


@pytest.fixture
def victim(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> Placement:
    """A slot that was preempted by the job after its own."""
    low = scene.submit(cpu=4000, priority=LOW, retries=0, max_lost=1)
    held = scheduler.place(low, 1)
    scheduler.commit(Wish(urgent(scene, scheduler), 1, victims=held))
    return scene.store.placements(low)[0]


@pytest.mark.parametrize("state", AttemptState)
def test_a_victim_ends_preempted_whatever_its_worker_says_and_uses_no_retry(
    scene: Scene, worker: WorkerHand, victim: Placement, state: AttemptState
) -> None:
    before = scene.machine(1)
    believed = state in {AttemptState.PREEMPTED, AttemptState.CANCELLED}
    assert worker.end(victim, state=state) == (believed,)
    (outcome,) = scene.outcomes(victim.job_id)
    assert (outcome.state, outcome.final) == (AttemptState.PREEMPTED, False)
    waiting = scene.retry(victim.job_id)
    assert (waiting.attempt, waiting.failures, waiting.lost) == (2, 0, 1)
    assert waiting.not_before == scene.clock.now()
    after = scene.machine(1)
    assert (after.used, after.placements) == (before.used, before.placements - 1)
    assert after.version == before.version + 1


def test_a_victim_that_was_preempted_too_often_is_failed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, victim: Placement
) -> None:
    worker.end(victim, state=AttemptState.PREEMPTED)
    worker.end_job(victim.job_id + 1)
    again = scheduler.place(victim.job_id, 1)
    scheduler.commit(Wish(urgent(scene, scheduler), 1, victims=again))
    worker.end_job(victim.job_id, AttemptState.PREEMPTED)
    assert scene.job(victim.job_id).state is JobState.FAILED


def test_a_preempted_task_of_a_cancelled_job_counts_as_cancelled(
    scene: Scene, worker: WorkerHand, victim: Placement
) -> None:
    scene.store.cancel(victim.job_id)
    worker.end(victim, state=AttemptState.SUCCEEDED)
    status = scene.job(victim.job_id)
    assert (status.state, status.cancelled, status.succeeded) == (JobState.CANCELLED, 1, 0)
    (outcome,) = scene.outcomes(victim.job_id)
    assert (outcome.state, outcome.final) == (AttemptState.PREEMPTED, True)


def test_a_victim_on_a_machine_that_is_lost_is_lost(
    scene: Scene, worker: WorkerHand, victim: Placement
) -> None:
    worker.release()
    status = scene.machine(1)
    assert (status.used, status.placements) == (Amounts(), 0)
    assert scene.retry(victim.job_id).lost == 1
    assert scene.retry(victim.job_id + 1).lost == 1
    assert [outcome.state for outcome in scene.outcomes(victim.job_id)] == [AttemptState.LOST]


def test_a_victim_is_shown_to_its_worker_until_it_has_ended(
    scene: Scene, worker: WorkerHand, victim: Placement
) -> None:
    (holdings,) = worker.pull()
    assert [(one.job_id, one.preempted_by) for one in holdings.placements] == [
        (victim.job_id, victim.job_id + 1),
        (victim.job_id + 1, 0),
    ]
    worker.end(victim, state=AttemptState.PREEMPTED)
    (holdings,) = worker.pull({1: holdings.version})
    assert [one.job_id for one in holdings.placements] == [victim.job_id + 1]
