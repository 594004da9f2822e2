"""Named resources: charged and freed like the dimensions, and unknown to what does not use them."""

from __future__ import annotations

from typing import Any

import pytest

from omegacell.cellstate.model import CommitMode, Detection, Reason
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import answers


@pytest.fixture
def machine(worker: WorkerHand) -> int:
    """A machine of 4 cores, with 3 licences and 10 disks."""
    return worker.machine("rich", custom={"licence": 3000, "disk": 10_000})


def claimed(scene: Scene, scheduler: SchedulerHand, **fields: Any) -> int:
    """A job without need of a core that `scheduler` has claimed."""
    job_id = scene.submit(**({"cpu": 0, "tasks": 20} | fields))
    scheduler.claim()
    return job_id


def used(scene: Scene, machine_id: int) -> dict[str, int]:
    """What is used of a machine's named resources."""
    return dict(scene.machine(machine_id).used.custom)


def test_a_placement_uses_what_its_job_names_until_it_ends(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    placements = scheduler.place(scene.submit(tasks=2, custom={"licence": 500}), machine, 2)
    assert [placement.amounts.custom for placement in placements] == [(("licence", 500),)] * 2
    assert scene.machine(machine).capacity.custom == (("disk", 10_000), ("licence", 3000))
    assert used(scene, machine) == {"licence": 1000}
    worker.end(placements[0])
    assert used(scene, machine) == {"licence": 500}
    worker.end(placements[1])
    assert scene.machine(machine).used.custom == ()


def test_no_more_is_placed_than_there_is(
    scene: Scene, scheduler: SchedulerHand, machine: int, rule: dict[str, Any]
) -> None:
    job = claimed(scene, scheduler, custom={"licence": 1000}, **rule)
    assert answers(scheduler.commit(*((job, machine, 1) for _ in range(3)))) == [(1, Reason.ACCEPTED, 0)] * 3
    refused = [(0, Reason.CUSTOM, 0)]
    assert (
        answers(scheduler.commit((claimed(scene, scheduler, custom={"licence": 1}, **rule), machine, 1)))
        == refused
    )


def test_incremental_keeps_what_the_scarcest_allows(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, custom={"licence": 1000, "disk": 1000})
    assert answers(scheduler.commit((job, machine, 5))) == [(3, Reason.CUSTOM, 3000)]


def test_of_two_that_allow_as_few_the_first_by_name_is_told(
    scene: Scene, scheduler: SchedulerHand, machine: int
) -> None:
    job = claimed(scene, scheduler, custom={"licence": 3000, "disk": 6000})
    assert answers(scheduler.commit((job, machine, 2))) == [(1, Reason.CUSTOM, 10_000)]


def test_dimensions_and_devices_come_before_named_resources(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    machine = worker.machine("all", devices=1, custom={"licence": 1000})
    by_cpu = claimed(scene, scheduler, cpu=4000, gpu=1000, custom={"licence": 1000})
    by_device = claimed(scene, scheduler, cpu=1000, gpu=1000, custom={"licence": 1000})
    by_name = claimed(scene, scheduler, cpu=1000, gpu=500, custom={"licence": 1000})
    verdict = scheduler.commit(*((job, machine, 2) for job in (by_cpu, by_device, by_name)))
    assert answers(verdict) == [(1, Reason.CPU, 4000), (0, Reason.CPU, 0), (0, Reason.CPU, 0)]
    worker.machine("all", devices=1, custom={"licence": 1000})
    assert answers(scheduler.commit((by_device, machine, 2))) == [(1, Reason.DEVICE, 1000)]
    worker.machine("all", devices=1, custom={"licence": 1000})
    assert answers(scheduler.commit((by_name, machine, 2))) == [(1, Reason.CUSTOM, 1000)]


def test_a_machine_that_does_not_have_it_has_none_free(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job = claimed(scene, scheduler, custom={"licence": 1})
    assert answers(scheduler.commit((job, 1, 1))) == [(0, Reason.CUSTOM, 0)]


def test_a_job_that_names_nothing_uses_nothing(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    scheduler.place(scene.submit(), machine)
    assert used(scene, machine) == {}


@pytest.mark.parametrize("commit", [CommitMode.ALL_OR_NOTHING, CommitMode.GANG])
def test_a_refused_group_gives_them_back(
    scene: Scene, scheduler: SchedulerHand, machine: int, commit: CommitMode
) -> None:
    group = claimed(scene, scheduler, custom={"licence": 1000}, tasks=4, commit=commit)
    other = claimed(scene, scheduler, custom={"licence": 3000})
    verdict = scheduler.commit((group, machine, 3), (group, machine, 1), (other, machine, 1))
    assert answers(verdict)[1:] == [(0, Reason.CUSTOM, 0), (1, Reason.ACCEPTED, 0)]


def test_a_machine_registered_again_has_what_it_then_says(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, machine: int
) -> None:
    scheduler.place(scene.submit(custom={"licence": 1}), machine)
    worker.machine("rich", custom={"disk": 5000})
    status = scene.machine(machine)
    assert (status.capacity.custom, status.used.custom) == ((("disk", 5000),), ())
    worker.machine("rich")
    assert scene.machine(machine).capacity.custom == ()


def test_readers_learn_how_much_is_used(scene: Scene, scheduler: SchedulerHand, machine: int) -> None:
    known = scene.store.sync(None)
    assert known.rows.extras.custom_name == ("disk", "licence")
    job = claimed(scene, scheduler, custom={"licence": 700}, detection=Detection.COARSE)
    verdict = scheduler.commit((job, machine, 1))
    for extras in (verdict.rows.extras, scene.store.sync(known.watermark).rows.extras):
        assert extras.custom_machine.tolist() == [machine] * 2
        assert extras.custom_name == ("disk", "licence")
        assert extras.custom_capacity.tolist() == [10_000, 3000]
        assert extras.custom_used.tolist() == [0, 700]
    assert scheduler.claim()[0].amounts.custom == (("licence", 700),)
    assert scene.store.definitions([job])[0].amounts.custom == (("licence", 700),)
