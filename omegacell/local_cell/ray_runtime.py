"""Schedulers and workers of a local cell as actors of a Ray: its own on loopback, or the one that is named."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

from omegacell.cellstate.settings import Settings
from omegacell.local_cell import orphans
from omegacell.local_cell.plan import Plan
from omegacell.local_cell.process_runtime import scheduler_names

_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_ORPHANS_SECONDS = 3.0
# Ray puts sockets into <temp>/session_<date>_<time>_<micro>_<pid>/sockets/plasma_store, and the kernel takes 107 bytes.
_LONGEST_TEMP = 107 - len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1")

# Read by Ray when it is first imported or started. The first keeps it on loopback.
_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class RayRuntime:
    """The actors of one cell. Ray starts an actor again when its process dies."""

    def __init__(self, plan: Plan, dsn: str, folder: Path) -> None:
        self._plan, self._dsn, self._folder = plan, dsn, folder
        self._actors: list[Any] = []
        self._temp: Path | None = None
        self._before: set[int] = set()
        self._pids: set[int] = set()

    def start(self) -> None:
        """Start Ray or join it, then the actors at the same time, and wait for each."""
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._before = set(orphans.children())
        import ray

        if self._plan.ray_address:
            ray.init(address=self._plan.ray_address, namespace="omegacell", log_to_driver=False)
        else:
            # Ray asks every process for a token; left to itself it would write one into the user's home.
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            self._temp = _temp_folder(self._folder)
            ray.init(
                address="local",  # a bare init may attach to a stale cluster
                namespace="omegacell",
                num_cpus=1,
                num_gpus=0,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                object_store_memory=80 * 2**20,  # nothing is put into it; this is about the least Ray takes
                _temp_dir=str(self._temp),
            )
        self._pids = set(orphans.children()) - self._before
        self._actors = [*self._workers(), *self._schedulers()]
        ray.get([actor.ready.remote(_READY_SECONDS) for actor in self._actors])

    def _workers(self) -> list[Any]:
        from omegacell.workers.actor import start_workers
        from omegacell.workers.host import host_name
        from omegacell.workers.serve import WorkerOptions

        settings = Settings()
        options = WorkerOptions(
            dsn=self._dsn,
            schema=settings.schema_name,
            name=host_name(),
            machines=self._plan.machines,
            each=self._plan.each,
            share_gpus=self._plan.share_gpus,
            log_directory=str(self._folder / "tasks"),
            lease_seconds=settings.lease_seconds,
            poll_seconds=settings.poll_seconds,
        )
        return start_workers(options)

    def _schedulers(self) -> list[Any]:
        from omegacell.schedulers.actor import start_scheduler

        schema = Settings().schema_name
        return [
            start_scheduler(kind, name=name, dsn=self._dsn, schema=schema)
            for kind, name in scheduler_names(self._plan)
        ]

    def tend(self) -> None:
        """Ray does it."""

    def pids(self) -> set[int]:
        """Ray's own processes, which it started from here."""
        return self._pids

    def stop(self) -> None:
        """End the actors in good order, then Ray."""
        import ray

        if ray.is_initialized():
            stopping = [actor.stop.remote(_STOP_SECONDS) for actor in self._actors]
            ray.wait(stopping, num_returns=len(stopping), timeout=_STOP_SECONDS) if stopping else None
            for actor in self._actors:
                ray.kill(actor)
            ray.shutdown()
        # Its processes write into their folder to the last.
        orphans.end(self._before, _ORPHANS_SECONDS)
        if self._temp is not None:
            shutil.rmtree(self._temp, ignore_errors=True)


def _temp_folder(folder: Path) -> Path:
    """A folder for Ray's files with a path that is short enough: the cell's own if it can be."""
    inside = folder / "ray"
    if len(str(inside)) <= _LONGEST_TEMP:
        inside.mkdir(exist_ok=True)
        return inside
    short = Path(tempfile.gettempdir()) / "omega-ray-12345678"
    return Path(
        tempfile.mkdtemp(prefix="omega-ray-", dir=None if len(str(short)) <= _LONGEST_TEMP else "/tmp")
    )
