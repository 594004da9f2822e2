"""A cell on a Ray that was joined: two nodes, one more later, one killed. All in one Ray, for it is slow to start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

import omegacell
from omegacell.cellstate.errors import SchemaMismatch, StoreUnavailable
from omegacell.client.cell import Cell
from omegacell.embedded_postgres import EmbeddedPostgres
from tests.processes import eventually

# The first keeps Ray on loopback. A lost node is noticed in seconds; Ray's own defaults take some more.
_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "300",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "OMEGA_DSN": "",
    "OMEGA_LEASE_SECONDS": "3",
}

_NODE = {"num_cpus": 2, "num_gpus": 2, "object_store_memory": 80 * 2**20}


class Other:
    """Another user's actor, which holds the first device of a node."""

    def devices(self) -> list[str]:
        """Those that Ray gave it."""
        import ray

        given: list[str] = ray.get_runtime_context().get_accelerator_ids()["GPU"]
        return given


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of two CPUs and two GPUs (which nobody looks for); somebody else has one GPU already."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        import ray
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={**_NODE, "include_dashboard": False})
        try:
            made.add_node(**_NODE)
            patch.setenv("OMEGA_RAY_ADDRESS", made.address)
            ray.init(address=made.address, namespace="omegacell", log_to_driver=False)
            other = ray.remote(Other).options(num_cpus=0, num_gpus=1).remote()
            assert ray.get(other.devices.remote()) == ["0"]
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


@pytest.fixture(scope="module")
def cell(cluster: Any) -> Iterator[Cell]:
    """Of every node one machine of one CPU and one GPU."""
    with omegacell.local(
        machine=omegacell.Resources(cpu=1, gpu=1, memory="64MiB"), schedulers={"batch": 1}
    ) as cell:
        yield cell


def up(cell: Cell) -> set[int]:
    return {machine.machine_id for machine in cell.machines() if machine.up}


def test_what_machines_offer_is_reserved_from_ray(cell: Cell) -> None:
    import ray

    assert [machine.capacity.cpu_milli for machine in cell.machines()] == [1000, 1000]
    assert len({machine.name for machine in cell.machines()}) == 2

    def free() -> tuple[float, float, float]:
        left, all_of_it = ray.available_resources(), ray.cluster_resources()
        return left["CPU"], left["GPU"], all_of_it["memory"] - left["memory"]

    eventually(
        lambda: free() == (2.0, 1.0, 2 * 64 * 2**20), what="two CPUs, two GPUs and the memory reserved"
    )


def test_a_job_runs_on_both_nodes_with_the_devices_that_ray_gave(cell: Cell) -> None:
    command = ["sh", "-c", "echo devices=$CUDA_VISIBLE_DEVICES; sleep 0.3"]
    job = cell.submit(command=command, count=4, resources={"cpu": 1, "gpu": 1})
    assert job.wait(timeout=60).succeeded == 4
    assert {outcome.machine_id for outcome in job.outcomes()} == up(cell)
    assert {outcome.stdout_tail for outcome in job.outcomes()} == {"devices=0\n", "devices=1\n"}


def test_what_keeps_an_actor_from_serving_is_its_own_sentence(cluster: Any, server: EmbeddedPostgres) -> None:
    from omegacell.local_cell.ray_actors import ask_ready
    from omegacell.schedulers.actor import start_scheduler

    dsn = make_conninfo(server.dsn, dbname="postgres")
    actor = start_scheduler("batch", name="lost", dsn=dsn)
    with pytest.raises(SchemaMismatch, match="holds no cell of this version; run omega db upgrade") as caught:
        ask_ready({"lost": actor})
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_more_than_ray_has_is_refused_in_one_sentence(cluster: Any) -> None:
    with pytest.raises(StoreUnavailable, match="no node of the Ray cluster has what was asked of a machine"):
        omegacell.local(machine=omegacell.Resources(cpu=64))


def test_a_node_that_joins_gets_a_worker_and_one_that_is_killed_loses_its_tasks_to_others(
    cluster: Any, cell: Cell, tmp_path: Path
) -> None:
    before = up(cell)
    node = cluster.add_node(**_NODE)
    eventually(lambda: len(up(cell)) == 3, what="a worker on the new node")
    (joined,) = up(cell) - before
    gate = tmp_path / "gate"
    wait_for_it = f"until test -e {gate}; do sleep 0.05; done"
    job = cell.submit(command=["sh", "-c", wait_for_it], count=3, resources={"cpu": 0.5, "gpu": 1})
    eventually(lambda: {one.machine_id for one in job.placements()} == up(cell), what="a task on each node")
    cluster.remove_node(node, allow_graceful=False)
    eventually(lambda: joined not in up(cell), what="the loss of the node")
    gate.touch()
    assert job.wait(timeout=60).succeeded == 3
    attempts = job.outcomes(final_only=False)
    assert [one.state for one in attempts if one.machine_id == joined] == ["lost"]
    assert len([one for one in attempts if one.final]) == 3
    assert cell.check() == ()
