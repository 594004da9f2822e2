"""Schedulers and workers of a local cell as actors of a Ray: its own on loopback, or the one that is named."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegacell.cellstate.errors import SpecInvalid, StoreUnavailable
from omegacell.cellstate.settings import Settings
from omegacell.local_cell import orphans
from omegacell.local_cell.fleet import Fleet, names
from omegacell.local_cell.plan import Plan

if TYPE_CHECKING:
    from omegacell.local_cell.ray_actors import NodeWorkers, SchedulerActors
    from omegacell.workers.serve import WorkerOptions

_TEND_SECONDS = 1.0
_REACH_SECONDS = 10.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
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


def load() -> None:
    """Import Ray, as it has to be for a Ray of the cell's own."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray  # noqa: F401


class RayRuntime:
    """The actors of one cell. Ray starts an actor again when its process dies."""

    def __init__(self, plan: Plan, dsn: str, folder: Path) -> None:
        self._plan, self._dsn, self._folder = plan, dsn, folder
        self._temp: Path | None = None
        self._before: set[int] = set()
        self._pids: set[int] = set()
        self._workers: NodeWorkers | None = None
        self._own_worker: dict[str, Any] = {}
        self._schedulers: SchedulerActors | None = None
        self._tend_at = 0.0

    def start(self) -> None:
        """Start Ray or join it, then the actors at the same time, and wait for each."""
        self._before = set(orphans.children())
        load()
        if self._plan.ray_address:
            self._join()
        else:
            self._start_own()
        self._pids = set(orphans.children()) - self._before
        from omegacell.local_cell.ray_actors import NodeWorkers, SchedulerActors, ask_ready

        if self._plan.ray_address:
            import ray

            here = ray.get_runtime_context().get_node_id()
            self._workers = NodeWorkers(self._worker_options(), here)
            self._workers.start()
        else:
            from omegacell.workers.actor import start_worker

            self._own_worker = {"worker": start_worker(self._worker_options())}
        self._schedulers = SchedulerActors(self._start_scheduler)
        self._schedulers.start(names(self._plan.schedulers))
        ask_ready({**self._own_worker, **self._schedulers.actors()})
        if self._workers is not None:
            self._workers.ask_ready()

    def _join(self) -> None:
        import ray

        address = self._plan.ray_address
        try:
            host, colon, port = address.removeprefix("ray://").rpartition(":")
            if colon and port.isdecimal():  # Ray itself would try for minutes
                socket.create_connection((host, int(port)), timeout=_REACH_SECONDS).close()
            ray.init(address=address, namespace="omegacell", log_to_driver=False)
        except OSError as error:
            first = str(error).strip().splitlines()[0]
            raise StoreUnavailable(
                f"Ray at {address} cannot be reached ({first}); check that it runs there, that "
                "OMEGA_RAY_ADDRESS is right, and RAY_AUTH_MODE=token where it asks for a token"
            ) from error
        self._check_reach()

    def _check_reach(self) -> None:
        """SpecInvalid if the cell's database is on loopback and there are nodes on other hosts."""
        import ray

        from omegacell.cellstate.postgres.connection import read_dsn
        from omegacell.workers.ray_node import living

        context = ray.get_runtime_context().get_node_id()
        nodes = living(ray.nodes())
        ours = {node.address for node in nodes if node.node_id == context}
        others = sorted({node.address for node in nodes} - ours)
        host = str(read_dsn(self._dsn).get("host", ""))
        if others and (host in _LOOPBACK or not host):
            raise SpecInvalid(
                f"the cell's PostgreSQL listens on this host alone, and Ray has nodes on others ({', '.join(others)}); "
                "start the cell with --listen ADDRESS, or set OMEGA_DSN to a server that they reach"
            )

    def _start_own(self) -> None:
        import ray

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

    def _worker_options(self) -> WorkerOptions:
        from omegacell.workers.host import host_name
        from omegacell.workers.serve import WorkerOptions

        settings = Settings()
        return WorkerOptions(
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

    def _start_scheduler(self, name: str, kind: str) -> Any:
        from omegacell.schedulers.actor import start_scheduler

        return start_scheduler(
            kind, name=name, dsn=self._dsn, schema=Settings().schema_name, sys_path=self._plan.sys_path
        )

    def tend(self, fleet: Fleet) -> None:
        """Look after what Ray does not: schedulers that are wished for or have ended, nodes that come and go."""
        now = time.monotonic()
        if now < self._tend_at:
            return
        self._tend_at = now + _TEND_SECONDS
        if self._schedulers is not None:
            self._schedulers.tend(fleet)
        if self._workers is not None:
            self._workers.tend()

    def pids(self) -> set[int]:
        """Ray's own processes, which it started from here."""
        return self._pids

    def stop(self) -> None:
        """End the actors in good order, then Ray."""
        import ray

        if ray.is_initialized():
            actors = list(self._own_worker.values())
            for some in (self._workers, self._schedulers):
                actors += some.actors().values() if some is not None else []
            stopping = [actor.stop.remote(_STOP_SECONDS) for actor in actors]
            ray.wait(stopping, num_returns=len(stopping), timeout=_STOP_SECONDS) if stopping else None
            for actor in actors:
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
