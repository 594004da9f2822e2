"""Services through the client: applied by name, found by name, changed where they may be."""

from __future__ import annotations

from typing import Any

import pytest

import omegacell as omega
from omegacell.cellstate.model import Endpoint, Started
from omegacell.client.cell import Cell
from tests.contract.scene import Scene


def test_applying_a_service_again_is_no_change(cell: Cell) -> None:
    web = omega.Service(name="web", command=["serve"], replicas=3, labels={"team": "x"})
    first = cell.apply(web)
    assert (cell.apply(web).job_id, cell.apply(web).created) == (first.job_id, False)
    assert cell.services() == (first.status,)


def test_replicas_labels_and_priority_of_a_service_are_changed(cell: Cell, heard: list[str]) -> None:
    first = cell.apply(name="web", command=["serve"], replicas=3, labels={"team": "x"})
    heard.clear()
    again = cell.apply(name="web", command=["serve"], replicas=5, labels={"team": "y"}, priority=7)
    assert (again.job_id, again.created, heard) == (first.job_id, False, ["placements", "jobs"])
    status = first.status
    assert (status.replicas, status.labels["team"], status.priority) == (5, "y", 7)
    assert first.specification().task_count == 5
    assert [one.job_id for one in cell.jobs(labels={"team": "y"})] == [first.job_id]
    assert (
        cell.apply(name="web", command=["serve"], replicas=5, labels={"team": "y"}, priority=7).status
        == status
    )


def test_anything_else_of_a_running_service_is_refused_by_name(cell: Cell) -> None:
    first = cell.apply(name="web", command=["serve"], replicas=3)
    with pytest.raises(omega.KeyConflict, match=f"cancel job {first.id}, then apply") as caught:
        cell.apply(
            name="web",
            command=["serve", "-v"],
            replicas=4,
            resources=omega.Resources(cpu=2, memory="1GiB"),
            backoff=3,
            ports={"http": None},
        )
    assert caught.value.fields == ("backoff", "command", "ports", "resources")
    assert first.status.replicas == 3


def test_a_cancelled_service_can_be_applied_again(cell: Cell) -> None:
    first = cell.apply(name="web", command=["serve"], replicas=3)
    first.cancel()
    second = cell.apply(name="web", command=["other"], replicas=4)
    assert second.job_id != first.job_id
    assert cell.apply(name="web", command=["other"], replicas=4).job_id == second.job_id


def test_a_service_is_found_by_its_name_and_namespace(cell: Cell) -> None:
    web = cell.apply(name="web", command=["serve"])
    other = cell.apply(name="web", command=["serve"], namespace="b")
    cell.apply(name="gone", command=["serve"]).cancel()
    assert (cell.service("web").job_id, cell.service("web", "b").job_id) == (web.job_id, other.job_id)
    assert [one.namespace for one in cell.services()] == ["b", "default"]
    with pytest.raises(omega.NotFound, match="no service 'gone' runs; cell"):
        cell.service("gone")
    with pytest.raises(omega.NotFound, match="no service 'web' runs in namespace 'c'"):
        cell.service("web", namespace="c")


def test_a_service_is_scaled_and_a_job_is_not(cell: Cell, heard: list[str]) -> None:
    web = cell.apply(name="web", command=["serve"], replicas=3)
    heard.clear()
    assert (web.scale(5).replicas, heard) == (5, ["jobs", "placements"])
    assert web.scale(0).replicas == 0
    for wrong in (-1, True, 2.5):
        with pytest.raises(omega.SpecInvalid, match="is no number of replicas; expected 0 or more"):
            web.scale(wrong)  # type: ignore[arg-type]  # what an untyped caller may write
    with pytest.raises(omega.SpecInvalid):
        cell.submit(command=["x"]).scale(2)


def test_endpoints_are_where_running_replicas_answer(cell: Cell, scene: Scene) -> None:
    web = cell.apply(name="web", command=["serve"], ports={"http": None})
    worker, scheduler = scene.worker(), scene.scheduler(kind="service")
    (placement,) = scheduler.place(web.job_id, worker.machine())
    assert web.endpoints() == ()
    with pytest.raises(TimeoutError, match=r"has 0 of \d endpoints after 0.01 s; omega explain j"):
        web.endpoints(timeout=0.01)
    started = Started(
        job_id=web.job_id,
        first_index=0,
        attempt=placement.attempt,
        machine_id=placement.machine_id,
        epoch=placement.epoch,
        started_at=scene.clock.now(),
        ports=(("http", 31001),),
    )
    scene.store.report_started(worker.lease.holder_id, worker.lease.token, [started])
    (endpoint,) = cell.job(web.id).endpoints(timeout=10)
    assert isinstance(endpoint, Endpoint)
    assert (endpoint.task_index, endpoint.name, endpoint.port) == (0, "http", 31001)


def test_a_service_may_be_given_as_object_mapping_or_fields(cell: Cell) -> None:
    fields: dict[str, Any] = {"name": "web", "command": ["serve"], "replicas": 3}
    same = [cell.apply(omega.Service(**fields)), cell.apply(fields), cell.apply(**fields)]
    assert len({one.job_id for one in same}) == 1


@pytest.mark.parametrize(
    ("written", "fields", "says"),
    [
        (None, {"command": ["x"]}, "service has no name"),
        (omega.Job(command=["x"]), {}, r"cannot be applied; use submit\(\)"),
        (omega.Service(name="a", command=["x"]), {"replicas": 2}, "both given"),
        ({1: 2}, {}, "field 1 is no text"),
        (3, {}, "3 cannot be applied; expected a Service"),
    ],
)
def test_what_is_no_service_is_refused(cell: Cell, written: Any, fields: Any, says: str) -> None:
    with pytest.raises(omega.SpecInvalid, match=says):
        cell.apply(written, **fields)
