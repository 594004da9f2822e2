"""What a claim is answered: commit modes, detections, reasons, what was free, and who the rival was."""

from __future__ import annotations

from uuid import uuid4

import pytest

from omegacell.cellstate.model import AttemptState, CommitMode, Detection, Reason
from tests.contract.scene import GIB, Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import answers, rivals

NOBODY = (None, 0)


@pytest.fixture
def scheduler(scene: Scene) -> SchedulerHand:
    """A scheduler of kind batch."""
    return scene.scheduler("mine")


@pytest.fixture
def machine(scene: Scene) -> int:
    """A machine of 4 cores, 4 GiB of memory and of disk."""
    return scene.worker().machine()


def claimed(scene: Scene, scheduler: SchedulerHand, **fields: object) -> int:
    """A job that `scheduler` has claimed."""
    job_id = scene.submit(**fields)
    scheduler.claim()
    return job_id


def test_a_claim_that_fits_is_accepted(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    job = claimed(scene, scheduler, tasks=5)
    verdict = scheduler.commit((job, machine, 3))
    assert answers(verdict) == [(3, Reason.ACCEPTED, 0)]
    assert verdict.first_index.tolist() == [0]
    assert rivals(verdict) == [NOBODY]


def test_incremental_keeps_the_part_that_fits(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    job = claimed(scene, scheduler, tasks=9)
    assert answers(scheduler.commit((job, machine, 6))) == [(4, Reason.CPU, 4000)]
    assert answers(scheduler.commit((job, machine, 1))) == [(0, Reason.CPU, 0)]


def test_a_claim_sees_its_accepted_predecessors_only(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    wide = claimed(scene, scheduler, cpu=5000)
    narrow = claimed(scene, scheduler, tasks=9)
    verdict = scheduler.commit((wide, machine, 1), (narrow, machine, 3), (narrow, machine, 3))
    assert answers(verdict) == [
        (0, Reason.CPU, 4000),
        (3, Reason.ACCEPTED, 0),
        (1, Reason.CPU, 1000),
    ]


@pytest.mark.parametrize(
    ("amounts", "answer"),
    [
        ({"cpu": 0, "memory": 3 * GIB}, (1, Reason.MEMORY, 4 * GIB)),
        ({"cpu": 0, "disk": 3 * GIB}, (1, Reason.DISK, 4 * GIB)),
        ({"cpu": 2000, "memory": 2 * GIB, "disk": 2 * GIB}, (2, Reason.CPU, 4000)),
        ({"cpu": 2000, "memory": 3 * GIB, "disk": 3 * GIB}, (1, Reason.MEMORY, 4 * GIB)),
        ({"cpu": 1000, "memory": GIB, "disk": 3 * GIB}, (1, Reason.DISK, 4 * GIB)),
    ],
)
def test_the_reason_is_the_first_dimension_that_allows_the_fewest(
    scene: Scene,
    scheduler: SchedulerHand,
    machine: int,
    amounts: dict[str, int],
    answer: tuple[int, Reason, int],
) -> None:
    job = claimed(scene, scheduler, tasks=9, **amounts)
    assert answers(scheduler.commit((job, machine, 5))) == [answer]


def test_a_job_that_needs_nothing_fits_anywhere(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    full = claimed(scene, scheduler, tasks=4)
    scheduler.commit((full, machine, 4))
    job = claimed(scene, scheduler, tasks=1000, cpu=0)
    assert answers(scheduler.commit((job, machine, 1000))) == [(1000, Reason.ACCEPTED, 0)]


def test_no_more_is_placed_than_the_job_has(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    job = claimed(scene, scheduler, tasks=3)
    verdict = scheduler.commit((job, machine, 2), (job, machine, 2), (job, machine, 1))
    assert answers(verdict) == [
        (2, Reason.ACCEPTED, 0),
        (1, Reason.NOTHING_TO_PLACE, 1),
        (0, Reason.NOTHING_TO_PLACE, 0),
    ]


def test_nothing_to_place_overrides_a_dimension(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    job = claimed(scene, scheduler, tasks=3)
    assert answers(scheduler.commit((job, machine, 6))) == [(3, Reason.NOTHING_TO_PLACE, 3)]


def test_an_unknown_a_down_and_a_cordoned_machine_are_refused(scene: Scene, scheduler: SchedulerHand) -> None:
    leaving, staying = scene.worker("leaving"), scene.worker("staying")
    down, cordoned = leaving.machine("down"), staying.machine("cordoned")
    down_and_cordoned = leaving.machine("both")
    for name in ("cordoned", "both"):
        scene.store.drain(name)
    leaving.release()
    job = claimed(scene, scheduler, tasks=9)
    verdict = scheduler.commit(*((job, machine, 1) for machine in (99, down, cordoned, down_and_cordoned)))
    assert answers(verdict) == [
        (0, Reason.MACHINE_UNKNOWN, 0),
        (0, Reason.MACHINE_DOWN, 0),
        (0, Reason.MACHINE_CORDONED, 0),
        (0, Reason.MACHINE_DOWN, 0),
    ]
    assert rivals(verdict) == [NOBODY] * 4


def test_a_job_that_is_not_claimed_is_refused(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    others, queued = scene.submit(), scene.submit(scheduler="service")
    scene.scheduler("other").claim()
    cancelled, ended = claimed(scene, scheduler, tasks=2), claimed(scene, scheduler)
    scene.store.cancel(cancelled)
    scheduler.settle(ended, gave_up=True)
    verdict = scheduler.commit(*((job, machine, 1) for job in (others, queued, cancelled, ended, 99)))
    assert answers(verdict) == [(0, Reason.JOB_NOT_CLAIMED, 0)] * 5


def test_job_not_claimed_comes_before_what_is_wrong_with_the_machine(
    scene: Scene, scheduler: SchedulerHand
) -> None:
    assert answers(scheduler.commit((99, 99, 1))) == [(0, Reason.JOB_NOT_CLAIMED, 0)]


def test_a_lost_token_refuses_everything(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    job = claimed(scene, scheduler, tasks=2)
    scene.scheduler("mine").claim()
    verdict = scheduler.commit((job, machine, 1), (99, 99, 1))
    assert answers(verdict) == [(0, Reason.TOKEN_LOST, 0)] * 2
    assert verdict.first_index.tolist() == [-1, -1]
    assert scene.store.placements(job) == ()


def test_fine_accepts_a_stale_claim_that_still_fits(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, tasks=9)
    for _ in range(2):
        assert answers(scheduler.commit((job, machine, 1, 1))) == [(1, Reason.ACCEPTED, 0)]


def test_coarse_refuses_a_machine_claimed_since(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    other = scene.scheduler("other")
    theirs, mine = scene.submit(), scene.submit(tasks=2, detection=Detection.COARSE)
    other.claim(limit=1)
    scheduler.claim()
    rival = uuid4()
    other.commit((theirs, machine, 1), txn_id=rival)
    verdict = scheduler.commit((mine, machine, 1, 1))
    assert answers(verdict) == [(0, Reason.SEQUENCE, 2)]
    assert rivals(verdict) == [(rival, other.lease.holder_id)]
    assert answers(scheduler.commit((mine, machine, 1, 2))) == [(1, Reason.ACCEPTED, 0)]


def test_coarse_compares_with_the_sequence_before_this_transaction(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, tasks=9, detection=Detection.COARSE)
    other = claimed(scene, scheduler, tasks=9, detection=Detection.COARSE)
    verdict = scheduler.commit((job, machine, 1, 1), (job, machine, 1, 1), (other, machine, 1, 1))
    assert answers(verdict) == [(1, Reason.ACCEPTED, 0)] * 3


def test_coarse_also_has_to_fit(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    job = claimed(scene, scheduler, tasks=9, detection=Detection.COARSE)
    verdict = scheduler.commit((job, machine, 6, 1))
    assert answers(verdict) == [(4, Reason.CPU, 4000)]
    assert rivals(verdict) == [NOBODY]


def test_coarse_counts_a_cordon_as_a_change_without_a_rival(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, detection=Detection.COARSE)
    scene.store.drain("m")
    scene.store.uncordon("m")
    verdict = scheduler.commit((job, machine, 1, 1))
    assert answers(verdict) == [(0, Reason.SEQUENCE, 3)]
    assert rivals(verdict) == [NOBODY]


def test_the_end_of_a_task_is_no_conflict(scene: Scene, scheduler: SchedulerHand) -> None:
    worker = scene.worker()
    machine = worker.machine()
    job = claimed(scene, scheduler, tasks=2, detection=Detection.COARSE)
    scheduler.commit((job, machine, 1, 1))
    worker.end_job(job)
    assert answers(scheduler.commit((job, machine, 1, 2))) == [(1, Reason.ACCEPTED, 0)]


def test_a_dimension_names_the_rival_that_came_in_between(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    other = scene.scheduler("other")
    theirs, mine = scene.submit(tasks=3), scene.submit(tasks=9)
    other.claim(limit=1)
    scheduler.claim()
    rival = uuid4()
    other.commit((theirs, machine, 3), txn_id=rival)
    verdict = scheduler.commit((mine, machine, 2, 1), (mine, machine, 1, 1), (mine, machine, 1, 2))
    assert answers(verdict) == [(1, Reason.CPU, 1000), (0, Reason.CPU, 0), (0, Reason.CPU, 0)]
    named = (rival, other.lease.holder_id)
    assert rivals(verdict) == [named, named, NOBODY]


def test_a_scheduler_can_be_its_own_rival(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    job = claimed(scene, scheduler, tasks=9)
    earlier = uuid4()
    scheduler.commit((job, machine, 4), txn_id=earlier)
    verdict = scheduler.commit((job, machine, 1, 1))
    assert rivals(verdict) == [(earlier, scheduler.lease.holder_id)]


def test_all_or_nothing_keeps_all(scene: Scene, scheduler: SchedulerHand) -> None:
    worker = scene.worker()
    here, there = worker.machine("here"), worker.machine("there")
    job = claimed(scene, scheduler, tasks=9, commit=CommitMode.ALL_OR_NOTHING)
    verdict = scheduler.commit((job, here, 2), (job, there, 2))
    assert answers(verdict) == [(2, Reason.ACCEPTED, 0)] * 2


def test_all_or_nothing_keeps_nothing_and_says_which_claims_failed(scene: Scene) -> None:
    scheduler, worker = scene.scheduler(), scene.worker()
    here, there = worker.machine("here"), worker.machine("there")
    job = claimed(scene, scheduler, tasks=20, commit=CommitMode.ALL_OR_NOTHING)
    verdict = scheduler.commit((job, here, 3), (job, here, 2), (job, 99, 1), (job, here, 1), (job, there, 4))
    assert answers(verdict) == [
        (0, Reason.GROUP, 0),
        (0, Reason.CPU, 1000),
        (0, Reason.MACHINE_UNKNOWN, 0),
        (0, Reason.GROUP, 0),
        (0, Reason.GROUP, 0),
    ]
    assert verdict.first_index.tolist() == [-1] * 5
    assert scene.store.placements(job) == ()
    assert scene.machine(here).claim_sequence == 1


def test_all_or_nothing_is_refused_when_it_claims_more_tasks_than_there_are(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, tasks=3, commit=CommitMode.ALL_OR_NOTHING)
    verdict = scheduler.commit((job, machine, 2), (job, machine, 2))
    assert answers(verdict) == [(0, Reason.GROUP, 0), (0, Reason.NOTHING_TO_PLACE, 1)]


def test_a_refused_group_leaves_its_room_to_later_jobs(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    group = claimed(scene, scheduler, tasks=5, commit=CommitMode.ALL_OR_NOTHING)
    single = claimed(scene, scheduler, tasks=4)
    verdict = scheduler.commit((group, machine, 4), (group, machine, 1), (single, machine, 4))
    assert answers(verdict) == [(0, Reason.GROUP, 0), (0, Reason.CPU, 0), (4, Reason.ACCEPTED, 0)]


def test_a_group_may_be_tried_again_and_is_numbered_from_the_start(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    group = claimed(scene, scheduler, tasks=4, commit=CommitMode.ALL_OR_NOTHING)
    scheduler.commit((group, machine, 5))
    verdict = scheduler.commit((group, machine, 4))
    assert verdict.first_index.tolist() == [0]


def test_one_job_of_a_transaction_does_not_undo_another(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    plain = claimed(scene, scheduler, tasks=2)
    group = claimed(scene, scheduler, tasks=5, commit=CommitMode.ALL_OR_NOTHING)
    verdict = scheduler.commit((plain, machine, 2), (group, machine, 2), (group, machine, 1))
    assert answers(verdict) == [(2, Reason.ACCEPTED, 0), (0, Reason.GROUP, 0), (0, Reason.CPU, 0)]


def test_a_gang_starts_when_all_its_tasks_are_placed(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, tasks=4, commit=CommitMode.GANG)
    assert answers(scheduler.commit((job, machine, 3))) == [(0, Reason.GANG, 0)]
    assert answers(scheduler.commit((job, machine, 3), (job, machine, 1))) == [
        (3, Reason.ACCEPTED, 0),
        (1, Reason.ACCEPTED, 0),
    ]


def test_a_gang_keeps_parts_once_its_minimum_is_reached(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, tasks=9, commit=CommitMode.GANG, gang_min=3)
    verdict = scheduler.commit((job, machine, 2), (job, machine, 5), (job, 99, 1))
    assert answers(verdict) == [
        (2, Reason.ACCEPTED, 0),
        (2, Reason.CPU, 2000),
        (0, Reason.MACHINE_UNKNOWN, 0),
    ]


def test_a_gang_below_its_minimum_gives_everything_back(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, tasks=9, commit=CommitMode.GANG, gang_min=5)
    other = claimed(scene, scheduler, tasks=4)
    verdict = scheduler.commit((job, machine, 2), (job, machine, 5), (other, machine, 4))
    assert answers(verdict) == [(0, Reason.GANG, 0), (0, Reason.CPU, 2000), (4, Reason.ACCEPTED, 0)]


def test_what_a_gang_has_placed_counts_towards_its_minimum(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, tasks=9, commit=CommitMode.GANG, gang_min=3)
    scheduler.commit((job, machine, 3))
    assert answers(scheduler.commit((job, machine, 1))) == [(1, Reason.ACCEPTED, 0)]


def test_a_gangs_straggler_runs_again_beside_those_that_have_ended(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    machine = worker.machine()
    job = claimed(scene, scheduler, tasks=3, commit=CommitMode.GANG, retries=1)
    scheduler.commit((job, machine, 3))
    first, *others = scene.store.placements(job)
    worker.end(*others)
    worker.end(first, state=AttemptState.FAILED)
    scene.clock.advance(60)
    (again,) = scheduler.claim()
    assert (again.placed, again.ended, again.pending) == (0, 2, 1)
    assert scheduler.commit((job, machine, 1)).accepted.tolist() == [1]
