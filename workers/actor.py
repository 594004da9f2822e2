"""The worker as a Ray actor: a thin shell around an agent in a thread, one per Ray node.

In a Ray of the cell's own the actor counts nothing: the cell's machines account for the tasks, and nobody else asks
that Ray for CPUs. In one that was joined it reserves what its machines offer (ray_node.py).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from omegacell.cellstate.errors import OmegaError, StoreUnavailable
from omegacell.cellstate.settings import Settings
from omegacell.workers.environment import RESERVED_DEVICES
from omegacell.workers.ray_node import reservation
from omegacell.workers.serve import WorkerOptions, agent_of

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
_AGAIN_SECONDS = 2.0


class WorkerShell:
    """What runs inside the actor; it serves from the moment it is made, also after a restart.

    Killed with its actor in whatever way, it leaves nothing running: the guard is a process of its own.
    """

    def __init__(self, options: WorkerOptions, *, reserved: bool = False) -> None:
        """What keeps it from serving is not raised here, where Ray would wrap it up, but by ready()."""
        logging.basicConfig(level=logging.INFO)
        if reserved and os.environ.get("CUDA_VISIBLE_DEVICES"):
            os.environ[RESERVED_DEVICES] = os.environ["CUDA_VISIBLE_DEVICES"]
        self._failure: OmegaError | None = None
        try:
            self._open(options)
        except OmegaError as error:
            self._failure = error

    def _open(self, options: WorkerOptions) -> None:
        again = ray.get_runtime_context().was_current_actor_reconstructed
        while True:
            try:
                self._opened = agent_of(options, Settings())
                self._agent = self._opened.__enter__()
                break
            except OmegaError as error:
                if not again:
                    raise
                log.warning("the worker cannot serve again yet: %s", error)
                time.sleep(_AGAIN_SECONDS)
        self._thread = threading.Thread(target=self._run, name="agent", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._agent.run()
        except OmegaError as error:
            self._failure = error
        except BaseException:
            log.exception("the agent failed")
            os._exit(1)  # and Ray starts it again

    def ready(self, timeout_seconds: float) -> dict[str, int]:
        """Wait until its machines are up; what keeps them from it, or StoreUnavailable after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while self._failure is None and not self._agent.wait_ready(_LOOK_SECONDS):
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"the worker's machines are not up after {timeout_seconds:g} s; its log in Ray says why"
                )
        if self._failure is not None:
            raise self._failure
        machines = len(self._agent.machines)
        return {"worker_id": self._agent.worker_id, "pid": os.getpid(), "machines": machines}

    def alive(self) -> bool:
        """Whether it serves."""
        return self._failure is None and self._thread.is_alive()

    def stop(self, timeout_seconds: float) -> bool:
        """End in good order; False if something was still running after the timeout."""
        if self._failure is not None:
            return True
        self._agent.stop()
        self._thread.join(timeout_seconds)
        ended = not self._thread.is_alive()
        if ended:
            self._opened.__exit__(None, None, None)
        return ended


def start_worker(options: WorkerOptions, *, node_id: str = "", reserve: bool = False) -> Any:
    """An actor that serves on this node (by default wherever Ray puts it); Ray restarts it when it dies.

    With `reserve` it holds in Ray what its machines offer, and waits until Ray has that free on the node.
    """
    strategy: Any = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False) if node_id else "DEFAULT"
    held: dict[str, float] = reservation(options) if reserve else {"num_cpus": 0}
    made = ray.remote(WorkerShell).options(
        max_restarts=-1, max_concurrency=4, scheduling_strategy=strategy, **held
    )
    return made.remote(options, reserved=reserve)
