"""What a node of a Ray cluster offers to the cell, and what Ray is told of it, so that nothing is booked twice.

On a Ray that others use too, the worker's actor holds in Ray exactly what its machines offer to the cell: CPUs, memory
and GPUs. Ray then gives them to nobody else, and the cell's tasks take nothing that Ray has given away. Disk and
named resources are not reserved: disk Ray does not count, and names are the cell's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from omegacell.cellstate.model import DEVICE_MILLI, Amounts
from omegacell.workers.serve import WorkerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RayNode:
    """A living node, with all that Ray itself schedules there, in use or not."""

    node_id: str
    host: str
    address: str
    cpu_milli: int
    memory_bytes: int
    gpus: int


def living(nodes: Sequence[Mapping[str, Any]]) -> tuple[RayNode, ...]:
    """Those of ray.nodes() that are alive, by id."""
    alive = [node for node in nodes if node["Alive"]]
    return tuple(_read(node) for node in sorted(alive, key=lambda node: str(node["NodeID"])))


def _read(node: Mapping[str, Any]) -> RayNode:
    has = node["Resources"]
    return RayNode(
        node_id=node["NodeID"],
        host=node["NodeManagerHostname"],
        address=node["NodeManagerAddress"],
        cpu_milli=int(has.get("CPU", 0) * 1000),
        memory_bytes=int(has.get("memory", 0)),
        gpus=int(has.get("GPU", 0)),
    )


def offer(node: RayNode, asked: WorkerOptions) -> WorkerOptions | None:
    """What a worker there serves: of each machine what was asked, of the rest an even share of what Ray has.

    None where Ray has not that much on this node, or no CPU at all.
    """
    each = Amounts(
        cpu_milli=asked.each.cpu_milli or node.cpu_milli // asked.machines,
        memory_bytes=asked.each.memory_bytes or node.memory_bytes // asked.machines,
        disk_bytes=asked.each.disk_bytes,
        gpu_milli=node.gpus // asked.machines * DEVICE_MILLI if asked.share_gpus else asked.each.gpu_milli,
        custom=asked.each.custom,
    )
    enough = (
        0 < each.cpu_milli * asked.machines <= node.cpu_milli
        and each.memory_bytes * asked.machines <= node.memory_bytes
        and each.gpu_milli * asked.machines <= node.gpus * DEVICE_MILLI
    )
    return replace(asked, each=each, share_gpus=False, address=node.address) if enough else None


def reservation(offered: WorkerOptions) -> dict[str, float]:
    """The same in Ray's terms: num_cpus, memory and num_gpus of the worker's actor."""
    every, machines = offered.each, offered.machines
    return {
        "num_cpus": every.cpu_milli * machines / 1000,
        "memory": every.memory_bytes * machines,
        "num_gpus": every.gpu_milli * machines // DEVICE_MILLI,
    }


def worker_name(node: RayNode, taken: Sequence[str]) -> str:
    """The host's name, so that a node that comes back is known again; where another has it, with the node's id."""
    return node.host if node.host not in taken else f"{node.host}-{node.node_id[:8]}"
