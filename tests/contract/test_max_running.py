"""max_running: no more tasks of a job at once than it lets in."""

from __future__ import annotations

from omegacell.cellstate.model import AttemptState, CommitMode, JobState, Reason
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import Wish, answers


def test_a_claimed_job_shows_what_it_lets_in(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    limited, other = scene.submit(tasks=5, max_running=2), scene.submit(tasks=1, max_running=3)
    assert scene.job(limited).max_running == 2
    assert [(job.job_id, job.pending, job.max_running) for job in scheduler.claim()] == [
        (limited, 2, 2),
        (other, 1, 3),
    ]
    scheduler.commit((limited, 1, 1))
    assert [job.pending for job in scheduler.claim()] == [1, 1]


def test_no_more_slots_are_accepted_and_a_full_job_is_no_longer_claimed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=5, max_running=2)
    scheduler.claim()
    assert answers(scheduler.commit((job_id, 1, 4))) == [(2, Reason.NOTHING_TO_PLACE, 2)]
    status = scene.job(job_id)
    assert (status.claimed_by, status.placed, status.waiting) == (0, 2, 3)
    assert scheduler.claim_ids() == []
    assert answers(scheduler.commit((job_id, 1, 1))) == [(0, Reason.JOB_NOT_CLAIMED, 0)]


def test_several_claims_share_what_it_lets_in(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=9, max_running=3)
    scheduler.claim()
    verdict = scheduler.commit((job_id, 1, 2), (job_id, 1, 2), (job_id, 1, 1))
    assert [accepted for accepted, *_ in answers(verdict)] == [2, 1, 0]


def test_one_that_is_not_full_stays_claimed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=5, max_running=3)
    scheduler.claim()
    scheduler.commit((job_id, 1, 2))
    assert scene.job(job_id).claimed_by == scheduler.lease.holder_id
    scheduler.settle(job_id, placed_any=True)
    assert [job.pending for job in scheduler.claim()] == [1]


def test_its_slots_hold_one_task_each(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=9, max_running=2)
    scheduler.claim()
    verdict = scheduler.commit(Wish(job_id, 1, 2, tasks=4))
    assert (verdict.accepted.tolist(), verdict.tasks.tolist()) == ([2], [2])
    assert [(slot.first_index, slot.count) for slot in scene.store.placements(job_id)] == [(0, 1), (1, 1)]


def test_an_end_lets_the_next_in_until_all_have_run(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=3, max_running=1)
    for index in range(3):
        assert [(job.job_id, job.pending) for job in scheduler.claim()] == [(job_id, 1)]
        (slot,) = scheduler.place(job_id, 1)
        assert slot.first_index == index
        assert scheduler.claim_ids() == []
        worker.end(slot)
    assert scene.states(job_id) == [JobState.SUCCEEDED]


def test_what_fails_while_it_is_full_waits_for_room_and_goes_first(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=4, max_running=2, retries=1, backoff_seconds=0.0)
    first, second = scheduler.place(job_id, 1, 2)
    worker.end(first, state=AttemptState.FAILED)
    assert [job.pending for job in scheduler.claim()] == [1]
    assert [slot.attempt for slot in scheduler.place(job_id, 1)] == [2, 1]
    assert scheduler.claim_ids() == []
    worker.end(second)
    assert [job.pending for job in scheduler.claim()] == [1]


def test_slots_that_are_told_to_stop_still_run(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=4, max_running=2)
    scheduler.place(job_id, 1, 2)
    scene.store.drain("m")
    assert scheduler.claim_ids() == []
    worker.end(scene.store.placements(job_id)[0], state=AttemptState.PREEMPTED)
    assert [job.pending for job in scheduler.claim()] == [1]


def test_a_lost_machine_makes_room(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job_id = scene.submit(tasks=4, max_running=2)
    scheduler.place(job_id, 1, 2)
    worker.machine()
    assert [(job.job_id, job.pending) for job in scheduler.claim()] == [(job_id, 2)]


def test_a_full_job_is_not_queued_by_what_else_is_done_to_it(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.open_job([b""] * 3, max_running=1)
    scheduler.place(job_id, 1)
    scene.store.append(job_id, 3, [b""])
    scene.store.hold(job_id)
    scene.store.release(job_id)
    scene.store.alter(job_id, priority=7)
    scene.store.cancel_tasks(job_id, [(2, 1)])
    scene.store.fold([job_id])
    scene.store.close_job(job_id)
    assert scheduler.claim_ids() == []
    assert (scene.job(job_id).waiting, scene.job(job_id).placed) == (2, 1)


def test_all_or_nothing_is_nothing_where_not_all_are_let_in(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=4, max_running=2, commit=CommitMode.ALL_OR_NOTHING)
    scheduler.claim()
    assert answers(scheduler.commit((job_id, 1, 3))) == [(0, Reason.NOTHING_TO_PLACE, 2)]
    assert answers(scheduler.commit((job_id, 1, 2))) == [(2, Reason.ACCEPTED, 0)]


def test_a_full_job_is_cancelled_like_any_other(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=4, max_running=1)
    scheduler.place(job_id, 1)
    assert scene.store.cancel(job_id).never_placed == 3
    worker.end_job(job_id, AttemptState.CANCELLED)
    assert scene.states(job_id) == [JobState.CANCELLED]


def test_an_alternative_counts_as_well(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    worker.machine("other")
    full = scene.submit(cpu=4000)
    scheduler.place(full, 1)
    job_id = scene.submit(tasks=3, max_running=1)
    scheduler.claim()
    verdict = scheduler.commit((job_id, 1, 1), (job_id, 1, 1), alternatives={job_id: [2]})
    assert (verdict.accepted.tolist(), verdict.machine_id.tolist()[0]) == ([1, 0], 2)
