"""Gangs: their minimum counts what goes on, and below it they stop and start together."""

from __future__ import annotations

from typing import Any

import pytest

from omegacell.cellstate.model import AttemptState, CommitMode, Detection, JobState, Reason, Stop
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import Wish, answers

SUCCEEDED, FAILED, PREEMPTED = AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.PREEMPTED


@pytest.fixture
def machine(worker: WorkerHand) -> int:
    """A machine of 16 cores."""
    return worker.machine("big", cpu=16_000)


def gang(scene: Scene, scheduler: SchedulerHand, **fields: Any) -> int:
    """A gang that `scheduler` has claimed."""
    job_id = scene.submit(
        commit=CommitMode.GANG, **({"tasks": 4, "retries": 2, "backoff_seconds": 0.0} | fields)
    )
    scheduler.claim()
    return job_id


def stops(scene: Scene, job_id: int) -> dict[int, Stop]:
    """What each slot of a job is told, by its first index."""
    return {placement.first_index: placement.stop for placement in scene.store.placements(job_id)}


@pytest.mark.parametrize("detection", Detection)
def test_a_gang_may_be_placed_over_several_machines_from_its_minimum_on(
    scene: Scene, scheduler: SchedulerHand, machine: int, detection: Detection
) -> None:
    job = gang(scene, scheduler, gang_min=3, detection=detection)
    assert answers(scheduler.commit((job, machine, 1), (job, 1, 1))) == [(0, Reason.GANG, 0)] * 2
    assert answers(scheduler.commit((job, machine, 2), (job, 1, 1))) == [
        (2, Reason.ACCEPTED, 0),
        (1, Reason.ACCEPTED, 0),
    ]


def test_below_its_minimum_a_gang_stops_what_is_left_of_it(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    job = gang(scene, scheduler)
    first, *_ = scheduler.place(job, machine, 4)
    before = scene.machine(machine)
    worker.end(first, state=FAILED)
    assert stops(scene, job) == {1: Stop.PREEMPT, 2: Stop.PREEMPT, 3: Stop.PREEMPT}
    after = scene.machine(machine)
    assert after.version > before.version
    assert (after.claim_sequence, after.used.cpu_milli) == (before.claim_sequence, 3000)
    assert [one.preempted_by for one in scene.store.placements(job)] == [0, 0, 0]


def test_members_that_stopped_with_the_gang_use_no_retry_and_all_start_together(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    job = gang(scene, scheduler)
    first, *others = scheduler.place(job, machine, 4)
    worker.end(first, state=FAILED)
    worker.end(*others, state=PREEMPTED)
    assert [(one.failures, one.lost) for one in scene.store.retries(job)] == [(1, 0), (0, 1), (0, 1), (0, 1)]
    scheduler.claim()
    assert answers(scheduler.commit((job, machine, 3))) == [(0, Reason.GANG, 0)]
    assert answers(scheduler.commit((job, machine, 4))) == [(4, Reason.ACCEPTED, 0)]
    assert set(stops(scene, job).values()) == {Stop.NONE}


def test_members_told_to_stop_do_not_count_towards_the_minimum(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    job = gang(scene, scheduler)
    first, *others = scheduler.place(job, machine, 4)
    worker.end(first, state=FAILED)
    scheduler.claim()
    assert answers(scheduler.commit((job, machine, 1))) == [(0, Reason.GANG, 0)]
    worker.end(*others[:2], state=PREEMPTED)
    assert answers(scheduler.commit((job, machine, 3))) == [(0, Reason.GANG, 0)]
    assert [(one.pending, one.placed) for one in scheduler.claim()] == [(3, 1)]


def test_a_gang_that_keeps_its_minimum_goes_on_and_replaces_who_failed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    job = gang(scene, scheduler, gang_min=3)
    first, second, *_ = scheduler.place(job, machine, 4)
    worker.end(first, state=FAILED)
    assert set(stops(scene, job).values()) == {Stop.NONE}
    scheduler.claim()
    assert answers(scheduler.commit((job, machine, 1))) == [(1, Reason.ACCEPTED, 0)]
    worker.end(*scene.store.placements(job)[:2], state=FAILED)
    assert stops(scene, job) == {2: Stop.PREEMPT, 3: Stop.PREEMPT}
    assert second.first_index == 1


@pytest.mark.parametrize("state", [SUCCEEDED, AttemptState.CANCELLED])
def test_tasks_that_have_ended_for_good_count_for_the_minimum(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int, state: AttemptState
) -> None:
    job = gang(scene, scheduler)
    first, second, *_ = scheduler.place(job, machine, 4)
    worker.end(first, state=state)
    assert set(stops(scene, job).values()) == {Stop.NONE}
    worker.end(second, state=FAILED)
    assert stops(scene, job) == {2: Stop.PREEMPT, 3: Stop.PREEMPT}


def test_a_gang_without_work_is_not_stopped_for_its_last_members(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    job = gang(scene, scheduler, retries=0)
    first, *others = scheduler.place(job, machine, 4)
    worker.end(first, state=FAILED)
    assert set(stops(scene, job).values()) == {Stop.NONE}
    worker.end(*others)
    assert (scene.job(job).state, scene.job(job).succeeded) == (JobState.FAILED, 3)


def test_members_that_are_lost_with_their_machine_stop_the_others(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    job = gang(scene, scheduler)
    scheduler.claim()
    scheduler.commit((job, machine, 2), (job, 1, 2))
    worker.machine("big", cpu=16_000)
    assert stops(scene, job) == {2: Stop.PREEMPT, 3: Stop.PREEMPT}


def test_a_cancelled_gang_is_cancelled_not_preempted(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    job = gang(scene, scheduler)
    first, *_ = scheduler.place(job, machine, 4)
    scene.store.cancel(job)
    worker.end(first, state=FAILED)
    assert set(stops(scene, job).values()) == {Stop.CANCEL}


def test_a_drained_machine_stops_the_gang_once_its_members_have_ended(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    job = gang(scene, scheduler)
    scheduler.commit((job, machine, 2), (job, 1, 2))
    scene.store.drain("m")
    assert stops(scene, job) == {0: Stop.NONE, 1: Stop.NONE, 2: Stop.PREEMPT, 3: Stop.PREEMPT}
    worker.end(scene.store.placements(job)[2], state=PREEMPTED)
    assert set(stops(scene, job).values()) == {Stop.PREEMPT}


def test_a_preempted_member_stops_its_gang_when_it_has_ended(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    low = gang(scene, scheduler, priority=1)
    first, *_ = scheduler.place(low, 1, 4)
    high = scene.submit(priority=2)
    scheduler.claim()
    scheduler.commit(Wish(high, 1, victims=(first,)))
    assert stops(scene, low) == {0: Stop.PREEMPT, 1: Stop.NONE, 2: Stop.NONE, 3: Stop.NONE}
    worker.end(first, state=PREEMPTED)
    assert set(stops(scene, low).values()) == {Stop.PREEMPT}


def test_other_jobs_do_not_restart_together(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    for commit in (CommitMode.INCREMENTAL, CommitMode.ALL_OR_NOTHING):
        job = scene.submit(tasks=4, retries=1, gang_min=4, commit=commit)
        first, *_ = scheduler.place(job, machine, 4)
        worker.end(first, state=FAILED)
        assert set(stops(scene, job).values()) == {Stop.NONE}


def test_gangs_that_restart_in_one_fold_change_a_machine_once(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    first, second = (gang(scene, scheduler, tasks=2) for _ in range(2))
    for job in (first, second):
        scheduler.commit((job, machine, 1), (job, 1, 1))
    before = scene.machine(machine).version
    there = [placement for job in (first, second) for placement in scene.store.placements(job)[1:]]
    worker.end(*there, state=FAILED)
    assert stops(scene, first) == stops(scene, second) == {0: Stop.PREEMPT}
    assert scene.machine(machine).version == before + 1
