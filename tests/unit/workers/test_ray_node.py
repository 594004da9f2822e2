"""What a node of a Ray that others use too offers to the cell is what its worker holds there."""

from __future__ import annotations

from typing import Any

from omegacell.cellstate.model import Amounts
from omegacell.workers.ray_node import RayNode, living, offer, reservation, worker_name
from omegacell.workers.serve import WorkerOptions

NODE = RayNode(
    node_id="ab" * 28, host="one", address="10.0.0.1", cpu_milli=8000, memory_bytes=16 * 2**30, gpus=2
)


def options(**fields: Any) -> WorkerOptions:
    return WorkerOptions(dsn="postgresql://db/omega", name="w", **fields)


def test_nodes_are_read_as_ray_tells_them_and_dead_ones_left_out() -> None:
    told: dict[str, Any] = {
        "NodeID": NODE.node_id,
        "Alive": True,
        "NodeManagerHostname": "one",
        "NodeManagerAddress": "10.0.0.1",
        "Resources": {"CPU": 8.0, "memory": float(16 * 2**30), "GPU": 2.0, "node:10.0.0.1": 1.0},
    }
    assert living([told, {**told, "NodeID": "cd", "Alive": False}]) == (NODE,)


def test_a_machine_of_which_nothing_is_said_is_all_that_ray_has() -> None:
    offered = offer(NODE, options())
    assert offered is not None
    assert offered.each == Amounts(cpu_milli=8000, memory_bytes=16 * 2**30, gpu_milli=2000)
    assert reservation(offered) == {"num_cpus": 8.0, "memory": 16 * 2**30, "num_gpus": 2}
    assert offered.address == "10.0.0.1"


def test_several_machines_share_the_node_and_are_reserved_together() -> None:
    offered = offer(NODE, options(machines=3))
    assert offered is not None
    assert offered.each.cpu_milli == 2666
    assert offered.each.gpu_milli == 0
    assert reservation(offered)["num_cpus"] == 7.998


def test_what_was_asked_of_a_machine_is_what_is_reserved() -> None:
    asked = Amounts(cpu_milli=1500, memory_bytes=2**30, gpu_milli=1000)
    offered = offer(NODE, options(machines=2, each=asked, share_gpus=False))
    assert offered is not None
    assert offered.each == asked
    assert reservation(offered) == {"num_cpus": 3.0, "memory": 2 * 2**30, "num_gpus": 2}


def test_named_resources_are_the_cells_own_and_not_reserved() -> None:
    offered = offer(NODE, options(each=Amounts(cpu_milli=1000, memory_bytes=1, custom=(("licence", 1000),))))
    assert offered is not None
    assert offered.each.custom == (("licence", 1000),)
    assert set(reservation(offered)) == {"num_cpus", "memory", "num_gpus"}


def test_a_node_without_what_was_asked_gets_no_worker() -> None:
    for asked in (
        Amounts(cpu_milli=9000),
        Amounts(cpu_milli=1000, memory_bytes=2**40),
        Amounts(cpu_milli=1000, gpu_milli=3000),
    ):
        assert offer(NODE, options(each=asked, share_gpus=False)) is None
    head = RayNode(node_id="x", host="head", address="10.0.0.2", cpu_milli=0, memory_bytes=2**30, gpus=0)
    assert offer(head, options()) is None


def test_a_worker_is_named_like_its_host_unless_another_is() -> None:
    assert worker_name(NODE, []) == "one"
    assert worker_name(NODE, ["one"]) == "one-abababab"
