"""Conflicts as people count them: by scheduler, machine, rival and reason."""

from __future__ import annotations

import pytest

from omegacell.cellstate.model import ConflictCount, Detection, Reason
from tests.contract.scene import Scene, SchedulerHand, WorkerHand


@pytest.fixture
def rival(scene: Scene, scheduler: SchedulerHand) -> SchedulerHand:
    """Another scheduler of the same kind."""
    return scene.scheduler("rival")


def conflict(scene: Scene, loser: SchedulerHand, winner: SchedulerHand, *, slots: int = 1) -> None:
    """Make `winner` claim machine 1 between the look and the claim of `loser`, who sees coarsely."""
    seen = scene.machine(1).claim_sequence
    theirs = scene.submit(cpu=1)
    winner.claim(limit=1)
    winner.commit((theirs, 1))
    mine = scene.submit(cpu=1, tasks=slots, detection=Detection.COARSE)
    loser.claim(limit=1)
    loser.commit((mine, 1, slots, seen))
    loser.settle(mine, gave_up=True)


def test_a_cell_at_peace_has_no_conflicts(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand) -> None:
    scheduler.place(scene.submit(), 1)
    assert scene.store.conflicts(since=0.0) == ()


def test_conflicts_are_counted_by_who_where_with_whom_and_why(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, rival: SchedulerHand
) -> None:
    conflict(scene, scheduler, rival, slots=3)
    conflict(scene, scheduler, rival)
    conflict(scene, rival, scheduler)
    me, they = scheduler.lease.holder_id, rival.lease.holder_id
    assert scene.store.conflicts(since=0.0) == (
        ConflictCount(
            scheduler_id=me, machine_id=1, rival_scheduler=they, reason=Reason.SEQUENCE, claims=2, slots=4
        ),
        ConflictCount(
            scheduler_id=they, machine_id=1, rival_scheduler=me, reason=Reason.SEQUENCE, claims=1, slots=1
        ),
    )


def test_conflicts_are_counted_from_a_time_on(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, rival: SchedulerHand
) -> None:
    conflict(scene, scheduler, rival)
    scene.clock.advance(1.0)
    since = scene.clock.now()
    conflict(scene, scheduler, rival, slots=2)
    (found,) = scene.store.conflicts(since=since)
    assert (found.claims, found.slots) == (1, 2)
    assert scene.store.conflicts(since=since + 0.25) == ()


def test_a_claim_kept_in_part_conflicted_with_the_slots_that_were_not(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=6, cpu=1000)
    scheduler.claim()
    scheduler.commit((job_id, 1, 6))
    (found,) = scene.store.conflicts(since=0.0)
    assert (found.reason, found.rival_scheduler, found.claims, found.slots) == (Reason.CPU, 0, 1, 2)


def test_what_is_no_conflict_is_not_counted(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=2)
    scheduler.claim()
    scheduler.commit((job_id, 99))
    scene.store.drain("m")
    scheduler.commit((job_id, 1))
    assert scene.store.conflicts(since=0.0) == ()
