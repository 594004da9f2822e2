"""Reports from workers: how jobs end, who is believed, what runs again and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omegacell.cellstate.backoff import delay_seconds
from omegacell.cellstate.errors import TokenLost
from omegacell.cellstate.model import AttemptState, JobState, OnLost
from tests.contract.scene import FAILURES, Scene, SchedulerHand, WorkerHand


def test_a_job_succeeds_with_its_last_task(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2)
    first, second = scheduler.place(job_id, 1, 2)
    assert worker.end(first) == (True,)
    assert scene.job(job_id).state is JobState.RUNNING
    scene.clock.advance(1.0)
    assert worker.end(second) == (True,)
    status = scene.job(job_id)
    assert (status.state, status.succeeded, status.placed, status.reason) == (JobState.SUCCEEDED, 2, 0, "")
    assert status.ended_at == scene.clock.now()


def test_an_end_frees_the_machine_and_raises_its_version_once_a_call(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=3, memory=10)
    placements = scheduler.place(job_id, 1, 3)
    before = scene.machine(1)
    worker.end(*placements[:2])
    after = scene.machine(1)
    assert (after.used.cpu_milli, after.used.memory_bytes, after.placements) == (1000, 10, 1)
    assert (after.version, after.claim_sequence) == (before.version + 1, before.claim_sequence)


def test_an_outcome_keeps_what_was_reported(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit()
    (placement,) = scheduler.place(job_id, 1)
    scene.clock.advance(2.5)
    worker.end(
        placement,
        state=AttemptState.FAILED,
        ran_seconds=1.5,
        exit_code=7,
        result=b"\x00\xff",
        error="exit code 7",
        stdout_tail="out",
        stderr_tail="é\n",
    )
    (outcome,) = scene.outcomes(job_id)
    assert (outcome.task_index, outcome.attempt, outcome.state, outcome.final) == (
        0,
        1,
        AttemptState.FAILED,
        True,
    )
    assert (outcome.machine_id, outcome.exit_code, outcome.result) == (1, 7, b"\x00\xff")
    assert (outcome.error, outcome.stdout_tail, outcome.stderr_tail) == ("exit code 7", "out", "é\n")
    assert outcome.ended_at == scene.clock.now() == outcome.started_at + 1.5


def test_outcomes_are_found_by_index_and_finality(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=3, retries=1, backoff_seconds=1.0, backoff_max_seconds=1.0)
    scheduler.place(job_id, 1, 3)
    worker.end_job(job_id, AttemptState.FAILED)
    scene.clock.advance(1.0)
    scheduler.place(job_id, 1, 3)
    worker.end_job(job_id)

    def keys(**wanted: object) -> list[tuple[int, int]]:
        found = scene.store.outcomes(job_id, **wanted)  # type: ignore[arg-type]  # passed on
        return [(outcome.task_index, outcome.attempt) for outcome in found]

    assert keys() == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]
    assert keys(final_only=True) == [(0, 2), (1, 2), (2, 2)]
    assert keys(task_indexes=[2, 0], final_only=True) == [(0, 2), (2, 2)]
    assert keys(task_indexes=[9]) == []


def test_a_report_sent_twice_is_applied_once(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2)
    first, _ = scheduler.place(job_id, 1, 2)
    assert worker.end(first) == (True,)
    version = scene.machine(1).version
    assert worker.end(first) == (False,)
    assert scene.machine(1).version == version
    assert (scene.job(job_id).succeeded, len(scene.outcomes(job_id))) == (1, 1)


def test_a_report_twice_in_one_call_is_applied_once(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2)
    first, second = scheduler.place(job_id, 1, 2)
    assert sorted(worker.end(first, first, second)) == [False, True, True]
    assert scene.job(job_id).succeeded == 2


@pytest.mark.parametrize(
    "changed", [{"attempt": 2}, {"epoch": 2}, {"machine_id": 2}, {"first_index": 5}, {"job_id": 99}]
)
def test_a_zombie_is_not_believed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, changed: dict[str, Any]
) -> None:
    worker.machine("other")
    job_id = scene.submit(tasks=2)
    (placement,) = scheduler.place(job_id, 1)
    zombie = replace(placement, **changed)
    assert worker.end(zombie) == (False,)
    worker.start(zombie)
    assert scene.store.placements(job_id) == (placement,)
    assert scene.outcomes(job_id) == ()


def test_a_report_for_a_lost_placement_is_not_believed(scene: Scene, scheduler: SchedulerHand) -> None:
    worker = scene.worker()
    worker.machine()
    job_id = scene.submit()
    (placement,) = scheduler.place(job_id, 1)
    worker.machine()
    assert worker.end(placement) == (False,)
    assert [outcome.state for outcome in scene.outcomes(job_id)] == [AttemptState.LOST]


def test_a_start_is_noted_without_a_new_version(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2)
    first, _ = scheduler.place(job_id, 1, 2)
    version = scene.machine(1).version
    worker.start(first)
    assert [placement.running for placement in scene.store.placements(job_id)] == [True, False]
    assert scene.machine(1).version == version


def test_reports_of_an_old_incarnation_are_refused(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit()
    (placement,) = scheduler.place(job_id, 1)
    scene.worker()
    for call in (worker.start, worker.end):
        with pytest.raises(TokenLost):
            call(placement)


@pytest.mark.parametrize("state", FAILURES)
def test_a_failed_attempt_runs_again_after_back_off(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: AttemptState
) -> None:
    job_id = scene.submit(retries=2, backoff_seconds=2.0)
    for attempt in (1, 2):
        scheduler.place(job_id, 1)
        worker.end_job(job_id, state)
        waiting = scene.retry(job_id)
        delay = delay_seconds(
            backoff_seconds=2.0, backoff_max_seconds=60.0, failures=attempt, job_id=job_id, task_index=0
        )
        assert (waiting.attempt, waiting.failures, waiting.lost, waiting.count) == (
            attempt + 1,
            attempt,
            0,
            1,
        )
        assert waiting.not_before == pytest.approx(scene.clock.now() + delay, abs=1e-5)
        assert scene.job(job_id).waiting_retry == 1
        assert scheduler.claim_ids() == []
        scene.clock.advance(8.0)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, state)
    status = scene.job(job_id)
    assert (status.state, status.failed, status.waiting_retry) == (JobState.FAILED, 1, 0)
    assert [(one.attempt, one.state, one.final) for one in scene.outcomes(job_id)] == [
        (1, state, False),
        (2, state, False),
        (3, state, True),
    ]


def test_a_retry_that_succeeds_is_all_that_counts(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(retries=1)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, AttemptState.FAILED)
    scene.clock.advance(2.0)
    (placement,) = scheduler.place(job_id, 1)
    assert (placement.first_index, placement.attempt, placement.failures) == (0, 2, 1)
    worker.end_job(job_id)
    status = scene.job(job_id)
    assert (status.state, status.succeeded, status.failed) == (JobState.SUCCEEDED, 1, 0)


def test_a_job_with_a_failed_task_runs_the_others_and_is_failed(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=3)
    first, second = scheduler.place(job_id, 1, 2)
    worker.end(first, state=AttemptState.FAILED)
    worker.end(second)
    scheduler.place(job_id, 1)
    worker.end_job(job_id)
    status = scene.job(job_id)
    assert (status.state, status.succeeded, status.failed) == (JobState.FAILED, 2, 1)


def test_a_task_reported_cancelled_is_final_and_the_job_cancelled(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(retries=5)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, AttemptState.CANCELLED)
    status = scene.job(job_id)
    assert (status.state, status.cancelled, status.cancel_requested) == (JobState.CANCELLED, 1, False)


@pytest.mark.parametrize("state", [AttemptState.PREEMPTED, AttemptState.LOST])
def test_a_preempted_or_lost_attempt_runs_again_at_once_and_uses_no_retry(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, state: AttemptState
) -> None:
    job_id = scene.submit(max_lost=2)
    for lost in (1, 2):
        scheduler.place(job_id, 1)
        worker.end_job(job_id, state)
        waiting = scene.retry(job_id)
        assert (waiting.attempt, waiting.failures, waiting.lost) == (lost + 1, 0, lost)
        assert waiting.not_before == scene.clock.now()
    (placement,) = scheduler.place(job_id, 1)
    assert (placement.attempt, placement.lost) == (3, 2)
    worker.end_job(job_id, state)
    status = scene.job(job_id)
    assert (status.state, status.failed) == (JobState.FAILED, 1)


def test_losses_and_failures_are_counted_apart(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(retries=1, max_lost=1, backoff_seconds=1.0)
    for state in (AttemptState.FAILED, AttemptState.PREEMPTED):
        scheduler.place(job_id, 1)
        worker.end_job(job_id, state)
        scene.clock.advance(1.0)
    waiting = scene.retry(job_id)
    assert (waiting.attempt, waiting.failures, waiting.lost) == (3, 1, 1)


def test_on_lost_fail_ends_a_lost_task_but_not_a_preempted_one(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(on_lost=OnLost.FAIL)
    scheduler.place(job_id, 1)
    worker.end_job(job_id, AttemptState.PREEMPTED)
    assert scene.retry(job_id).lost == 1
    scheduler.place(job_id, 1)
    worker.end_job(job_id, AttemptState.LOST)
    assert (scene.job(job_id).state, scene.job(job_id).failed) == (JobState.FAILED, 1)


def test_a_failed_task_of_a_claimed_job_is_not_queued_until_it_is_settled(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2, retries=1, backoff_seconds=1.0)
    other = scene.scheduler("other")
    scheduler.claim()
    scheduler.commit((job_id, 1, 1))
    worker.end_job(job_id, AttemptState.FAILED)
    scene.clock.advance(1.0)
    assert other.claim_ids() == []
    scheduler.settle(job_id)
    assert [(job.job_id, job.pending) for job in other.claim()] == [(job_id, 2)]


def test_a_report_makes_a_waiting_job_due_again(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2)
    (placement,) = scheduler.place(job_id, 1)
    scheduler.claim()
    scheduler.settle(job_id, after=60.0)
    assert scheduler.claim_ids() == []
    worker.end(placement)
    assert scheduler.claim_ids() == [job_id]


def test_a_zombie_does_not_make_a_waiting_job_due(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2)
    (placement,) = scheduler.place(job_id, 1)
    scheduler.claim()
    scheduler.settle(job_id, after=60.0)
    assert worker.end(replace(placement, attempt=2)) == (False,)
    assert scheduler.claim_ids() == []
