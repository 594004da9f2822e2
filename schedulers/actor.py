"""The scheduler as a Ray actor: a thin shell around a loop in a thread.

Ray restarts it when it dies, and each incarnation registers anew, so that the store fences an earlier one that still
lives. Nobody calls an actor on a hot path: jobs and claims go through the store.
"""

from __future__ import annotations

import os
import threading
from dataclasses import asdict
from typing import Any

import ray

from omegacell.cellstate.errors import StoreUnavailable
from omegacell.cellstate.settings import Settings
from omegacell.schedulers.serve import SchedulerOptions, loop_of


class SchedulerShell:
    """What runs inside the actor; it serves from the moment it is made, also after a restart."""

    def __init__(self, options: SchedulerOptions) -> None:
        self._opened = loop_of(options, Settings())
        self._loop = self._opened.__enter__()
        self._thread = threading.Thread(target=self._loop.run, name="loop", daemon=True)
        self._thread.start()

    def ready(self, timeout_seconds: float) -> dict[str, Any]:
        """Its status once registered; StoreUnavailable if it is not by then."""
        if not self._loop.wait_ready(timeout_seconds):
            raise StoreUnavailable(
                f"the scheduler is not registered after {timeout_seconds:g} s; its log in Ray says why"
            )
        return self.status()

    def status(self) -> dict[str, Any]:
        """LoopStatus as a dict, with the process id."""
        return {**asdict(self._loop.status()), "pid": os.getpid()}

    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def stop(self, timeout_seconds: float) -> bool:
        """End in good order, giving the lease back; False if an attempt was still running after the timeout."""
        self._loop.stop()
        self._thread.join(timeout_seconds)
        ended = not self._thread.is_alive()
        if ended:
            self._opened.__exit__(None, None, None)
        return ended


def start_scheduler(
    kind: str,
    *,
    name: str,
    dsn: str,
    schema: str = "omega",
    policy: str = "",
    preset: str = "default",
) -> Any:
    """An actor that serves wherever Ray puts it; it counts no CPU, as the cell's machines are not Ray's.

    An unknown kind or policy is its ActorDiedError: ask `kinds.load` and `plugins.policy` before.
    """
    options = SchedulerOptions(
        dsn=dsn,
        schema=schema,
        kind=kind,
        name=name,
        policy=policy,
        preset=preset,
    )
    return ray.remote(SchedulerShell).options(num_cpus=0, max_restarts=-1, max_concurrency=4).remote(options)
