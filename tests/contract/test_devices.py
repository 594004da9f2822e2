"""Devices: a share fits on one of them, whole ones are entirely free, and the commit says which."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import DEVICES_AT_MOST, AttemptState, CommitMode, Detection, Reason
from tests.contract.scene import Scene, SchedulerHand, WorkerHand, machine_spec
from tests.contract.wishes import Wish, answers, rivals


@pytest.fixture
def machine(worker: WorkerHand) -> int:
    """A machine of 8 cores and three devices."""
    return worker.machine("gpus", cpu=8000, devices=3)


def claimed(scene: Scene, scheduler: SchedulerHand, **fields: Any) -> int:
    """A job without need of a core that `scheduler` has claimed."""
    job_id = scene.submit(**({"cpu": 0, "tasks": 9} | fields))
    scheduler.claim()
    return job_id


def where(scene: Scene, job_id: int) -> list[tuple[int, ...]]:
    """The devices of each of a job's slots."""
    return [placement.devices for placement in scene.store.placements(job_id)]


def test_a_machine_shows_how_much_of_each_device_is_used(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    assert (scene.machine(machine).capacity.gpu_milli, scene.machine(machine).devices) == (3000, (0, 0, 0))
    scheduler.place(scene.submit(gpu=2000), machine)
    scheduler.place(scene.submit(gpu=300), machine)
    status = scene.machine(machine)
    assert (status.used.gpu_milli, status.devices) == (2300, (1000, 1000, 300))


def test_a_machine_without_devices_has_none(scene: Scene, worker: WorkerHand) -> None:
    assert (scene.machine(1).capacity.gpu_milli, scene.machine(1).devices) == (0, ())


def test_a_share_goes_where_least_is_left_that_is_enough(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    jobs = [claimed(scene, scheduler, gpu=share) for share in (300, 800, 200, 500, 400)]
    verdict = scheduler.commit(*((job, machine, 1) for job in jobs))
    assert verdict.accepted.tolist() == [1] * 5
    assert [where(scene, job) for job in jobs] == [[(0,)], [(1,)], [(1,)], [(0,)], [(2,)]]
    assert scene.machine(machine).devices == (800, 1000, 400)


def test_shares_of_one_claim_fill_a_device_before_the_next(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, gpu=400)
    assert answers(scheduler.commit((job, machine, 5))) == [(5, Reason.ACCEPTED, 0)]
    assert where(scene, job) == [(0,), (0,), (1,), (1,), (2,)]


def test_whole_devices_are_the_first_that_are_entirely_free(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    share, whole = claimed(scene, scheduler, gpu=100), claimed(scene, scheduler, gpu=2000)
    scheduler.commit((share, machine, 1), (whole, machine, 1))
    assert (where(scene, share), where(scene, whole)) == ([(0,)], [(1, 2)])


def test_shares_that_are_left_do_not_add_up(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    most, half = claimed(scene, scheduler, gpu=600), claimed(scene, scheduler, gpu=500)
    verdict = scheduler.commit((most, machine, 3), (half, machine, 1))
    assert answers(verdict) == [(3, Reason.ACCEPTED, 0), (0, Reason.DEVICE, 400)]


def test_devices_in_part_use_are_not_whole(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    share, whole = claimed(scene, scheduler, gpu=1), claimed(scene, scheduler, gpu=3000)
    verdict = scheduler.commit((share, machine, 1), (whole, machine, 1))
    assert answers(verdict)[1] == (0, Reason.DEVICE, 2000)


def test_incremental_keeps_as_many_as_the_devices_hold(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    share, whole = claimed(scene, scheduler, gpu=700), claimed(scene, scheduler, gpu=2000)
    assert answers(scheduler.commit((share, machine, 5))) == [(3, Reason.DEVICE, 1000)]
    assert answers(scheduler.commit((whole, machine, 1))) == [(0, Reason.DEVICE, 0)]


@pytest.mark.parametrize(
    ("amounts", "answer"),
    [
        ({"cpu": 2000, "gpu": 1000}, (3, Reason.DEVICE, 3000)),
        ({"cpu": 3000, "gpu": 1000}, (2, Reason.CPU, 8000)),
        ({"cpu": 2500, "gpu": 600}, (3, Reason.CPU, 8000)),
    ],
)
def test_the_dimensions_come_before_the_devices_where_both_allow_as_few(
    scene: Scene,
    scheduler: SchedulerHand,
    machine: int,
    amounts: dict[str, int],
    answer: tuple[int, Reason, int],
) -> None:
    assert answers(scheduler.commit((claimed(scene, scheduler, **amounts), machine, 5))) == [answer]


@pytest.mark.parametrize("gpu", [1, 1000])
def test_a_machine_without_devices_holds_no_job_that_wants_one(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, gpu: int
) -> None:
    assert answers(scheduler.commit((claimed(scene, scheduler, gpu=gpu), 1, 1))) == [(0, Reason.DEVICE, 0)]


def test_a_job_that_wants_none_gets_none(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    job = claimed(scene, scheduler, cpu=1000)
    scheduler.commit((job, machine, 1))
    assert where(scene, job) == [()]
    assert scene.machine(machine).devices == (0, 0, 0)


@pytest.mark.parametrize("named", [(300, (2,)), (1000, (1,)), (2000, (0, 2))])
def test_a_claim_gets_the_devices_it_names(
    scene: Scene,
    scheduler: SchedulerHand,
    machine: int,
    rule: dict[str, Any],
    named: tuple[int, tuple[int, ...]],
) -> None:
    gpu, devices = named
    job = claimed(scene, scheduler, gpu=gpu, **rule)
    assert answers(scheduler.commit(Wish(job, machine, devices=devices))) == [(1, Reason.ACCEPTED, 0)]
    assert where(scene, job) == [devices]


@pytest.mark.parametrize(
    "named",
    [
        (500, (0,), 400),
        (1000, (0,), 400),
        (2000, (1, 0), 400),
        (2000, (1,), 0),
        (1000, (1, 2), 0),
        (500, (1, 2), 0),
        (500, (3,), 0),
        (2000, (2, 3), 0),
    ],
)
def test_named_devices_must_be_as_many_as_wanted_and_have_room(
    scene: Scene, scheduler: SchedulerHand, machine: int, named: tuple[int, tuple[int, ...], int]
) -> None:
    gpu, devices, free = named
    scheduler.place(scene.submit(gpu=600), machine)
    job = claimed(scene, scheduler, gpu=gpu)
    assert answers(scheduler.commit(Wish(job, machine, devices=devices))) == [(0, Reason.DEVICE, free)]


def test_only_claims_that_name_devices_are_bound_to_them(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, gpu=1000)
    scheduler.commit(Wish(job, machine, devices=(1,)), (job, machine, 2))
    assert where(scene, job) == [(1,), (0,), (2,)]


def test_two_schedulers_that_claim_one_share_are_one_winner_and_one_clean_conflict(
    scene: Scene, scheduler: SchedulerHand, machine: int, rule: dict[str, Any]
) -> None:
    other, winner = scene.scheduler("other"), uuid4()
    scheduler.place(scene.submit(gpu=2000), machine)
    theirs, mine = (scene.submit(cpu=0, gpu=600, **rule) for _ in range(2))
    other.claim(limit=1)
    scheduler.claim()
    seen = scene.machine(machine).claim_sequence
    assert answers(other.commit((theirs, machine, 1, seen), txn_id=winner)) == [(1, Reason.ACCEPTED, 0)]
    verdict = scheduler.commit((mine, machine, 1, seen))
    coarse = rule["detection"] is Detection.COARSE
    assert answers(verdict) == [(0, Reason.SEQUENCE, seen + 1) if coarse else (0, Reason.DEVICE, 400)]
    assert rivals(verdict) == [(winner, other.lease.holder_id)]
    assert scene.machine(machine).devices == (1000, 1000, 600)
    assert scene.store.schedulers()[0].transactions_failed == 1


@pytest.mark.parametrize(
    ("commit", "reason"), [(CommitMode.ALL_OR_NOTHING, Reason.GROUP), (CommitMode.GANG, Reason.GANG)]
)
def test_a_refused_group_gives_its_devices_to_later_jobs(
    scene: Scene, scheduler: SchedulerHand, machine: int, commit: CommitMode, reason: Reason
) -> None:
    group = claimed(scene, scheduler, gpu=1000, tasks=4, commit=commit)
    share = claimed(scene, scheduler, gpu=1000)
    verdict = scheduler.commit((group, machine, 2), (group, machine, 2), (share, machine, 3))
    assert answers(verdict) == [(0, reason, 0), (0, Reason.DEVICE, 1000), (3, Reason.ACCEPTED, 0)]
    assert where(scene, share) == [(0,), (1,), (2,)]


def test_the_end_of_a_slot_frees_its_devices(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    first, second = scheduler.place(scene.submit(tasks=2, gpu=400), machine, 2)
    worker.end(first)
    assert scene.machine(machine).devices == (400, 0, 0)
    scene.store.cancel(second.job_id)
    assert scene.machine(machine).devices == (400, 0, 0)
    worker.end(second, state=AttemptState.CANCELLED)
    assert scene.machine(machine).devices == (0, 0, 0)


def test_a_lost_machine_uses_none_of_its_devices(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    scheduler.place(scene.submit(tasks=2, gpu=1000), machine, 2)
    worker.release()
    status = scene.machine(machine)
    assert (status.up, status.used.gpu_milli, status.devices) == (False, 0, (0, 0, 0))


def test_a_machine_registered_again_has_the_devices_it_then_says(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    scheduler.place(scene.submit(tasks=3, gpu=1000), machine, 3)
    worker.machine("gpus", devices=1)
    assert (scene.machine(machine).capacity.gpu_milli, scene.machine(machine).devices) == (1000, (0,))
    worker.machine("gpus", devices=DEVICES_AT_MOST)
    assert scene.machine(machine).devices == (0,) * DEVICES_AT_MOST
    whole = scheduler.place(scene.submit(gpu=DEVICES_AT_MOST * 1000), machine)
    assert whole[0].devices == tuple(range(DEVICES_AT_MOST))
    worker.machine("gpus")
    assert (scene.machine(machine).capacity.gpu_milli, scene.machine(machine).devices) == (0, ())


@pytest.mark.parametrize("gpu_milli", [1500, 1, (DEVICES_AT_MOST + 1) * 1000])
def test_a_machine_has_whole_devices_and_not_too_many(
    scene: Scene, worker: WorkerHand, gpu_milli: int
) -> None:
    spec = machine_spec("odd")
    with pytest.raises(SpecInvalid, match=str(gpu_milli)):
        worker.bring(
            machine_spec("even"), replace(spec, capacity=replace(spec.capacity, gpu_milli=gpu_milli))
        )
    assert [machine.name for machine in scene.store.machines()] == ["m"]


def test_readers_and_workers_learn_which_devices_are_used(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    known = scene.store.sync(None)
    job = claimed(scene, scheduler, gpu=300)
    verdict = scheduler.commit((job, machine, 1), (job, 1, 1))
    changes = scene.store.sync(known.watermark)
    for extras in (verdict.rows.extras, changes.rows.extras):
        assert extras.device_machine.tolist() == [machine] * 3
        assert extras.device_index.tolist() == [0, 1, 2]
        assert extras.device_used.tolist() == [300, 0, 0]
    assert known.rows.extras.device_used.tolist() == [0, 0, 0]
    assert worker.pull({1: 1})[0].placements == scene.store.placements(job)
    assert scene.store.definitions([job])[0].amounts.gpu_milli == 300
    assert scheduler.claim()[0].amounts.gpu_milli == 300
