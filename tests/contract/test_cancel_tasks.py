"""Cancelling single tasks: those that are not placed and have not ended."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import AttemptState, JobState
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.slots import ends, tasks_of, waiting

SUCCEEDED, FAILED, CANCELLED = AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED


@pytest.mark.parametrize("growing", [False, True])
def test_a_task_that_has_no_number_yet_gets_one_and_those_before_it_wait(
    scene: Scene, *, growing: bool
) -> None:
    job_id = scene.open_job([b""] * 5) if growing else scene.submit(tasks=5)
    assert scene.store.cancel_tasks(job_id, [(3, 1)]) == ((3, 1),)
    assert ends(scene.store, job_id) == [(3, 1, CANCELLED, True)]
    assert waiting(scene.store, job_id) == [(0, 3, 1, 0, 0)]
    status = scene.job(job_id)
    assert (status.next_index, status.cancelled, status.never_placed) == (4, 1, 0)
    assert (status.waiting, status.waiting_retry, status.state) == (4, 0, JobState.PENDING)
    assert [job.pending for job in scene.scheduler().claim()] == [4]


def test_its_outcome_is_of_no_machine(scene: Scene) -> None:
    job_id = scene.submit(tasks=2)
    scene.store.cancel_tasks(job_id, [(0, 1)])
    (outcome,) = scene.outcomes(job_id)
    assert (outcome.machine_id, outcome.exit_code, outcome.started_at) == (0, -1, 0.0)
    assert (outcome.ended_at, outcome.result, outcome.error) == (scene.clock.now(), b"", "")


def test_what_waits_because_of_it_is_placed_as_a_first_attempt(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=4)
    scene.store.cancel_tasks(job_id, [(1, 1)])
    slots = scheduler.place(job_id, 1, 3)
    assert [(slot.first_index, slot.attempt, slot.failures) for slot in slots] == [
        (0, 1, 0),
        (2, 1, 0),
        (3, 1, 0),
    ]
    worker.end_job(job_id)
    status = scene.job(job_id)
    assert (status.state, status.succeeded, status.cancelled) == (JobState.CANCELLED, 3, 1)


def test_ranges_are_answered_ascending_and_joined(scene: Scene) -> None:
    job_id = scene.submit(tasks=10)
    cancelled = scene.store.cancel_tasks(job_id, [(6, 1), (2, 2), (1, 1), (3, 2), (8, 9)])
    assert cancelled == ((1, 4), (6, 1), (8, 2))
    assert [first for first, *_ in ends(scene.store, job_id)] == [1, 2, 3, 4, 6, 8, 9]
    assert waiting(scene.store, job_id) == [(0, 1, 1, 0, 0), (5, 1, 1, 0, 0), (7, 1, 1, 0, 0)]


def test_what_is_placed_or_has_ended_is_left_alone(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=5)
    ended, *placed = scheduler.place(job_id, 1, 3)
    worker.end(ended)
    assert scene.store.cancel_tasks(job_id, [(0, 4)]) == ((3, 1),)
    assert list(scene.store.placements(job_id)) == placed
    assert scene.store.cancel_tasks(job_id, [(0, 4)]) == ()
    worker.end_job(job_id)
    assert (scene.job(job_id).succeeded, scene.job(job_id).waiting) == (3, 1)


def test_the_tasks_of_a_slot_are_all_placed(
    scene: Scene, scheduler: SchedulerHand, worker: WorkerHand
) -> None:
    slot = scheduler.slot(tasks=3)
    assert scene.store.cancel_tasks(slot.job_id, [(1, 1)]) == ()
    assert scene.store.placements(slot.job_id) == (slot,)


@pytest.mark.parametrize(
    ("ranges", "cancelled", "left"),
    [
        ([(0, 1)], ((0, 1),), [(1, 3, 2, 1, 0)]),
        ([(3, 5)], ((3, 1),), [(0, 3, 2, 1, 0)]),
        ([(1, 1)], ((1, 1),), [(0, 1, 2, 1, 0), (2, 2, 2, 1, 0)]),
        ([(1, 1), (3, 1)], ((1, 1), (3, 1)), [(0, 1, 2, 1, 0), (2, 1, 2, 1, 0)]),
        ([(0, 4)], ((0, 4),), []),
    ],
)
def test_of_a_range_that_waits_to_run_again_parts_are_cancelled(
    scene: Scene,
    worker: WorkerHand,
    scheduler: SchedulerHand,
    *,
    ranges: list[tuple[int, int]],
    cancelled: tuple[tuple[int, int], ...],
    left: list[tuple[int, int, int, int, int]],
) -> None:
    slot = scheduler.slot(tasks=4, backoff_seconds=0.0)
    worker.end(slot, state=FAILED)
    assert waiting(scene.store, slot.job_id) == [(0, 4, 2, 1, 0)]
    assert scene.store.cancel_tasks(slot.job_id, ranges) == cancelled
    assert waiting(scene.store, slot.job_id) == left
    final = [one for one in ends(scene.store, slot.job_id) if one[3]]
    assert final == [
        (task, 2, CANCELLED, True) for first, count in cancelled for task in range(first, first + count)
    ]
    status = scene.job(slot.job_id)
    assert (status.waiting_retry, status.cancelled) == (4 - len(final), len(final))
    assert status.state is (JobState.RUNNING if left else JobState.CANCELLED)


def test_what_is_left_of_a_range_in_back_off_waits_as_before(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2, retries=1, backoff_seconds=8.0)
    scheduler.place(job_id, 1, 2)
    worker.end_job(job_id, FAILED)
    _, second = scene.store.retries(job_id)
    assert scene.store.cancel_tasks(job_id, [(0, 1)]) == ((0, 1),)
    assert scene.store.retries(job_id) == (second,)
    assert scheduler.claim_ids() == []
    scene.clock.advance(8.0)
    assert scheduler.claim_ids() == [job_id]


def test_tasks_of_all_kinds_at_once(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=6, retries=1, backoff_seconds=0.0)
    succeeded, failed, _placed = scheduler.place(job_id, 1, 3)
    worker.end(succeeded)
    worker.end(failed, state=FAILED)
    assert scene.store.cancel_tasks(job_id, [(0, 5)]) == ((1, 1), (3, 2))
    assert ends(scene.store, job_id)[1:] == [
        (1, 1, FAILED, False),
        (1, 2, CANCELLED, True),
        (3, 1, CANCELLED, True),
        (4, 1, CANCELLED, True),
    ]
    status = scene.job(job_id)
    assert (status.next_index, status.waiting, status.placed, status.cancelled) == (5, 1, 1, 3)


def test_a_job_whose_last_tasks_are_cancelled_ends_at_once(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=3)
    scheduler.place(job_id, 1)
    worker.end_job(job_id)
    scene.clock.advance(1.0)
    scheduler.claim()
    scene.store.cancel_tasks(job_id, [(1, 2)])
    status = scene.job(job_id)
    assert (status.state, status.ended_at, status.claimed_by) == (JobState.CANCELLED, scene.clock.now(), 0)
    assert (status.cancel_requested, status.never_placed, status.cancelled) == (False, 0, 2)
    assert scene.store.cancel_tasks(job_id, [(0, 3)]) == ()


def test_a_job_of_which_a_task_failed_and_the_others_are_cancelled_is_failed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=3)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, FAILED)
    scene.store.cancel_tasks(job_id, [(1, 2)])
    assert scene.states(job_id) == [JobState.FAILED]


def test_a_claimed_job_keeps_what_is_left(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=3)
    scheduler.claim()
    scene.store.cancel_tasks(job_id, [(0, 2)])
    assert [(job.job_id, job.pending, job.ended) for job in scheduler.claim()] == [(job_id, 1, 2)]
    scheduler.commit((job_id, 1, 1))
    assert [list(tasks_of(slot)) for slot in scene.store.placements(job_id)] == [[2]]


def test_an_open_job_is_not_over_when_all_its_tasks_are_cancelled(
    scene: Scene, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 3)
    scene.store.cancel_tasks(job_id, [(0, 3)])
    assert scene.states(job_id) == [JobState.PENDING]
    assert scheduler.claim_ids() == []
    scene.store.append(job_id, 3, [b"d"])
    assert [(job.pending, job.ended) for job in scheduler.claim()] == [(1, 3)]
    scene.store.cancel_tasks(job_id, [(3, 1)])
    assert scene.store.close_job(job_id).state is JobState.CANCELLED


def test_tasks_of_a_held_or_blocked_job_are_cancelled_and_it_stays_so(
    scene: Scene, scheduler: SchedulerHand
) -> None:
    held, parent = scene.submit(tasks=3, held=True), scene.submit()
    blocked = scene.submit(tasks=3, after=(parent,))
    for job_id in (held, blocked):
        assert scene.store.cancel_tasks(job_id, [(1, 1)]) == ((1, 1),)
    assert (scene.job(held).held, scene.job(held).state) == (True, JobState.PENDING)
    assert scene.states(blocked) == [JobState.BLOCKED]
    assert scheduler.claim_ids() == [parent]


@pytest.mark.parametrize("state", [state for state in JobState if state.final])
def test_a_job_that_has_ended_has_nothing_to_cancel(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: JobState
) -> None:
    job_id = scene.submit()
    scheduler.place(job_id, 1)
    worker.end_job(job_id, AttemptState(state.value))
    before = scene.job(job_id)
    assert before.state is state
    assert scene.store.cancel_tasks(job_id, [(0, 1)]) == ()
    assert scene.job(job_id) == before


def test_of_a_cancelled_job_that_still_runs_nothing_is_left_to_cancel(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=3)
    scheduler.place(job_id, 1)
    before = scene.store.cancel(job_id)
    assert scene.store.cancel_tasks(job_id, [(0, 3)]) == ()
    assert scene.job(job_id) == before


def test_a_service_is_scaled_instead(scene: Scene) -> None:
    with pytest.raises(SpecInvalid):
        scene.store.cancel_tasks(scene.submit(service=True, tasks=3), [(0, 1)])


@pytest.mark.parametrize("ranges", [[], [(7, 2)], [(0, 0)]])
def test_ranges_without_a_task_cancel_nothing(scene: Scene, ranges: list[tuple[int, int]]) -> None:
    job_id = scene.submit(tasks=3)
    before = scene.job(job_id)
    assert scene.store.cancel_tasks(job_id, ranges) == ()
    assert (scene.job(job_id), scene.store.retries(job_id)) == (before, ())


def test_ten_thousand_of_twenty_thousand(scene: Scene) -> None:
    job_id = scene.open_job([b""] * 20_000)
    assert scene.store.cancel_tasks(job_id, [(5_000, 10_000)]) == ((5_000, 10_000),)
    status = scene.job(job_id)
    assert (status.cancelled, status.waiting, status.next_index) == (10_000, 10_000, 15_000)
