"""Open jobs: tasks are added while others run, and the job ends once it is closed."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import AttemptState, JobState
from tests.contract.scene import Scene, SchedulerHand, WorkerHand, submission
from tests.contract.slots import tasks_of


def test_one_without_tasks_waits_for_some(scene: Scene, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job()
    status = scene.job(job_id)
    assert (status.state, status.open, status.task_count, status.waiting) == (JobState.PENDING, True, 0, 0)
    assert scheduler.claim_ids() == []


def test_other_jobs_are_not_open_and_services_are_until_they_are_cancelled(scene: Scene) -> None:
    assert not scene.job(scene.submit()).open
    service = scene.submit(service=True)
    assert scene.job(service).open
    assert not scene.store.cancel(service).open


def test_what_is_added_can_be_placed_and_has_its_input(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job()
    assert scene.store.append(job_id, 0, [b"a", b""]) == 2
    assert scene.store.append(job_id, 2, [b"c"]) == 3
    assert (scene.job(job_id).task_count, scene.job(job_id).waiting) == (3, 3)
    assert [(job.job_id, job.pending, job.task_count) for job in scheduler.claim()] == [(job_id, 3, 3)]
    assert scene.store.inputs(job_id, 0, 3) == (b"a", b"", b"c")
    assert scene.store.inputs(job_id, 1, 2) == (b"", b"c")
    (definition,) = scene.store.definitions([job_id])
    assert definition.has_inputs
    assert scene.store.specification(job_id).open


def test_one_may_begin_with_tasks(scene: Scene) -> None:
    job_id = scene.submit(open=True, tasks=2, inputs=(b"a", b"b"))
    assert (scene.job(job_id).open, scene.job(job_id).task_count) == (True, 2)
    assert scene.store.append(job_id, 2, [b"c"]) == 3
    assert scene.store.inputs(job_id, 0, 3) == (b"a", b"b", b"c")


def test_what_is_sent_twice_is_added_once(scene: Scene) -> None:
    job_id = scene.open_job([b"a", b"b"])
    assert scene.store.append(job_id, 0, [b"a", b"b"]) == 2
    assert scene.store.append(job_id, 2, [b"c"]) == 3
    assert scene.store.append(job_id, 0, [b"a", b"b"]) == 3
    assert scene.store.append(job_id, 2, [b"c"]) == 3
    assert scene.store.inputs(job_id, 0, 3) == (b"a", b"b", b"c")


def test_nothing_may_be_added_and_changes_nothing(scene: Scene, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job()
    assert scene.store.append(job_id, 0, []) == 0
    assert scheduler.claim_ids() == []


@pytest.mark.parametrize(("first_index", "count"), [(3, 1), (1, 2), (0, 3), (-1, 1)])
def test_a_gap_or_an_overlap_is_refused(scene: Scene, first_index: int, count: int) -> None:
    job_id = scene.open_job([b"a", b"b"])
    with pytest.raises(SpecInvalid):
        scene.store.append(job_id, first_index, [b"x"] * count)
    assert (scene.job(job_id).task_count, scene.store.inputs(job_id, 0, 2)) == (2, (b"a", b"b"))


@pytest.mark.parametrize("how", ["never open", "service", "closed", "cancelled", "ended"])
def test_nothing_can_be_added_to_a_job_that_is_not_open(scene: Scene, how: str) -> None:
    match how:
        case "never open":
            job_id = scene.submit(tasks=1, inputs=(b"a",))
        case "service":
            job_id = scene.submit(service=True)
        case "closed":
            job_id = scene.open_job([b"a"])
            scene.store.close_job(job_id)
        case "cancelled":
            job_id = scene.open_job([b"a"])
            scene.store.cancel(job_id)
        case _:
            job_id = scene.open_job()
            scene.store.close_job(job_id)
    before = scene.job(job_id)
    with pytest.raises(SpecInvalid, match=f"j{job_id}"):
        scene.store.append(job_id, before.task_count, [b"b"])
    assert scene.job(job_id) == before


def test_it_is_not_final_while_it_is_open_and_goes_on_with_what_is_added(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""])
    for index in range(2):
        (slot,) = scheduler.place(job_id, 1)
        assert list(tasks_of(slot)) == [index]
        worker.end(slot)
        status = scene.job(job_id)
        assert (status.state.final, status.succeeded, status.ended_at) == (False, index + 1, 0.0)
        assert scheduler.claim_ids() == []
        scene.store.append(job_id, index + 1, [b""])
    assert scheduler.claim_ids() == [job_id]


def test_what_is_added_to_a_claimed_job_is_placed_by_who_holds_it(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""])
    scheduler.claim()
    scene.store.append(job_id, 1, [b""] * 2)
    assert scene.scheduler("other").claim_ids() == []
    assert [job.pending for job in scheduler.claim()] == [3]
    assert scheduler.commit((job_id, 1, 3)).accepted.tolist() == [3]


def test_closing_while_it_runs_lets_it_end_with_its_tasks(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 2)
    first, second = scheduler.place(job_id, 1, 2)
    worker.end(first)
    status = scene.store.close_job(job_id)
    assert (status.state, status.open) == (JobState.RUNNING, False)
    assert scene.store.close_job(job_id) == status
    scene.clock.advance(1.0)
    worker.end(second)
    status = scene.job(job_id)
    assert (status.state, status.succeeded, status.ended_at) == (JobState.SUCCEEDED, 2, scene.clock.now())


def test_closing_before_anything_was_placed_changes_nothing_else(
    scene: Scene, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 2)
    assert scene.store.close_job(job_id).state is JobState.PENDING
    assert [(job.job_id, job.pending) for job in scheduler.claim()] == [(job_id, 2)]


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ((), JobState.SUCCEEDED),
        ((AttemptState.SUCCEEDED,) * 2, JobState.SUCCEEDED),
        ((AttemptState.SUCCEEDED, AttemptState.FAILED), JobState.FAILED),
        ((AttemptState.SUCCEEDED, AttemptState.CANCELLED), JobState.CANCELLED),
    ],
)
def test_closing_when_all_has_ended_ends_it_at_once(
    scene: Scene,
    worker: WorkerHand,
    scheduler: SchedulerHand,
    ends: tuple[AttemptState, ...],
    state: JobState,
) -> None:
    job_id = scene.open_job([b""] * len(ends))
    if ends:
        slots = scheduler.place(job_id, 1, len(ends))
        for slot, end in zip(slots, ends, strict=True):
            worker.end(slot, state=end)
    scene.clock.advance(1.0)
    status = scene.store.close_job(job_id)
    assert (status.state, status.open, status.ended_at) == (state, False, scene.clock.now())
    assert scene.store.close_job(job_id) == scene.job(job_id) == status


def test_closing_a_job_that_was_never_open_changes_nothing_and_a_service_cannot_be_closed(
    scene: Scene,
) -> None:
    plain, service = scene.submit(), scene.submit(service=True)
    before = scene.job(plain)
    assert scene.store.close_job(plain) == before
    with pytest.raises(SpecInvalid):
        scene.store.close_job(service)
    assert scene.job(service).open


def test_cancelling_an_open_job_cancels_what_is_pending_and_ends_it(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 3)
    scheduler.place(job_id, 1)
    status = scene.store.cancel(job_id)
    assert (status.open, status.never_placed, status.state) == (False, 2, JobState.RUNNING)
    worker.end_job(job_id, AttemptState.CANCELLED)
    assert scene.job(job_id).state is JobState.CANCELLED
    assert scene.store.close_job(job_id).state is JobState.CANCELLED


def test_a_blocked_open_job_takes_tasks_and_a_close(scene: Scene, scheduler: SchedulerHand) -> None:
    parent = scene.submit()
    filled, empty = (scene.submit(tasks=0, open=True, after=(parent,)) for _ in range(2))
    scene.store.append(filled, 0, [b"a"])
    assert scene.states(filled, empty) == [JobState.BLOCKED] * 2
    assert scheduler.claim_ids() == [parent]
    assert scene.store.close_job(filled).state is JobState.BLOCKED
    scene.store.cancel(parent)
    assert scene.states(filled, empty) == [JobState.CANCELLED] * 2
    assert scene.job(filled).never_placed == 1


def test_a_held_open_job_takes_tasks_which_nobody_gets(scene: Scene, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job()
    scene.store.hold(job_id)
    scene.store.append(job_id, 0, [b"a"])
    assert scheduler.claim_ids() == []
    scene.store.release(job_id)
    assert scheduler.claim_ids() == [job_id]


def test_many_small_additions_are_as_one(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.open_job(cpu=0)
    for index in range(20):
        scene.store.append(job_id, index, [bytes([index])])
    scheduler.place(job_id, 1, 2, tasks=10)
    worker.end_job(job_id)
    assert scene.store.close_job(job_id).state is JobState.SUCCEEDED
    assert scene.store.inputs(job_id, 5, 10) == tuple(bytes([index]) for index in range(5, 15))


def test_a_key_of_an_open_job_stands_for_it_also_when_it_has_grown(scene: Scene) -> None:
    again = submission(tasks=0, open=True, key="k")
    (first,) = scene.store.submit([again])
    scene.store.append(first.job_id, 0, [b"a"])
    assert scene.submit(tasks=0, open=True, key="k") == first.job_id
