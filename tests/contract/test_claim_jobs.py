"""The queue: whose turn it is, who holds what, and what happens to jobs that are given back."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import TokenLost
from omegacell.cellstate.model import AntiAffinity, AttemptState, JobState
from tests.contract.scene import Scene


def test_higher_priority_first_then_first_in_first_out(scene: Scene) -> None:
    low, first, second, high = (scene.submit(priority=priority) for priority in (1, 100, 100, 900))
    assert scene.scheduler().claim_ids() == [high, first, second, low]


def test_a_job_is_claimed_by_one_scheduler_at_a_time(scene: Scene) -> None:
    job_id = scene.submit()
    holder, other = scene.scheduler("a"), scene.scheduler("b")
    assert holder.claim_ids() == [job_id]
    assert other.claim_ids() == []
    assert scene.job(job_id).claimed_by == holder.lease.holder_id


def test_a_scheduler_is_given_jobs_of_its_kind_only(scene: Scene) -> None:
    service, batch = scene.submit(scheduler="service"), scene.submit()
    assert scene.scheduler("s", kind="service").claim_ids() == [service]
    assert scene.scheduler("b", kind="batch").claim_ids() == [batch]


def test_claiming_again_gives_what_is_held_and_fills_up_to_the_limit(scene: Scene) -> None:
    first, second, third, fourth = (scene.submit() for _ in range(4))
    scheduler = scene.scheduler()
    assert scheduler.claim_ids(limit=2) == [first, second]
    assert scheduler.claim_ids(limit=2) == [first, second]
    scheduler.settle(first)
    assert scheduler.claim_ids(limit=3) == [second, third, fourth]


def test_what_is_held_is_given_also_beyond_the_limit(scene: Scene) -> None:
    held = [scene.submit() for _ in range(3)]
    scheduler = scene.scheduler()
    scheduler.claim()
    assert scheduler.claim_ids(limit=1) == held


def test_a_job_put_back_goes_to_the_end_of_its_priority(scene: Scene) -> None:
    first, second = scene.submit(), scene.submit()
    scheduler = scene.scheduler()
    scheduler.claim(limit=1)
    scheduler.settle(first)
    third = scene.submit()
    assert scheduler.claim_ids() == [second, first, third]


def test_a_job_is_passed_over_until_its_time(scene: Scene) -> None:
    job_id = scene.submit()
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.settle(job_id, after=5.0)
    scene.clock.advance(4.75)
    assert scheduler.claim_ids() == []
    scene.clock.advance(0.25)
    assert scheduler.claim_ids() == [job_id]


def test_the_first_claim_notes_the_first_attempt(scene: Scene) -> None:
    job_id = scene.submit()
    scheduler = scene.scheduler()
    scene.clock.advance(2.0)
    scheduler.claim()
    scheduler.settle(job_id)
    first_attempt_at = scene.clock.now()
    scene.clock.advance(1.0)
    scheduler.claim()
    status = scene.job(job_id)
    assert status.first_attempt_at == first_attempt_at == status.submitted_at + 2.0
    told = scene.store.schedulers()[0]
    assert (told.wait_p50_seconds, told.wait_p99_seconds, told.jobs_claimed) == (2.0, 2.0, 1)


def test_a_claimed_job_says_what_a_policy_needs(scene: Scene) -> None:
    job_id = scene.submit(tasks=3, cpu=500, memory=7, policy="best_fit", priority=3, gang_min=2)
    scheduler = scene.scheduler()
    (job,) = scheduler.claim()
    assert (job.job_id, job.name, job.policy, job.priority, job.gang_min) == (job_id, "job", "best_fit", 3, 2)
    assert (job.amounts.cpu_milli, job.amounts.memory_bytes, job.amounts.disk_bytes) == (500, 7, 0)
    assert (job.task_count, job.pending, job.placed, job.attempts, job.fruitless) == (3, 3, 0, 0, 0)
    assert (job.submitted_at, job.placed_on) == (scene.clock.now(), {})


def test_pending_counts_unnumbered_tasks_and_due_retries(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(tasks=3, retries=1, backoff_seconds=1.0)
    scheduler = scene.scheduler()
    placement = scheduler.place(job_id, worker.machine())[0]
    worker.end(placement, state=AttemptState.FAILED)
    assert [(job.pending, job.placed) for job in scheduler.claim()] == [(2, 0)]
    scene.clock.advance(1.0)
    assert [(job.pending, job.placed) for job in scheduler.claim()] == [(3, 0)]


def test_where_a_job_runs_is_told_where_that_counts(scene: Scene) -> None:
    worker = scene.worker()
    here, there = worker.machine("here"), worker.machine("there")
    rack = (AntiAffinity(attribute="machine", limit=2),)
    apart, plain = scene.submit(tasks=9, anti_affinity=rack), scene.submit(tasks=9)
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((apart, here, 2), (apart, there, 1), (plain, there, 1))
    assert [dict(job.placed_on) for job in scheduler.claim()] == [{here: 2, there: 1}, {}]
    worker.end(scene.store.placements(apart)[0])
    assert dict(scheduler.claim()[0].placed_on) == {here: 1, there: 1}


def test_settling_counts_attempts_and_fruitless_ones_in_a_row(scene: Scene) -> None:
    job_id = scene.submit(tasks=2)
    scheduler = scene.scheduler()
    for placed_any, fruitless in ((False, 1), (False, 2), (True, 0), (False, 1)):
        scheduler.claim()
        scheduler.settle(job_id, placed_any=placed_any)
        assert [job.fruitless for job in scheduler.claim()] == [fruitless]
    assert [job.attempts for job in scheduler.claim()] == [4]
    assert scene.job(job_id).attempts == 4


def test_settling_a_job_of_somebody_else_is_passed_over(scene: Scene) -> None:
    job_id = scene.submit()
    holder, other = scene.scheduler("a"), scene.scheduler("b")
    holder.claim()
    other.settle(job_id, 99)
    assert scene.job(job_id).claimed_by == holder.lease.holder_id
    assert scene.job(job_id).attempts == 0


def test_the_explanation_is_the_latest_one(scene: Scene) -> None:
    job_id = scene.submit()
    assert scene.explanation(job_id) == {}
    scheduler = scene.scheduler()
    for text in ('{"machines": 1}', '{"machines": 2}'):
        scheduler.claim()
        scheduler.settle(job_id, explanation=text)
    assert scene.explanation(job_id) == {"machines": 2}


def test_giving_up_cancels_what_is_not_placed(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(tasks=3)
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((job_id, worker.machine(), 1))
    scheduler.settle(job_id, gave_up=True, placed_any=True)
    status = scene.job(job_id)
    assert (status.never_placed, status.cancelled, status.placed) == (2, 2, 1)
    assert (status.state, status.claimed_by) == (JobState.RUNNING, 0)
    assert status.reason == "gave up: nothing more will be placed"
    worker.end_job(job_id)
    status = scene.job(job_id)
    assert (status.state, status.succeeded, status.cancelled) == (JobState.CANCELLED, 1, 2)


def test_giving_up_a_job_without_placements_ends_it(scene: Scene) -> None:
    job_id = scene.submit(tasks=2)
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.settle(job_id, gave_up=True)
    status = scene.job(job_id)
    assert (status.state, status.attempts, status.ended_at) == (JobState.CANCELLED, 1, scene.clock.now())
    assert scheduler.claim_ids() == []


def test_a_job_with_retries_that_are_not_due_waits_for_the_earliest(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(tasks=2, retries=1, backoff_seconds=4.0)
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((job_id, worker.machine(), 1))
    worker.end_job(job_id, AttemptState.FAILED)
    scheduler.commit((job_id, worker.machine("other"), 1))
    scheduler.settle(job_id, placed_any=True)
    (retry,) = scene.store.retries(job_id)
    assert scheduler.claim_ids() == []
    scene.clock.advance(1.75)
    assert scene.clock.now() < retry.not_before
    assert scheduler.claim_ids() == []
    scene.clock.advance(2.25)
    assert scheduler.claim_ids() == [job_id]


def test_a_new_incarnation_gives_the_jobs_back_at_once(scene: Scene) -> None:
    job_id = scene.submit()
    old = scene.scheduler("a")
    old.claim()
    new = scene.scheduler("a")
    assert new.lease.holder_id == old.lease.holder_id
    assert new.lease.token > old.lease.token
    assert scene.job(job_id).claimed_by == 0
    assert scene.scheduler("b").claim_ids() == [job_id]


def test_an_old_incarnation_is_told_to_stop(scene: Scene) -> None:
    job_id = scene.submit()
    old, new = scene.scheduler("a"), scene.scheduler("a")
    for call in (old.claim, old.renew, lambda: old.settle(job_id)):
        with pytest.raises(TokenLost):
            call()
    old.release()
    assert new.claim_ids() == [job_id]


def test_a_released_scheduler_gives_its_jobs_back(scene: Scene) -> None:
    job_id = scene.submit()
    leaving, other = scene.scheduler("a"), scene.scheduler("b")
    leaving.claim()
    leaving.release()
    assert other.claim_ids() == [job_id]
    with pytest.raises(TokenLost):
        leaving.claim()
    assert [status.alive for status in scene.store.schedulers()] == [False, True]
