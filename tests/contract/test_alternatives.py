"""Ranked alternatives: machines that a refused claim tries next, under the same locks."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from omegacell.cellstate.model import CommitMode, Detection, Reason
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import Wish, answers, rivals


@pytest.fixture
def spare(worker: WorkerHand) -> tuple[int, int]:
    """Two machines more, of 4 cores and of 2."""
    return worker.machine("a"), worker.machine("b", cpu=2000)


@pytest.fixture
def full(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> int:
    """Machine 1, without room."""
    scheduler.place(scene.submit(cpu=4000), 1)
    return 1


def claimed(scene: Scene, scheduler: SchedulerHand, **fields: Any) -> int:
    """A job that `scheduler` has claimed."""
    job_id = scene.submit(**({"tasks": 9} | fields))
    scheduler.claim()
    return job_id


def where(scene: Scene, job_id: int) -> list[int]:
    """The machine of each of a job's slots."""
    return [placement.machine_id for placement in scene.store.placements(job_id)]


def test_a_claim_that_found_no_room_takes_the_best_alternative_that_has_some(
    scene: Scene, scheduler: SchedulerHand, full: int, spare: tuple[int, int], rule: dict[str, Any]
) -> None:
    big, small = spare
    job = claimed(scene, scheduler, cpu=3000, **rule)
    verdict = scheduler.commit((job, full, 1), alternatives={job: [small, big, full]})
    assert (answers(verdict), verdict.machine_id.tolist()) == ([(1, Reason.ACCEPTED, 0)], [big])
    assert (where(scene, job), verdict.first_index.tolist(), rivals(verdict)) == ([big], [0], [(None, 0)])
    assert sorted(verdict.rows.machine_id.tolist()) == [full, big, small]
    assert scene.machine(small).claim_sequence == 1
    assert scene.machine(big).claim_sequence == 2
    assert scene.store.schedulers()[0].transactions_failed == 0


def test_a_claim_that_fits_stays_where_it_is(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, spare: tuple[int, int]
) -> None:
    job = claimed(scene, scheduler)
    verdict = scheduler.commit((job, 1, 1), alternatives={job: list(spare)})
    assert (verdict.machine_id.tolist(), where(scene, job)) == ([1], [1])


def test_claims_try_alternatives_in_order_and_see_their_predecessors(
    scene: Scene, scheduler: SchedulerHand, full: int, spare: tuple[int, int], rule: dict[str, Any]
) -> None:
    big, small = spare
    job = claimed(scene, scheduler, cpu=2000, **(rule | {"commit": CommitMode.INCREMENTAL}))
    verdict = scheduler.commit(*((job, full, 1) for _ in range(4)), alternatives={job: [small, big]})
    assert verdict.machine_id.tolist() == [small, big, big, full]
    assert answers(verdict) == [*[(1, Reason.ACCEPTED, 0)] * 3, (0, Reason.CPU, 0)]


def test_under_coarse_detection_alternatives_are_judged_as_fine(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, spare: tuple[int, int]
) -> None:
    for machine in (1, *spare):
        scheduler.place(scene.submit(), machine)
    job = claimed(scene, scheduler, detection=Detection.COARSE)
    verdict = scheduler.commit((job, 1, 1, 1), (job, 1, 1, 1), alternatives={job: [spare[1], 1]})
    assert answers(verdict) == [(1, Reason.ACCEPTED, 0)] * 2
    assert verdict.machine_id.tolist() == [spare[1], 1]


def test_a_claim_on_a_machine_that_left_takes_an_alternative(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, spare: tuple[int, int]
) -> None:
    leaving = scene.worker("leaving")
    down = leaving.machine("down")
    leaving.release()
    scene.store.drain("m")
    job = claimed(scene, scheduler)
    verdict = scheduler.commit((job, down, 1), (job, 1, 1), (job, 99, 1), alternatives={job: [spare[0]]})
    assert answers(verdict) == [(1, Reason.ACCEPTED, 0)] * 3
    assert verdict.machine_id.tolist() == [spare[0]] * 3


def test_alternatives_that_are_unknown_down_or_cordoned_are_passed_over(
    scene: Scene, scheduler: SchedulerHand, full: int, spare: tuple[int, int]
) -> None:
    scene.store.drain("a")
    job = claimed(scene, scheduler)
    verdict = scheduler.commit((job, full, 1), alternatives={job: [99, *spare]})
    assert verdict.machine_id.tolist() == [spare[1]]
    assert sorted(verdict.rows.machine_id.tolist()) == [full, *spare]


def test_where_no_alternative_has_room_the_claims_own_reason_is_told(
    scene: Scene, scheduler: SchedulerHand, full: int, spare: tuple[int, int], rule: dict[str, Any]
) -> None:
    job = claimed(scene, scheduler, cpu=4001, **rule)
    verdict = scheduler.commit((job, full, 1), alternatives={job: list(spare)})
    assert (answers(verdict), verdict.machine_id.tolist()) == ([(0, Reason.CPU, 0)], [full])


def test_a_lack_of_tasks_is_no_reason_to_look_further(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, spare: tuple[int, int]
) -> None:
    job = claimed(scene, scheduler, tasks=1)
    verdict = scheduler.commit((job, 1, 1), (job, 1, 1), (job, 99, 1), alternatives={job: list(spare)})
    assert answers(verdict) == [
        (1, Reason.ACCEPTED, 0),
        (0, Reason.NOTHING_TO_PLACE, 0),
        (0, Reason.MACHINE_UNKNOWN, 0),
    ]


def test_a_protected_victim_is_no_reason_to_look_further_but_one_that_is_gone_is(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, spare: tuple[int, int]
) -> None:
    guarded = scheduler.place(scene.submit(cpu=4000, preemptible=False), 1)
    job = claimed(scene, scheduler, priority=900)
    verdict = scheduler.commit(Wish(job, 1, victims=guarded), alternatives={job: [spare[0]]})
    assert (answers(verdict), verdict.machine_id.tolist()) == ([(0, Reason.VICTIM_PROTECTED, 0)], [1])
    worker.end(*guarded)
    scheduler.place(scene.submit(cpu=4000), 1)
    verdict = scheduler.commit(Wish(job, 1, victims=guarded), alternatives={job: [spare[0]]})
    assert (answers(verdict), verdict.machine_id.tolist()) == ([(1, Reason.ACCEPTED, 0)], [spare[0]])


def test_victims_that_suffice_come_before_alternatives(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, spare: tuple[int, int]
) -> None:
    low = scheduler.place(scene.submit(cpu=4000), 1)
    job = claimed(scene, scheduler, priority=900)
    verdict = scheduler.commit(Wish(job, 1, victims=low), alternatives={job: list(spare)})
    assert (verdict.machine_id.tolist(), verdict.preempted.tolist()) == ([1], [1])


def test_an_alternative_is_given_any_devices_and_the_claims_tasks(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    here, there = worker.machine("here", devices=2), worker.machine("there", devices=2)
    scheduler.place(scene.submit(tasks=1, gpu=1000), here)
    job = claimed(scene, scheduler, gpu=1000)
    verdict = scheduler.commit(Wish(job, here, devices=(0,), tasks=4), alternatives={job: [there]})
    assert (answers(verdict), verdict.tasks.tolist()) == ([(1, Reason.ACCEPTED, 0)], [4])
    (slot,) = scene.store.placements(job)
    assert (slot.machine_id, slot.devices, slot.count) == (there, (0,), 4)


def test_all_or_nothing_is_kept_by_an_alternative(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, full: int, spare: tuple[int, int]
) -> None:
    job = claimed(scene, scheduler, cpu=2000, commit=CommitMode.ALL_OR_NOTHING)
    verdict = scheduler.commit((job, spare[0], 1), (job, full, 1), alternatives={job: [spare[1]]})
    assert answers(verdict) == [(1, Reason.ACCEPTED, 0)] * 2


@pytest.mark.parametrize("commit", [CommitMode.ALL_OR_NOTHING, CommitMode.GANG])
def test_a_refused_group_leaves_its_alternatives_alone(
    scene: Scene, scheduler: SchedulerHand, full: int, spare: tuple[int, int], commit: CommitMode
) -> None:
    reason = Reason.GANG if commit is CommitMode.GANG else Reason.GROUP
    group = claimed(scene, scheduler, tasks=2, cpu=2000, commit=commit)
    single = claimed(scene, scheduler, cpu=2000)
    claims = ((group, full, 1), (group, full, 1), (single, full, 1))
    verdict = scheduler.commit(*claims, alternatives={group: [spare[1]], single: [spare[1]]})
    assert answers(verdict) == [(0, reason, 0), (0, Reason.CPU, 0), (1, Reason.ACCEPTED, 0)]
    assert verdict.machine_id.tolist() == [full, full, spare[1]]


def test_jobs_have_alternatives_of_their_own(
    scene: Scene, scheduler: SchedulerHand, full: int, spare: tuple[int, int]
) -> None:
    first, second, third = (claimed(scene, scheduler) for _ in range(3))
    verdict = scheduler.commit(
        *((job, full, 1) for job in (first, second, third)),
        alternatives={third: [spare[1]], first: [spare[0]]},
    )
    assert verdict.accepted.tolist() == [1, 0, 1]
    assert verdict.machine_id.tolist() == [spare[0], full, spare[1]]


def test_the_same_transaction_again_names_the_same_machine(
    scene: Scene, scheduler: SchedulerHand, full: int, spare: tuple[int, int]
) -> None:
    job, txn_id = claimed(scene, scheduler), uuid4()
    answered = [
        scheduler.commit((job, full, 1), alternatives={job: list(spare)}, txn_id=txn_id) for _ in range(2)
    ]
    assert [verdict.machine_id.tolist() for verdict in answered] == [[spare[0]]] * 2
    assert [sorted(verdict.rows.machine_id.tolist()) for verdict in answered] == [[full, *spare]] * 2
    assert where(scene, job) == [spare[0]]


def test_the_rival_of_a_later_claim_is_who_took_the_alternative(
    scene: Scene, scheduler: SchedulerHand, full: int, spare: tuple[int, int]
) -> None:
    winner = uuid4()
    job = claimed(scene, scheduler, cpu=2000)
    scheduler.commit((job, full, 1), alternatives={job: [spare[1]]}, txn_id=winner)
    verdict = scheduler.commit((job, spare[1], 1, 1))
    assert rivals(verdict) == [(winner, scheduler.lease.holder_id)]
