"""Cancelling: what was never placed, what waits, what runs."""

from __future__ import annotations

import pytest

from omegacell.cellstate.model import AttemptState, JobState, Stop
from tests.contract.scene import Scene


def test_a_job_without_placements_is_cancelled_at_once(scene: Scene) -> None:
    job_id = scene.submit(tasks=3)
    scene.clock.advance(1.0)
    status = scene.store.cancel(job_id)
    assert (status.state, status.cancelled, status.never_placed) == (JobState.CANCELLED, 3, 3)
    assert (status.reason, status.ended_at) == ("cancelled by request", scene.clock.now())
    assert status == scene.job(job_id)
    assert scene.scheduler().claim_ids() == []
    assert scene.outcomes(job_id) == ()


def test_what_runs_is_told_to_stop_and_counts_when_it_has(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine()
    job_id = scene.submit(tasks=5)
    scene.scheduler().place(job_id, machine_id, 2)
    before = scene.machine(machine_id)
    status = scene.store.cancel(job_id)
    assert (status.state, status.cancel_requested) == (JobState.RUNNING, True)
    assert (status.never_placed, status.cancelled, status.placed) == (3, 3, 2)
    first, second = scene.store.placements(job_id)
    assert (first.stop, second.stop) == (Stop.CANCEL, Stop.CANCEL)
    after = scene.machine(machine_id)
    assert (after.version, after.claim_sequence) == (before.version + 1, before.claim_sequence)
    assert after.used == before.used
    assert worker.pull({machine_id: before.version})[0].placements == (first, second)
    worker.end(first, state=AttemptState.CANCELLED)
    assert scene.job(job_id).state is JobState.RUNNING
    worker.end(second, state=AttemptState.CANCELLED)
    status = scene.job(job_id)
    assert (status.state, status.cancelled, status.never_placed) == (JobState.CANCELLED, 5, 3)


@pytest.mark.parametrize("state", [state for state in AttemptState if state is not AttemptState.SUCCEEDED])
def test_after_a_cancellation_every_end_but_success_is_final_and_cancelled(
    scene: Scene, state: AttemptState
) -> None:
    worker = scene.worker()
    job_id = scene.submit(retries=5)
    scene.scheduler().place(job_id, worker.machine())
    scene.store.cancel(job_id)
    worker.end_job(job_id, state)
    status = scene.job(job_id)
    assert (status.state, status.cancelled, status.failed) == (JobState.CANCELLED, 1, 0)
    assert [(outcome.state, outcome.final) for outcome in scene.outcomes(job_id)] == [(state, True)]


def test_success_after_a_cancellation_is_success(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(tasks=2)
    scene.scheduler().place(job_id, worker.machine(), 2)
    scene.store.cancel(job_id)
    worker.end_job(job_id)
    status = scene.job(job_id)
    assert (status.state, status.succeeded, status.cancel_requested) == (JobState.SUCCEEDED, 2, True)


def test_tasks_that_wait_to_run_again_get_a_cancelled_outcome(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(tasks=2, retries=3)
    scene.scheduler().place(job_id, worker.machine(), 2)
    worker.end_job(job_id, AttemptState.FAILED)
    scene.clock.advance(0.25)
    status = scene.store.cancel(job_id)
    assert (status.state, status.cancelled, status.waiting_retry, status.never_placed) == (
        JobState.CANCELLED,
        2,
        0,
        0,
    )
    assert scene.store.retries(job_id) == ()
    cancelled = [outcome for outcome in scene.outcomes(job_id) if outcome.final]
    assert [(one.task_index, one.attempt, one.state) for one in cancelled] == [
        (0, 2, AttemptState.CANCELLED),
        (1, 2, AttemptState.CANCELLED),
    ]
    assert [(one.machine_id, one.exit_code, one.started_at) for one in cancelled] == [(0, -1, 0.0)] * 2
    assert {one.ended_at for one in cancelled} == {scene.clock.now()}


def test_all_three_kinds_of_tasks_at_once(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(tasks=6, retries=1)
    first, *_ = scene.scheduler().place(job_id, worker.machine(), 3)
    worker.end(first, state=AttemptState.FAILED)
    status = scene.store.cancel(job_id)
    assert (status.cancelled, status.never_placed, status.placed, status.waiting_retry) == (4, 3, 2, 0)


def test_cancelling_again_changes_nothing(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine()
    job_id = scene.submit(tasks=2)
    scene.scheduler().place(job_id, machine_id)
    first = scene.store.cancel(job_id)
    version = scene.machine(machine_id).version
    scene.clock.advance(1.0)
    assert scene.store.cancel(job_id) == first
    assert scene.machine(machine_id).version == version


def test_a_final_job_cannot_be_cancelled(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit()
    scene.scheduler().place(job_id, worker.machine())
    worker.end_job(job_id)
    before = scene.job(job_id)
    assert scene.store.cancel(job_id) == before
    assert before.state is JobState.SUCCEEDED


def test_a_cancelled_job_is_no_longer_claimed(scene: Scene) -> None:
    job_id = scene.submit()
    scheduler = scene.scheduler()
    scheduler.claim()
    assert scene.store.cancel(job_id).claimed_by == 0
    assert scheduler.claim_ids() == []
    scheduler.settle(job_id)
    assert scene.job(job_id).attempts == 0


def test_cancellation_overrides_preemption(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit()
    scene.scheduler().place(job_id, machine_id)
    version = scene.store.drain("m").version
    scene.store.cancel(job_id)
    assert [placement.stop for placement in scene.store.placements(job_id)] == [Stop.CANCEL]
    assert scene.machine(machine_id).version == version + 1


def test_cancelling_after_giving_up_stops_what_runs_and_keeps_the_reason(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit(tasks=2)
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((job_id, machine_id, 1))
    scheduler.settle(job_id, gave_up=True, placed_any=True)
    assert [placement.stop for placement in scene.store.placements(job_id)] == [Stop.NONE]
    status = scene.store.cancel(job_id)
    assert [placement.stop for placement in scene.store.placements(job_id)] == [Stop.CANCEL]
    assert status.reason.startswith("gave up")
