"""Reservations: machines kept for a gang for a short time, from jobs of no higher priority."""

from __future__ import annotations

from typing import Any

import pytest

from omegacell.cellstate.errors import TokenLost
from omegacell.cellstate.model import CommitMode, Detection, Reason, Reservation
from omegacell.cellstate.store import RESERVED_SECONDS_AT_MOST
from tests.contract.scene import LEASE_SECONDS, Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import answers


@pytest.fixture
def scheduler(scene: Scene) -> SchedulerHand:
    """A scheduler whose lease outlives reservations."""
    return scene.scheduler(lease_seconds=1000.0)


@pytest.fixture
def worker(scene: Scene) -> WorkerHand:
    """A worker whose lease outlives reservations, with machine 1 and machine 2."""
    worker = scene.worker(lease_seconds=1000.0)
    worker.machine("a")
    worker.machine("b")
    return worker


@pytest.fixture
def gang(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> int:
    """A claimed gang of two tasks of 4 cores, priority 100."""
    job_id = scene.submit(tasks=2, cpu=4000, commit=CommitMode.GANG)
    scheduler.claim()
    return job_id


def claimed(scene: Scene, scheduler: SchedulerHand, **fields: Any) -> int:
    """A job that `scheduler` has claimed."""
    job_id = scene.submit(**fields)
    scheduler.claim()
    return job_id


def reserved(scene: Scene) -> list[tuple[int, int]]:
    """Machine and job of each reservation."""
    return [(one.machine_id, one.job_id) for one in scene.store.reservations()]


def test_a_reserved_machine_is_shown_and_its_readers_learn_of_it(
    scene: Scene, scheduler: SchedulerHand, gang: int
) -> None:
    known, until = scene.store.sync(None), scene.clock.now() + 30.0
    assert scheduler.reserve(gang, 2) == 1
    assert scene.store.reservations() == (Reservation(machine_id=2, job_id=gang, priority=100, until=until),)
    rows = scene.store.sync(known.watermark).rows
    extras = rows.extras
    assert (rows.machine_id.tolist(), rows.version.tolist(), rows.claim_sequence.tolist()) == ([2], [2], [2])
    assert (extras.reserved_machine.tolist(), extras.reserved_job.tolist()) == ([2], [gang])
    assert (extras.reserved_priority.tolist(), extras.reserved_until) == ([100], (until,))


@pytest.mark.parametrize("priority", [1, 100])
def test_jobs_of_no_higher_priority_are_refused_there(
    scene: Scene, scheduler: SchedulerHand, gang: int, rule: dict[str, Any], priority: int
) -> None:
    scheduler.reserve(gang, 1)
    job = claimed(scene, scheduler, priority=priority, **rule)
    assert answers(scheduler.commit((job, 1, 1))) == [(0, Reason.MACHINE_RESERVED, gang)]
    assert answers(scheduler.commit((job, 2, 1))) == [(1, Reason.ACCEPTED, 0)]
    assert scene.store.schedulers()[0].transactions_failed == 0


def test_reserved_comes_after_cordoned_and_before_the_sequence_and_room(
    scene: Scene, scheduler: SchedulerHand, gang: int, rule: dict[str, Any]
) -> None:
    scheduler.reserve(gang, 1, 2)
    scene.store.drain("b")
    job = claimed(scene, scheduler, cpu=9000, **rule)
    assert answers(scheduler.commit((job, 1, 1, 1)))[0][1] is Reason.MACHINE_RESERVED
    assert answers(scheduler.commit((job, 2, 1, 1)))[0][1] is Reason.MACHINE_CORDONED


def test_a_job_of_higher_priority_and_the_gang_itself_are_not_held_back(
    scene: Scene, scheduler: SchedulerHand, gang: int, rule: dict[str, Any]
) -> None:
    scheduler.reserve(gang, 1, 2)
    higher = claimed(scene, scheduler, priority=101, cpu=0, **rule)
    assert answers(scheduler.commit((higher, 1, 1))) == [(1, Reason.ACCEPTED, 0)]
    assert answers(scheduler.commit((gang, 1, 1), (gang, 2, 1))) == [(1, Reason.ACCEPTED, 0)] * 2


def test_a_reservation_is_a_conflict_under_coarse_detection_as_a_cordon_is(
    scene: Scene, scheduler: SchedulerHand, gang: int
) -> None:
    job = claimed(scene, scheduler, detection=Detection.COARSE, priority=900)
    scheduler.reserve(gang, 1)
    assert answers(scheduler.commit((job, 1, 1, 1))) == [(0, Reason.SEQUENCE, 2)]


def test_a_reservation_ends_with_its_time(scene: Scene, scheduler: SchedulerHand, gang: int) -> None:
    scheduler.reserve(gang, 1, seconds=2.0)
    job = claimed(scene, scheduler)
    scene.clock.advance(1.75)
    assert answers(scheduler.commit((job, 1, 1)))[0][1] is Reason.MACHINE_RESERVED
    scene.clock.advance(0.25)
    assert reserved(scene) == []
    assert answers(scheduler.commit((job, 1, 1))) == [(1, Reason.ACCEPTED, 0)]


def test_a_reservation_is_cut_to_the_longest_there_is(
    scene: Scene, scheduler: SchedulerHand, gang: int
) -> None:
    scheduler.reserve(gang, 1, seconds=10 * RESERVED_SECONDS_AT_MOST)
    (one,) = scene.store.reservations()
    assert one.until == scene.clock.now() + RESERVED_SECONDS_AT_MOST


def test_the_gangs_next_slot_ends_all_its_reservations(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, gang: int
) -> None:
    spare = worker.machine("c")
    scheduler.reserve(gang, 1, 2, spare)
    refused = scheduler.commit((gang, 1, 1))
    assert (answers(refused), len(reserved(scene))) == ([(0, Reason.GANG, 0)], 3)
    scheduler.commit((gang, 1, 1), (gang, 2, 1))
    assert reserved(scene) == []
    assert answers(scheduler.commit((claimed(scene, scheduler), spare, 1))) == [(1, Reason.ACCEPTED, 0)]


def test_cancelling_the_gang_ends_its_reservations(scene: Scene, scheduler: SchedulerHand, gang: int) -> None:
    scheduler.reserve(gang, 1)
    scene.store.cancel(gang)
    assert reserved(scene) == []
    assert answers(scheduler.commit((claimed(scene, scheduler), 1, 1))) == [(1, Reason.ACCEPTED, 0)]


def test_what_is_down_cordoned_unknown_or_anothers_is_not_reserved(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, gang: int
) -> None:
    leaving = scene.worker("leaving")
    down = leaving.machine("down")
    leaving.release()
    cordoned = worker.machine("cordoned")
    scene.store.drain("cordoned")
    other = claimed(scene, scheduler, tasks=2, commit=CommitMode.GANG, priority=900)
    scheduler.reserve(gang, 1)
    before = {machine.machine_id: machine.version for machine in scene.store.machines()}
    assert scheduler.reserve(other, 1, 2, down, cordoned, 99) == 1
    assert reserved(scene) == [(1, gang), (2, other)]
    after = {machine.machine_id: machine.version for machine in scene.store.machines()}
    assert after == before | {2: before[2] + 1}


def test_reserving_again_lets_go_what_was_reserved_before(
    scene: Scene, scheduler: SchedulerHand, gang: int
) -> None:
    scheduler.reserve(gang, 1)
    assert scheduler.reserve(gang, 2) == 1
    assert reserved(scene) == [(2, gang)]
    assert answers(scheduler.commit((claimed(scene, scheduler), 1, 1))) == [(1, Reason.ACCEPTED, 0)]
    scene.clock.advance(1.0)
    assert scheduler.reserve(gang, 2) == 1
    assert scene.store.reservations()[0].until == scene.clock.now() + 30.0


def test_a_machine_whose_reservation_has_passed_may_be_kept_for_another(
    scene: Scene, scheduler: SchedulerHand, gang: int
) -> None:
    scheduler.reserve(gang, 1, seconds=1.0)
    other = claimed(scene, scheduler, tasks=2, commit=CommitMode.GANG)
    assert scheduler.reserve(other, 1) == 0
    scene.clock.advance(1.0)
    assert scheduler.reserve(other, 1) == 1
    assert reserved(scene) == [(1, other)]


@pytest.mark.parametrize("commit", [CommitMode.INCREMENTAL, CommitMode.ALL_OR_NOTHING])
def test_only_gangs_that_the_caller_holds_reserve(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, commit: CommitMode
) -> None:
    plain = claimed(scene, scheduler, commit=commit)
    others = scene.submit(commit=CommitMode.GANG)
    scene.scheduler("other").claim()
    for job in (plain, others, 99):
        assert scheduler.reserve(job, 1) == 0
    assert reserved(scene) == []


def test_an_old_incarnation_cannot_reserve(scene: Scene, scheduler: SchedulerHand, gang: int) -> None:
    scene.scheduler(lease_seconds=LEASE_SECONDS)
    with pytest.raises(TokenLost):
        scheduler.reserve(gang, 1)


def test_alternatives_that_are_reserved_are_passed_over(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, gang: int
) -> None:
    free = worker.machine("c")
    scheduler.reserve(gang, 1, 2)
    job = claimed(scene, scheduler)
    verdict = scheduler.commit((job, 1, 1), alternatives={job: [2, free]})
    assert (answers(verdict), verdict.machine_id.tolist()) == ([(1, Reason.ACCEPTED, 0)], [free])
