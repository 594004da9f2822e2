"""What a task wrote: the tails that its outcome keeps, or the worker's files while it runs on this host."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import JobStatus, Placement, WorkerStatus
from omegacell.cellstate.store import Store
from omegacell.client.ids import task_text
from omegacell.workers.logs import log_paths

_TAIL_BYTES = 2**20
"""Of a running task's files at most so much is shown."""
_PIECE_BYTES = 2**18


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


class Follower:
    """Copies what the only task of a job writes while it runs, where this is its host; call follow() often.

    What could not be followed (another host, a task that was too short) comes as the outcome's tails at the end.
    """

    def __init__(self, store: Store, job_id: int, stdout: BinaryIO, stderr: BinaryIO) -> None:
        self._store, self._job_id = store, job_id
        self._sinks = (stdout, stderr)
        self._attempt = 0
        self._files: tuple[Path, Path] | None = None
        self._copied = [0, 0]

    def follow(self, status: JobStatus) -> None:
        """Copy what is new."""
        if status.placed and self._files is None:
            self._find()
        self._copy()

    def finish(self) -> None:
        """Copy the rest of the last attempt."""
        last = self._store.outcomes(self._job_id)[-1:]
        if not last:
            return
        if self._files is not None and self._attempt == last[0].attempt:
            self._copy()
            if any(self._copied) or not (last[0].stdout_tail or last[0].stderr_tail):
                return
        for sink, tail in zip(self._sinks, (last[0].stdout_tail, last[0].stderr_tail), strict=True):
            sink.write(tail.encode())
            sink.flush()

    def _find(self) -> None:
        for placement in self._store.placements(self._job_id):
            worker = _worker_of(self._store, placement.machine_id)
            if worker is not None and worker.host == socket.gethostname():
                paths = log_paths(worker.log_directory, self._job_id, 0, placement.attempt)
                self._files = (Path(paths.stdout), Path(paths.stderr))
                self._attempt = placement.attempt

    def _copy(self) -> None:
        for number, path in enumerate(self._files or ()):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                file.seek(self._copied[number])
                while piece := file.read(_PIECE_BYTES):
                    self._sinks[number].write(piece)
                    self._copied[number] += len(piece)
                self._sinks[number].flush()


def _of_running(store: Store, placement: Placement, task_index: int) -> Logs:
    worker = _worker_of(store, placement.machine_id)
    if worker is None or worker.host != socket.gethostname():
        where = f"on host {worker.host}" if worker is not None else "on a machine that was lost"
        raise NotFound(
            f"task {task_text(placement.job_id, task_index)} runs {where}, and its logs can be "
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


def _worker_of(store: Store, machine_id: int) -> WorkerStatus | None:
    """The worker that serves a machine; None once it is lost."""
    worker_ids = [one.worker_id for one in store.machines() if one.machine_id == machine_id]
    return next((one for one in store.workers() if one.worker_id in worker_ids), None)


def _tail(path: Path) -> str:
    """The file's end; "" while there is none. A reader removes nothing, unlike the worker's take_tail."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
