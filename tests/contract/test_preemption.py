"""Preemption: victims of lower priority give their room to the winner at once, and end when their worker says so."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from omegacell.cellstate.model import (
    Amounts,
    AttemptState,
    CommitMode,
    Detection,
    Placement,
    Preemption,
    Reason,
    Stop,
)
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import Wish, answers, rivals

LOW, HIGH = 100, 900


@pytest.fixture
def batch(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> tuple[Placement, ...]:
    """Four tasks of low priority, one core each, that fill machine 1."""
    return scheduler.place(scene.submit(tasks=4, priority=LOW), 1, 4)


def urgent(scene: Scene, scheduler: SchedulerHand, **fields: Any) -> int:
    """A job of high priority that `scheduler` has claimed."""
    job_id = scene.submit(**({"priority": HIGH, "tasks": 3} | fields))
    scheduler.claim()
    return job_id


def preempted(scene: Scene, job_id: int) -> list[int]:
    """Indexes of the job's slots that were preempted by a claim."""
    return [placement.first_index for placement in scene.store.placements(job_id) if placement.preempted_by]


def test_a_victim_passes_its_room_to_the_winner_at_once(
    scene: Scene, scheduler: SchedulerHand, batch: tuple[Placement, ...], rule: dict[str, Any]
) -> None:
    job, before = urgent(scene, scheduler, **rule), scene.machine(1)
    verdict = scheduler.commit(Wish(job, 1, victims=batch[:1]))
    assert answers(verdict) == [(1, Reason.ACCEPTED, 0)]
    assert (verdict.preempted.tolist(), verdict.rows.used[:, 0].tolist()) == ([1], [4000])
    victim = scene.store.placements(batch[0].job_id)[0]
    assert (victim.amounts, victim.stop, victim.preempted_by) == (Amounts(), Stop.PREEMPT, job)
    assert (victim.attempt, victim.running, victim.count) == (1, False, 1)
    assert [placement.amounts.cpu_milli for placement in scene.store.placements(job)] == [1000]
    after = scene.machine(1)
    assert (after.used, after.placements) == (before.used, 5)
    assert (after.version, after.claim_sequence) == (before.version + 1, before.claim_sequence + 1)


def test_a_claim_takes_only_as_many_victims_as_it_needs_from_the_first_on(
    scene: Scene, scheduler: SchedulerHand, batch: tuple[Placement, ...]
) -> None:
    job = urgent(scene, scheduler, cpu=1500)
    verdict = scheduler.commit(Wish(job, 1, victims=(batch[2], batch[0], batch[1])))
    assert (answers(verdict), verdict.preempted.tolist()) == ([(1, Reason.ACCEPTED, 0)], [2])
    assert preempted(scene, batch[0].job_id) == [0, 2]
    assert scene.machine(1).used.cpu_milli == 3500


def test_a_claim_that_fits_takes_no_victim(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, batch: tuple[Placement, ...]
) -> None:
    worker.end(batch[3])
    verdict = scheduler.commit(Wish(urgent(scene, scheduler), 1, victims=batch[:1]))
    assert (answers(verdict), verdict.preempted.tolist()) == ([(1, Reason.ACCEPTED, 0)], [0])
    assert preempted(scene, batch[0].job_id) == []


def test_victims_that_do_not_suffice_are_not_taken(
    scene: Scene, scheduler: SchedulerHand, batch: tuple[Placement, ...], rule: dict[str, Any]
) -> None:
    job = urgent(scene, scheduler, cpu=3000, **rule)
    verdict = scheduler.commit(Wish(job, 1, victims=batch[:2]))
    assert (answers(verdict), verdict.preempted.tolist()) == ([(0, Reason.CPU, 0)], [0])
    assert preempted(scene, batch[0].job_id) == []


@pytest.mark.parametrize("fields", [{"priority": HIGH}, {"priority": HIGH + 1}, {"preemptible": False}])
def test_equals_betters_and_the_protected_are_never_preempted(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, rule: dict[str, Any], fields: dict[str, Any]
) -> None:
    held = scheduler.place(scene.submit(cpu=4000, **({"priority": LOW} | fields)), 1)
    job = urgent(scene, scheduler, **rule)
    verdict = scheduler.commit(Wish(job, 1, victims=held))
    assert answers(verdict) == [(0, Reason.VICTIM_PROTECTED, 0)]
    assert (verdict.preempted.tolist(), rivals(verdict)) == ([0], [(None, 0)])
    assert scene.store.placements(held[0].job_id) == held
    assert scene.store.schedulers()[0].transactions_failed == 0


def test_a_protected_victim_saves_those_before_it_but_is_not_looked_at_after_it_fits(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    lows = scheduler.place(scene.submit(tasks=2, priority=LOW), 1, 2)
    guarded = scheduler.place(scene.submit(tasks=2, preemptible=False), 1, 2)
    job = urgent(scene, scheduler, cpu=2000)
    assert answers(scheduler.commit(Wish(job, 1, victims=(lows[0], guarded[0], lows[1])))) == [
        (0, Reason.VICTIM_PROTECTED, 0)
    ]
    assert preempted(scene, lows[0].job_id) == []
    assert answers(scheduler.commit(Wish(job, 1, victims=(*lows, guarded[0])))) == [(1, Reason.ACCEPTED, 0)]


def test_a_job_cannot_take_its_own(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    job = urgent(scene, scheduler, tasks=2, cpu=4000)
    scheduler.commit((job, 1, 1))
    verdict = scheduler.commit(Wish(job, 1, victims=scene.store.placements(job)))
    assert answers(verdict) == [(0, Reason.VICTIM_PROTECTED, 0)]


def test_two_that_want_one_victim_are_one_winner_and_one_clean_conflict(
    scene: Scene, scheduler: SchedulerHand, batch: tuple[Placement, ...], rule: dict[str, Any]
) -> None:
    other, winner = scene.scheduler("other"), uuid4()
    theirs, mine = (scene.submit(priority=HIGH, **rule) for _ in range(2))
    other.claim(limit=1)
    scheduler.claim()
    seen = scene.machine(1).claim_sequence
    first = other.commit(Wish(theirs, 1, victims=batch[:1], seen=seen), txn_id=winner)
    second = scheduler.commit(Wish(mine, 1, victims=batch[:1], seen=seen))
    coarse = rule["detection"] is Detection.COARSE
    assert answers(first) == [(1, Reason.ACCEPTED, 0)]
    assert answers(second) == [(0, Reason.SEQUENCE, seen + 1) if coarse else (0, Reason.VICTIM_GONE, 0)]
    assert rivals(second) == [(winner, other.lease.holder_id)]
    assert (first.preempted.tolist(), second.preempted.tolist()) == ([1], [0])
    assert scene.store.placements(batch[0].job_id)[0].preempted_by == theirs
    assert [one.transactions_failed for one in scene.store.schedulers()] == [1, 0]


def test_two_claims_of_one_transaction_cannot_take_the_same_victim(
    scene: Scene, scheduler: SchedulerHand, batch: tuple[Placement, ...]
) -> None:
    job = urgent(scene, scheduler)
    verdict = scheduler.commit(Wish(job, 1, victims=batch[:1]), Wish(job, 1, victims=batch[:2]))
    assert answers(verdict) == [(1, Reason.ACCEPTED, 0)] * 2
    assert (verdict.preempted.tolist(), preempted(scene, batch[0].job_id)) == ([1, 1], [0, 1])
    assert answers(scheduler.commit(Wish(job, 1, victims=batch[:2]))) == [(0, Reason.VICTIM_GONE, 0)]


def test_a_victim_named_twice_gives_its_room_once(
    scene: Scene, scheduler: SchedulerHand, batch: tuple[Placement, ...], rule: dict[str, Any]
) -> None:
    job = urgent(scene, scheduler, cpu=2000, **rule)
    verdict = scheduler.commit(Wish(job, 1, victims=(batch[0], batch[0])))
    assert (answers(verdict), verdict.preempted.tolist()) == ([(0, Reason.VICTIM_GONE, 0)], [0])
    assert preempted(scene, batch[0].job_id) == []


def test_what_has_ended_is_gone_and_passed_over(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    batch = scheduler.place(scene.submit(tasks=2, cpu=2000, priority=LOW, retries=1), 1, 2)
    worker.end(batch[0])
    scheduler.place(scene.submit(cpu=2000, priority=LOW), 1)
    job = urgent(scene, scheduler, cpu=2000)
    assert answers(scheduler.commit(Wish(job, 1, victims=batch[:1]))) == [(0, Reason.VICTIM_GONE, 0)]
    verdict = scheduler.commit(Wish(job, 1, victims=batch))
    assert (answers(verdict), verdict.preempted.tolist()) == ([(1, Reason.ACCEPTED, 0)], [1])


def test_gone_with_too_little_left_tells_what_was_free(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, batch: tuple[Placement, ...]
) -> None:
    worker.end(batch[0])
    job = urgent(scene, scheduler, cpu=3000)
    assert answers(scheduler.commit(Wish(job, 1, victims=batch[:2]))) == [(0, Reason.VICTIM_GONE, 1000)]


@pytest.mark.parametrize("elsewhere", [True, False])
def test_what_is_on_another_machine_or_of_another_attempt_is_gone(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, elsewhere: bool
) -> None:
    there = worker.machine("there")
    low = scene.submit(tasks=2, cpu=4000, priority=LOW)
    (first,) = scheduler.place(low, 1)
    worker.end(first, state=AttemptState.PREEMPTED)
    first_again = scheduler.place(low, 1)[0]
    on_other = scheduler.place(low, there)[1]
    job = urgent(scene, scheduler)
    gone = on_other if elsewhere else first
    assert answers(scheduler.commit(Wish(job, 1, victims=(gone,)))) == [(0, Reason.VICTIM_GONE, 0)]
    assert answers(scheduler.commit(Wish(job, 1, victims=(gone, first_again)))) == [(1, Reason.ACCEPTED, 0)]


def test_a_high_gang_takes_its_machines_from_batch_in_one_transaction(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, batch: tuple[Placement, ...]
) -> None:
    there = worker.machine("there")
    theirs = scheduler.place(scene.submit(cpu=4000, priority=LOW), there)
    gang = urgent(scene, scheduler, cpu=2000, commit=CommitMode.GANG)
    wishes = (
        Wish(gang, 1, victims=batch[:2]),
        Wish(gang, 1, victims=batch[2:]),
        Wish(gang, there, victims=theirs),
    )
    verdict = scheduler.commit(*wishes)
    assert (answers(verdict), verdict.preempted.tolist()) == ([(1, Reason.ACCEPTED, 0)] * 3, [2, 2, 1])
    assert preempted(scene, batch[0].job_id) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("commit", "reason"), [(CommitMode.ALL_OR_NOTHING, Reason.GROUP), (CommitMode.GANG, Reason.GANG)]
)
def test_a_refused_group_gives_its_victims_back(
    scene: Scene,
    scheduler: SchedulerHand,
    batch: tuple[Placement, ...],
    commit: CommitMode,
    reason: Reason,
) -> None:
    group, single = urgent(scene, scheduler, commit=commit), urgent(scene, scheduler)
    refused = (Wish(group, 1, victims=batch[:1]), Wish(group, 1), Wish(group, 99))
    verdict = scheduler.commit(*refused, Wish(single, 1, victims=batch[:1]))
    assert answers(verdict) == [
        (0, reason, 0),
        (0, Reason.CPU, 0),
        (0, Reason.MACHINE_UNKNOWN, 0),
        (1, Reason.ACCEPTED, 0),
    ]
    assert verdict.preempted.tolist() == [0, 0, 0, 1]
    assert scene.store.placements(batch[0].job_id)[0].preempted_by == single
    assert len(scene.store.preemptions(batch[0].job_id)) == 1


def test_a_victims_device_and_named_resources_are_the_winners(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    machine = worker.machine("gpus", devices=2, custom={"licence": 1000})
    amounts: dict[str, Any] = {"cpu": 0, "gpu": 600, "custom": {"licence": 500}}
    low = scheduler.place(scene.submit(tasks=2, priority=LOW, **amounts), machine, 2)
    job = urgent(scene, scheduler, **amounts)
    verdict = scheduler.commit(Wish(job, machine, devices=(1,), victims=low))
    assert (answers(verdict), verdict.preempted.tolist()) == ([(1, Reason.ACCEPTED, 0)], [2])
    assert [placement.devices for placement in scene.store.placements(low[0].job_id)] == [(), ()]
    assert [placement.devices for placement in scene.store.placements(job)] == [(1,)]
    status = scene.machine(machine)
    assert (status.devices, status.used.custom) == ((0, 600), (("licence", 500),))


def test_the_winner_and_the_victim_keep_a_record(
    scene: Scene, scheduler: SchedulerHand, batch: tuple[Placement, ...]
) -> None:
    scene.clock.advance(2.5)
    job = urgent(scene, scheduler)
    scheduler.commit(Wish(job, 1, victims=batch[1:2]))
    record = Preemption(
        at=scene.clock.now(),
        machine_id=1,
        winner_job=job,
        victim_job=batch[1].job_id,
        first_index=1,
        count=1,
        attempt=1,
    )
    assert scene.store.preemptions(job) == scene.store.preemptions(batch[1].job_id) == (record,)
    assert scene.store.preemptions(scene.submit()) == ()


def test_the_same_transaction_again_takes_no_further_victims(
    scene: Scene, scheduler: SchedulerHand, batch: tuple[Placement, ...]
) -> None:
    job, txn_id = urgent(scene, scheduler), uuid4()
    answered = [
        scheduler.commit(Wish(job, 1, victims=batch), txn_id=txn_id).preempted.tolist() for _ in range(2)
    ]
    assert answered == [[1], [1]]
    assert preempted(scene, batch[0].job_id) == [0]


def test_a_cancelled_slot_may_be_taken_and_stays_cancelled(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, batch: tuple[Placement, ...]
) -> None:
    scene.store.cancel(batch[0].job_id)
    job = urgent(scene, scheduler)
    assert answers(scheduler.commit(Wish(job, 1, victims=batch[:1]))) == [(1, Reason.ACCEPTED, 0)]
    victim = scene.store.placements(batch[0].job_id)[0]
    assert (victim.stop, victim.preempted_by) == (Stop.CANCEL, job)


def test_cancelling_a_preempted_job_says_cancel(
    scene: Scene, scheduler: SchedulerHand, batch: tuple[Placement, ...]
) -> None:
    job = urgent(scene, scheduler)
    scheduler.commit(Wish(job, 1, victims=batch[:1]))
    scene.store.cancel(batch[0].job_id)
    victim = scene.store.placements(batch[0].job_id)[0]
    assert (victim.stop, victim.preempted_by) == (Stop.CANCEL, job)
