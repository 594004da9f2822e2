"""The scheduler as a Ray actor: a thin shell around a loop in a thread.

Ray restarts it when it dies, and each incarnation registers anew, so that the store fences an earlier one that still
lives. Nobody calls an actor on a hot path: jobs and claims go through the store.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import asdict
from typing import Any

import ray

from omegacell.cellstate.errors import OmegaError, StoreUnavailable
from omegacell.cellstate.settings import Settings
from omegacell.schedulers.serve import SchedulerOptions, loop_of

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
_AGAIN_SECONDS = 2.0


class SchedulerShell:
    """What runs inside the actor; it serves from the moment it is made, also after a restart."""

    def __init__(self, options: SchedulerOptions, *, sys_path: str = "") -> None:
        """What keeps it from serving is not raised here, where Ray would wrap it up, but by ready()."""
        logging.basicConfig(level=logging.INFO)
        os.environ["OMEGA_SYS_PATH"] = sys_path or os.environ.get("OMEGA_SYS_PATH", "")
        self._failure: OmegaError | None = None
        try:
            self._open(options)
        except OmegaError as error:
            self._failure = error

    def _open(self, options: SchedulerOptions) -> None:
        again = ray.get_runtime_context().was_current_actor_reconstructed
        while True:
            try:
                self._opened = loop_of(options, Settings())
                self._loop = self._opened.__enter__()
                break
            except OmegaError as error:
                if not again:
                    raise
                log.warning("scheduler %s cannot serve again yet: %s", options.name, error)
                time.sleep(_AGAIN_SECONDS)
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run()
        except OmegaError as error:
            self._failure = error
        except BaseException:
            log.exception("the loop failed")
            os._exit(1)  # and Ray starts it again

    def ready(self, timeout_seconds: float) -> dict[str, Any]:
        """Its status once registered; what keeps it from that, or StoreUnavailable after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while self._failure is None and not self._loop.wait_ready(_LOOK_SECONDS):
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"the scheduler is not registered after {timeout_seconds:g} s; its log in Ray says why"
                )
        if self._failure is not None:
            raise self._failure
        return self.status()

    def status(self) -> dict[str, Any]:
        """LoopStatus as a dict, with the process id."""
        return {**asdict(self._loop.status()), "pid": os.getpid()}

    def alive(self) -> bool:
        """Whether it serves; not after it was stopped, drained or replaced."""
        return self._failure is None and self._thread.is_alive()

    def stop(self, timeout_seconds: float) -> bool:
        """End in good order, giving the lease back; False if an attempt was still running after the timeout."""
        if self._failure is not None:
            return True
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
    sys_path: str = "",
) -> Any:
    """An actor that serves wherever Ray puts it, counting no CPU of Ray's: it is busy only for moments.

    `sys_path` is where users' own kinds and policies are found. An unknown kind or policy is raised by its ready().
    """
    options = SchedulerOptions(
        dsn=dsn,
        schema=schema,
        kind=kind,
        name=name,
        policy=policy,
        preset=preset,
    )
    made = ray.remote(SchedulerShell).options(num_cpus=0, max_restarts=-1, max_concurrency=4)
    return made.remote(options, sys_path=sys_path)
