"""Changing a job that has not ended: its priority, its labels."""

from __future__ import annotations

from typing import Any

import pytest

from omegacell.cellstate.errors import KeyConflict, SpecInvalid
from omegacell.cellstate.model import AttemptState, Reason
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import Wish, answers


def test_priority_and_labels_are_changed_also_in_the_specification(scene: Scene) -> None:
    job_id = scene.submit(priority=100, labels={"team": "a", "x": "y"})
    status = scene.store.alter(job_id, priority=7, labels={"team": "b"})
    assert (status.priority, status.labels) == (7, {"team": "b"})
    assert status == scene.job(job_id)
    spec = scene.store.specification(job_id)
    assert (spec.priority, spec.labels, spec.name) == (7, {"team": "b"}, "job")


def test_what_is_not_named_stays(scene: Scene) -> None:
    job_id = scene.submit(priority=100, labels={"team": "a"})
    assert scene.store.alter(job_id, priority=7).labels == {"team": "a"}
    assert scene.store.alter(job_id, labels={}).priority == 7
    assert scene.job(job_id).labels == {}
    assert scene.store.alter(job_id) == scene.job(job_id)


def test_jobs_are_found_by_the_labels_they_have_now(scene: Scene) -> None:
    job_id = scene.submit(labels={"team": "a"})
    scene.store.alter(job_id, labels={"team": "b"})
    assert scene.store.jobs(labels={"team": "a"}) == ()
    assert [job.job_id for job in scene.store.jobs(labels={"team": "b"})] == [job_id]


def test_the_queue_goes_by_the_priority_of_now(scene: Scene, scheduler: SchedulerHand) -> None:
    first, second, third = (scene.submit() for _ in range(3))
    scene.store.alter(third, priority=900)
    scene.store.alter(first, priority=1)
    assert [(job.job_id, job.priority) for job in scheduler.claim()] == [
        (third, 900),
        (second, 100),
        (first, 1),
    ]


def test_a_claimed_job_stays_claimed_and_shows_its_new_priority(
    scene: Scene, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit()
    scheduler.claim()
    assert scene.store.alter(job_id, priority=3).claimed_by == scheduler.lease.holder_id
    assert [job.priority for job in scheduler.claim()] == [3]
    scheduler.settle(job_id)
    other = scene.submit(priority=2)
    assert scheduler.claim_ids() == [job_id, other]


def test_what_waits_for_its_time_waits_on(scene: Scene, scheduler: SchedulerHand) -> None:
    job_id = scene.submit()
    scheduler.claim()
    scheduler.settle(job_id, after=4.0)
    scene.store.alter(job_id, priority=900)
    assert scheduler.claim_ids() == []
    scene.clock.advance(4.0)
    assert scheduler.claim_ids() == [job_id]


@pytest.mark.parametrize("how", ["held", "blocked", "running"])
def test_what_is_not_queued_is_not_queued_by_it(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, how: str
) -> None:
    parent = scene.submit(scheduler="other")
    job_id = scene.submit(held=how == "held", after=(parent,) if how == "blocked" else ())
    if how == "running":
        scheduler.place(job_id, 1)
    scene.store.alter(job_id, priority=900)
    assert scheduler.claim_ids() == []


def test_what_it_holds_is_protected_or_not_by_the_priority_of_now(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    (slot,) = scheduler.place(scene.submit(cpu=4000, priority=1), 1)
    winner = scene.submit(cpu=4000, priority=5)
    scheduler.claim()
    scene.store.alter(slot.job_id, priority=9)
    assert answers(scheduler.commit(Wish(winner, 1, victims=(slot,)))) == [(0, Reason.VICTIM_PROTECTED, 0)]
    scene.store.alter(winner, priority=10)
    assert answers(scheduler.commit(Wish(winner, 1, victims=(slot,)))) == [(1, Reason.ACCEPTED, 0)]


@pytest.mark.parametrize("change", [{"priority": 7}, {"labels": {}}, {"replicas": 2}])
@pytest.mark.parametrize("how", ["ended", "cancelled", "told to end"])
def test_a_final_or_cancelled_job_is_not_changed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, *, how: str, change: dict[str, Any]
) -> None:
    job_id = scene.submit(service="replicas" in change, labels={"a": "b"})
    if how != "cancelled":
        scheduler.place(job_id, 1)
    scene.store.cancel(job_id)
    if how == "ended":
        worker.end_job(job_id, AttemptState.SUCCEEDED)
    before = scene.job(job_id), scene.store.specification(job_id)
    with pytest.raises(SpecInvalid, match=f"j{job_id}"):
        scene.store.alter(job_id, **change)
    assert (scene.job(job_id), scene.store.specification(job_id)) == before


@pytest.mark.parametrize(("service", "replicas"), [(False, 2), (False, 1), (True, -1)])
def test_what_cannot_be_changed_is_refused_with_all_else(
    scene: Scene, *, service: bool, replicas: int
) -> None:
    job_id = scene.submit(service=service)
    before = scene.job(job_id)
    with pytest.raises(SpecInvalid):
        scene.store.alter(job_id, replicas=replicas, priority=7, labels={"a": "b"})
    assert scene.job(job_id) == before


def test_a_key_stands_for_the_job_as_it_is_now(scene: Scene) -> None:
    job_id = scene.submit(key="k", service=True, tasks=2, priority=100)
    scene.store.alter(job_id, replicas=5, priority=7)
    assert scene.submit(key="k", service=True, tasks=5, priority=7) == job_id
    with pytest.raises(KeyConflict) as conflict:
        scene.submit(key="k", service=True, tasks=2, priority=100)
    assert conflict.value.fields == ("priority", "task_count")
