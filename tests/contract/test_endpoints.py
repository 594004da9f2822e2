"""Where the ports of running tasks answer, and at which address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import AttemptState, Endpoint, Placement, Started
from tests.contract.scene import LEASE_SECONDS, Scene, SchedulerHand, WorkerHand, worker_spec

PORTS = (("admin", 9001), ("http", 8080))


@pytest.fixture
def addressed(scene: Scene) -> WorkerHand:
    """A worker whose host is reached as 10.0.0.7, with machines 1 and 2."""
    spec = replace(worker_spec("w"), address="10.0.0.7")
    worker = WorkerHand(scene, scene.store.register_worker(spec, lease_seconds=LEASE_SECONDS))
    worker.machine("m1")
    worker.machine("m2")
    return worker


def start(worker: WorkerHand, slot: Placement, ports: tuple[tuple[str, int], ...] = PORTS) -> None:
    """Report that a slot runs on these ports."""
    started = Started(
        job_id=slot.job_id,
        first_index=slot.first_index,
        attempt=slot.attempt,
        machine_id=slot.machine_id,
        epoch=slot.epoch,
        started_at=worker.scene.clock.now(),
        ports=ports,
    )
    worker.scene.store.report_started(worker.lease.holder_id, worker.lease.token, [started])


def service(scene: Scene, replicas: int = 1) -> int:
    """A service of so many replicas; its id."""
    return scene.submit(tasks=replicas, service=True)


def ports_of(scene: Scene, job_id: int) -> list[tuple[int, str, int]]:
    return [(one.task_index, one.name, one.port) for one in scene.store.endpoints(job_id)]


def test_a_worker_is_listed_with_its_address(scene: Scene, addressed: WorkerHand) -> None:
    assert [worker.address for worker in scene.store.workers()] == ["10.0.0.7"]


def test_a_worker_that_comes_back_elsewhere_is_listed_there(scene: Scene, addressed: WorkerHand) -> None:
    scene.store.register_worker(replace(worker_spec("w"), address="there"), lease_seconds=LEASE_SECONDS)
    assert [worker.address for worker in scene.store.workers()] == ["there"]


def test_endpoints_are_those_of_running_tasks_by_task_and_name(
    scene: Scene, addressed: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = service(scene, 2)
    scheduler.place(job_id, 1)
    first, second = scheduler.place(job_id, 2)
    assert scene.store.endpoints(job_id) == ()
    start(addressed, second, (("http", 8081),))
    start(addressed, first)
    assert scene.store.endpoints(job_id) == (
        Endpoint(task_index=0, name="admin", address="10.0.0.7", port=9001, machine_id=1),
        Endpoint(task_index=0, name="http", address="10.0.0.7", port=8080, machine_id=1),
        Endpoint(task_index=1, name="http", address="10.0.0.7", port=8081, machine_id=2),
    )


def test_placements_and_pulls_tell_the_ports(
    scene: Scene, addressed: WorkerHand, scheduler: SchedulerHand
) -> None:
    (slot,) = scheduler.place(service(scene), 1)
    assert slot.ports == ()
    start(addressed, slot, PORTS[::-1])
    (placed,) = scene.store.placements(slot.job_id)
    assert (placed.running, placed.ports) == (True, PORTS)
    assert [placed for held in addressed.pull() for placed in held.placements] == [placed]


def test_a_running_task_without_ports_has_no_endpoints(
    scene: Scene, addressed: WorkerHand, scheduler: SchedulerHand
) -> None:
    (slot,) = scheduler.place(scene.submit(), 1)
    addressed.start(slot)
    assert scene.store.endpoints(slot.job_id) == ()


def test_a_later_word_on_ports_counts(scene: Scene, addressed: WorkerHand, scheduler: SchedulerHand) -> None:
    (slot,) = scheduler.place(service(scene), 1)
    start(addressed, slot)
    start(addressed, slot, (("http", 8888),))
    assert ports_of(scene, slot.job_id) == [(0, "http", 8888)]


def test_a_zombies_ports_are_passed_over(
    scene: Scene, addressed: WorkerHand, scheduler: SchedulerHand
) -> None:
    (slot,) = scheduler.place(service(scene), 1)
    start(addressed, replace(slot, epoch=slot.epoch - 1))
    start(addressed, replace(slot, attempt=slot.attempt + 1))
    assert scene.store.endpoints(slot.job_id) == ()


def test_a_task_that_is_told_to_stop_has_no_endpoints(
    scene: Scene, addressed: WorkerHand, scheduler: SchedulerHand
) -> None:
    (slot,) = scheduler.place(service(scene), 1)
    start(addressed, slot)
    scene.store.drain("m1")
    assert scene.store.endpoints(slot.job_id) == ()


def test_the_endpoint_goes_with_the_task(
    scene: Scene, addressed: WorkerHand, scheduler: SchedulerHand
) -> None:
    (slot,) = scheduler.place(service(scene), 1)
    start(addressed, slot)
    addressed.end(slot, state=AttemptState.FAILED)
    assert scene.store.endpoints(slot.job_id) == ()


def test_a_worker_without_an_address_is_reached_by_its_hosts_name(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    (slot,) = scheduler.place(service(scene), 1)
    start(worker, slot)
    assert {one.address for one in scene.store.endpoints(slot.job_id)} == {"h1"}


def test_endpoints_of_an_unknown_job_are_not_found(scene: Scene) -> None:
    with pytest.raises(NotFound, match="j99"):
        scene.store.endpoints(99)
