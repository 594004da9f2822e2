"""What a task wrote: the tails that its outcome keeps, or the worker's files while it runs on this host."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import Placement, WorkerStatus
from omegacell.cellstate.store import Store
from omegacell.client.ids import task_text
from omegacell.workers.logs import log_paths

_TAIL_BYTES = 2**20
"""Of a running task's files at most so much is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The end of what one attempt of a task wrote; `running` while it may still write."""

    job_id: int
    task_index: int
    attempt: int
    running: bool
    stdout: str
    stderr: str

    def __str__(self) -> str:
        """Standard output, then standard error."""
        return self.stdout + self.stderr


def read(store: Store, job_id: int, task_index: int) -> Logs:
    """The logs of the task's running attempt if there is one, else of its last; NotFound if it never ran."""
    for placement in store.placements(job_id):
        if placement.first_index <= task_index < placement.first_index + placement.count:
            return _of_running(store, placement, task_index)
    outcomes = store.outcomes(job_id, task_indexes=[task_index])
    if not outcomes:
        raise NotFound(f"task {task_text(job_id, task_index)} has not run yet, so it has no logs; try later")
    last = outcomes[-1]
    return Logs(
        job_id=job_id,
        task_index=task_index,
        attempt=last.attempt,
        running=False,
        stdout=last.stdout_tail,
        stderr=last.stderr_tail,
    )


def _of_running(store: Store, placement: Placement, task_index: int) -> Logs:
    worker = _worker_of(store, placement.machine_id)
    if worker.host != socket.gethostname():
        raise NotFound(
            f"task {task_text(placement.job_id, task_index)} runs on host {worker.host}, and its logs can be "
            "read there only until it ends; wait for its end, or ask on that host"
        )
    paths = log_paths(worker.log_directory, placement.job_id, task_index, placement.attempt)
    return Logs(
        job_id=placement.job_id,
        task_index=task_index,
        attempt=placement.attempt,
        running=True,
        stdout=_tail(Path(paths.stdout)),
        stderr=_tail(Path(paths.stderr)),
    )


def _worker_of(store: Store, machine_id: int) -> WorkerStatus:
    worker_id = next(one.worker_id for one in store.machines() if one.machine_id == machine_id)
    return next(one for one in store.workers() if one.worker_id == worker_id)


def _tail(path: Path) -> str:
    """The file's end; "" while there is none. A reader removes nothing, unlike the worker's take_tail."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
