"""Reports of slots with several tasks: each task ends for itself, and what nothing is said of never ran."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omegacell.cellstate.model import AttemptState, JobState
from tests.contract.scene import FAILURES, Scene, SchedulerHand, WorkerHand
from tests.contract.slots import ends, waiting

SUCCEEDED, FAILED, CANCELLED = AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED
PREEMPTED, LOST = AttemptState.PREEMPTED, AttemptState.LOST


def test_every_task_of_a_slot_has_its_own_outcome(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(3)
    assert worker.end(slot) == (True,) * 3
    assert ends(scene.store, slot.job_id) == [(task, 1, SUCCEEDED, True) for task in range(3)]
    status = scene.job(slot.job_id)
    assert (status.state, status.succeeded, status.placed) == (JobState.SUCCEEDED, 3, 0)
    assert (scene.machine(1).used.cpu_milli, scene.machine(1).placements) == (0, 0)


def test_a_slot_in_the_middle_of_a_job_ends_with_its_own_indexes(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = scene.submit(tasks=9)
    _, middle, _ = scheduler.place(job, 1, 3, tasks=3)
    assert worker.report(middle, {2: SUCCEEDED, 3: SUCCEEDED, 5: FAILED, 6: SUCCEEDED}) == (
        False,
        True,
        True,
        False,
    )
    assert ends(scene.store, job) == [(3, 1, SUCCEEDED, True), (5, 1, FAILED, True)]
    assert waiting(scene.store, job) == [(4, 1, 2, 0, 0)]


@pytest.mark.parametrize("state", FAILURES)
def test_a_failure_in_the_middle_is_that_tasks_own(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: AttemptState
) -> None:
    slot = scheduler.slot()
    states = dict.fromkeys(range(6), SUCCEEDED) | {2: state}
    assert worker.report(slot, states) == (True,) * 6
    assert waiting(scene.store, slot.job_id) == [(2, 1, 2, 1, 0)]
    status = scene.job(slot.job_id)
    assert (status.succeeded, status.waiting_retry, status.placed) == (5, 1, 0)
    scene.clock.advance(1.0)
    scheduler.place(slot.job_id, 1, tasks=6)
    worker.end_job(slot.job_id, state)
    assert [(one.state, one.failed) for one in [scene.job(slot.job_id)]] == [(JobState.FAILED, 1)]


def test_tasks_of_which_nothing_is_said_wait_at_once_and_use_nothing(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot()
    assert worker.report(slot, {0: SUCCEEDED, 1: FAILED}) == (True, True)
    assert waiting(scene.store, slot.job_id) == [(1, 1, 2, 1, 0), (2, 4, 2, 0, 0)]
    assert [one.not_before > scene.clock.now() for one in scene.store.retries(slot.job_id)] == [True, False]
    assert [task for task, *_ in ends(scene.store, slot.job_id)] == [0, 1]
    assert (scene.job(slot.job_id).waiting_retry, scene.machine(1).used.cpu_milli) == (5, 0)
    assert [(job.job_id, job.pending) for job in scheduler.claim()] == [(slot.job_id, 4)]


def test_unreported_tasks_keep_the_failures_and_losses_they_had(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(4)
    worker.end(slot, state=PREEMPTED)
    (again,) = scheduler.place(slot.job_id, 1, tasks=4)
    worker.report(again, {0: SUCCEEDED})
    assert waiting(scene.store, slot.job_id) == [(1, 3, 3, 0, 1)]


def test_holes_between_what_is_reported_wait_apart(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(7)
    worker.report(slot, {1: SUCCEEDED, 4: SUCCEEDED})
    assert waiting(scene.store, slot.job_id) == [(0, 1, 2, 0, 0), (2, 2, 2, 0, 0), (5, 2, 2, 0, 0)]


@pytest.mark.parametrize("state", [PREEMPTED, LOST])
def test_neighbours_that_were_lost_alike_are_one_range(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: AttemptState
) -> None:
    slot = scheduler.slot()
    worker.report(slot, {0: state, 1: state, 2: SUCCEEDED, 3: state})
    assert waiting(scene.store, slot.job_id) == [(0, 2, 2, 0, 1), (3, 1, 2, 0, 1), (4, 2, 2, 0, 0)]


def test_slots_side_by_side_stay_ranges_apart(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = scene.submit(tasks=4)
    placements = scheduler.place(job, 1, 2, tasks=2)
    worker.end(*placements, state=PREEMPTED)
    assert waiting(scene.store, job) == [(0, 2, 2, 0, 1), (2, 2, 2, 0, 1)]


def test_an_empty_report_ends_nothing_unless_a_slot_is_kept(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot()
    assert worker.report(slot, {}) == ()
    assert scene.store.placements(slot.job_id) == (slot,)
    worker.report(slot, {}, keep=2)
    assert [(one.first_index, one.count) for one in scene.store.placements(slot.job_id)] == [(2, 1)]


@pytest.mark.parametrize("kept", [0, 3, 5])
def test_a_slot_goes_on_with_the_task_that_is_kept(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, kept: int
) -> None:
    slot = scheduler.slot()
    worker.start(slot)
    before = scene.machine(1)
    assert worker.report(slot, dict.fromkeys(range(kept), SUCCEEDED), keep=kept) == (True,) * kept
    (going_on,) = scene.store.placements(slot.job_id)
    assert going_on == replace(slot, first_index=kept, count=1, running=True)
    after = scene.machine(1)
    assert (after.used, after.placements, after.version) == (before.used, 1, before.version + 1)
    assert after.claim_sequence == before.claim_sequence
    rest = [(kept + 1, 5 - kept, 2, 0, 0)] if kept < 5 else []
    assert waiting(scene.store, slot.job_id) == rest
    assert (scene.job(slot.job_id).placed, scene.job(slot.job_id).succeeded) == (1, kept)
    assert worker.end(going_on) == (True,)
    assert scene.machine(1).used.cpu_milli == 0


def test_what_was_before_and_after_the_kept_task_waits_in_two_ranges(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot()
    worker.report(slot, {5: FAILED}, keep=2)
    assert waiting(scene.store, slot.job_id) == [(0, 2, 2, 0, 0), (3, 2, 2, 0, 0), (5, 1, 2, 1, 0)]


@pytest.mark.parametrize(
    "changed", [{"attempt": 2}, {"epoch": 2}, {"machine_id": 2}, {"first_index": 1}, {"job_id": 99}]
)
def test_a_zombies_word_of_a_slot_changes_nothing(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, changed: dict[str, Any]
) -> None:
    worker.machine("other")
    slot = scheduler.slot()
    zombie, version = replace(slot, **changed), scene.machine(1).version
    assert worker.report(zombie, {1: SUCCEEDED}) == (False,)
    worker.report(zombie, {}, keep=2)
    assert scene.store.placements(slot.job_id) == (slot,)
    assert (ends(scene.store, slot.job_id), scene.machine(1).version) == ([], version)


@pytest.mark.parametrize("keep", [6, 99, -1])
def test_a_task_that_is_not_the_slots_is_not_kept(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, keep: int
) -> None:
    slot = scheduler.slot()
    worker.report(slot, {}, keep=keep)
    assert scene.store.placements(slot.job_id) == (slot,)


def test_a_report_with_a_kept_task_sent_twice_is_applied_once(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    for keep in (2, 0):
        slot = scheduler.slot()
        states = {task: SUCCEEDED for task in (0, 1) if task != keep}
        assert set(worker.report(slot, states, keep=keep)) == {True}
        held, before = scene.store.placements(slot.job_id), waiting(scene.store, slot.job_id)
        assert set(worker.report(slot, states, keep=keep)) == {False}
        assert (scene.store.placements(slot.job_id), waiting(scene.store, slot.job_id)) == (held, before)


def test_a_task_told_twice_in_one_call_ends_as_first_told(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(2)
    told = worker.report_slots((slot, {0: SUCCEEDED}, None), (slot, {0: FAILED, 1: SUCCEEDED}, None))
    assert told == (True, False, True)
    assert [end[2] for end in ends(scene.store, slot.job_id)] == [SUCCEEDED, SUCCEEDED]


def test_a_task_that_is_kept_has_not_ended(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    slot = scheduler.slot(3)
    assert worker.report(slot, {0: SUCCEEDED, 1: SUCCEEDED}, keep=1) == (True, False)
    assert [task for task, *_ in ends(scene.store, slot.job_id)] == [0]
    assert [(one.first_index, one.count) for one in scene.store.placements(slot.job_id)] == [(1, 1)]


def test_one_call_ends_some_slots_and_keeps_others(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = scene.submit(tasks=6)
    slots = scheduler.place(job, 1, 3, tasks=2)
    assert worker.report_slots(
        (slots[0], {0: SUCCEEDED}, None), (slots[1], {2: SUCCEEDED}, 3), (slots[2], {}, 4)
    ) == (True, True)
    assert [(one.first_index, one.count) for one in scene.store.placements(job)] == [(3, 1), (4, 1)]
    assert waiting(scene.store, job) == [(1, 1, 2, 0, 0), (5, 1, 2, 0, 0)]
    assert scene.machine(1).used.cpu_milli == 2000
