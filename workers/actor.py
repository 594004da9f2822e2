"""The worker as a Ray actor: a thin shell around an agent in a thread, one per Ray node."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from omegacell.cellstate.errors import StoreUnavailable
from omegacell.cellstate.settings import Settings
from omegacell.workers.serve import WorkerOptions, agent_of


class WorkerShell:
    """What runs inside the actor. Ray counts no CPU for it: the cell's machines account for the tasks.

    Killed with its actor in whatever way, it leaves nothing running: the guard is a process of its own.
    """

    def __init__(self, options: WorkerOptions) -> None:
        logging.basicConfig(level=logging.INFO)
        self._opened = agent_of(options, Settings())
        self._agent = self._opened.__enter__()
        self._thread = threading.Thread(target=self._agent.run, name="agent", daemon=True)
        self._thread.start()

    def ready(self, timeout_seconds: float) -> dict[str, int]:
        """Wait until its machines are up; StoreUnavailable if they are not by then."""
        if not self._agent.wait_ready(timeout_seconds):
            raise StoreUnavailable(
                f"the worker's machines are not up after {timeout_seconds:g} s; its log in Ray says why"
            )
        machines = len(self._agent.machines)
        return {"worker_id": self._agent.worker_id, "pid": os.getpid(), "machines": machines}

    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def stop(self, timeout_seconds: float) -> bool:
        """End in good order; False if something was still running after the timeout."""
        self._agent.stop()
        self._thread.join(timeout_seconds)
        ended = not self._thread.is_alive()
        if ended:
            self._opened.__exit__(None, None, None)
        return ended


def start_worker(options: WorkerOptions, *, node_id: str = "") -> Any:
    """An actor that serves on this node (by default wherever Ray puts it); Ray restarts it when it dies."""
    strategy: Any = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False) if node_id else "DEFAULT"
    made = ray.remote(WorkerShell).options(
        num_cpus=0, max_restarts=-1, max_concurrency=4, scheduling_strategy=strategy
    )
    return made.remote(options)


def start_workers(options: WorkerOptions) -> list[Any]:
    """One worker on every living node of the Ray cluster, named NAME-<first digits of the node's id>."""
    nodes = sorted(node["NodeID"] for node in ray.nodes() if node["Alive"])
    if len(nodes) == 1:
        return [start_worker(options, node_id=nodes[0])]
    return [start_worker(replace(options, name=f"{options.name}-{node[:8]}"), node_id=node) for node in nodes]
