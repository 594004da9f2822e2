"""What a task wrote: the worker's files where it ran on this host, else the tails that its outcome keeps."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import JobStatus, Placement, WorkerStatus
from omegacell.cellstate.settings import Settings
from omegacell.cellstate.store import Store
from omegacell.client.ids import task_text
from omegacell.workers.logs import LogPaths, log_paths

_TAIL_BYTES = 2**20
"""Of a task's files at most so much is read into memory."""
_PIECE_BYTES = 2**18
_STREAMS = ("standard output", "standard error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The end of what one attempt of a task wrote; `running` while it may still write.

    `missing` holds a sentence for each of the two whose beginning is not here.
    """

    job_id: int
    task_index: int
    attempt: int
    running: bool
    stdout: str
    stderr: str
    missing: tuple[str, ...] = ()

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
    worker = _worker_of(store, last.machine_id)
    paths = _paths(worker, job_id, task_index, last.attempt)
    texts, missing = ["", ""], []
    for number, tail in enumerate((last.stdout_tail, last.stderr_tail)):
        found = None if paths is None else _end_of((paths.stdout, paths.stderr)[number], _STREAMS[number])
        texts[number], gone = found or (tail, _missing_before(tail, _STREAMS[number], worker))
        missing += [gone] if gone else []
    return Logs(
        job_id=job_id,
        task_index=task_index,
        attempt=last.attempt,
        running=False,
        stdout=texts[0],
        stderr=texts[1],
        missing=tuple(missing),
    )


class Follower:
    """Copies what the only task of a job writes, attempt by attempt; call follow() often while it runs.

    On the host of the attempt its files are copied, whole; from elsewhere come the tails that outcomes keep, when the
    attempt has ended. `say` is told of attempts that are followed by another, and of output that is not there.
    """

    def __init__(
        self, store: Store, job_id: int, stdout: BinaryIO, stderr: BinaryIO, say: Callable[[str], None]
    ) -> None:
        self._store, self._job_id = store, job_id
        self._sinks = (stdout, stderr)
        self._say = say
        self._ended = 0
        self._open(0, None)

    def follow(self, status: JobStatus) -> None:
        """Copy what is new."""
        if status.placed or status.waiting_retry:
            placements = self._store.placements(self._job_id)
            if not placements or placements[0].attempt != self._attempt:
                self.finish()
            for placement in placements:
                if placement.attempt > max(self._ended, self._attempt):
                    worker = _worker_of(self._store, placement.machine_id)
                    self._open(placement.attempt, _paths(worker, self._job_id, 0, placement.attempt))
        self._copy()

    def finish(self) -> None:
        """Copy the rest of every attempt that has ended."""
        for outcome in self._store.outcomes(self._job_id):
            if outcome.attempt <= self._ended:
                continue
            worker = _worker_of(self._store, outcome.machine_id)
            if outcome.attempt != self._attempt:
                self._open(outcome.attempt, _paths(worker, self._job_id, 0, outcome.attempt))
            self._copy()
            for number, tail in enumerate((outcome.stdout_tail, outcome.stderr_tail)):
                if not self._found[number]:
                    self._sinks[number].write(tail.encode())
                    self._sinks[number].flush()
                    if missing := _missing_before(tail, _STREAMS[number], worker):
                        self._say(missing)
            self._ended = outcome.attempt
            if not outcome.final:
                how = f"{outcome.state.replace('_', ' ')}: {outcome.error or 'no reason is known'}"
                self._say(f"attempt {outcome.attempt} {how}; runs again")

    def _open(self, attempt: int, paths: LogPaths | None) -> None:
        self._attempt = attempt
        self._files = () if paths is None else (Path(paths.stdout), Path(paths.stderr))
        self._copied = [0, 0]
        self._found = [False, False]

    def _copy(self) -> None:
        for number, path in enumerate(self._files):
            with contextlib.suppress(FileNotFoundError, PermissionError), path.open("rb") as file:
                self._found[number] = True
                file.seek(self._copied[number])
                while piece := file.read(_PIECE_BYTES):
                    self._sinks[number].write(piece)
                    self._copied[number] += len(piece)
                self._sinks[number].flush()


def _of_running(store: Store, placement: Placement, task_index: int) -> Logs:
    worker = _worker_of(store, placement.machine_id)
    paths = _paths(worker, placement.job_id, task_index, placement.attempt)
    if paths is None:
        where = f"on host {worker.host}" if worker is not None else "on a machine that was lost"
        raise NotFound(
            f"task {task_text(placement.job_id, task_index)} runs {where}, and its logs can be "
            "read there only until it ends; wait for its end, or ask on that host"
        )
    stdout, stdout_missing = _end_of(paths.stdout, _STREAMS[0]) or ("", "")
    stderr, stderr_missing = _end_of(paths.stderr, _STREAMS[1]) or ("", "")
    return Logs(
        job_id=placement.job_id,
        task_index=task_index,
        attempt=placement.attempt,
        running=True,
        stdout=stdout,
        stderr=stderr,
        missing=tuple(filter(None, (stdout_missing, stderr_missing))),
    )


def _worker_of(store: Store, machine_id: int) -> WorkerStatus | None:
    """The worker that serves a machine; None once it is lost."""
    worker_ids = [one.worker_id for one in store.machines() if one.machine_id == machine_id]
    return next((one for one in store.workers() if one.worker_id in worker_ids), None)


def _paths(worker: WorkerStatus | None, job_id: int, task_index: int, attempt: int) -> LogPaths | None:
    """An attempt's files; None where they are not on this host."""
    if worker is None or worker.host != socket.gethostname():
        return None
    return log_paths(worker.log_directory, job_id, task_index, attempt)


def _end_of(path: str, stream: str) -> tuple[str, str] | None:
    """The file's end, and a sentence if that is not all; None while there is no file.

    A reader removes nothing, unlike the worker's take_tail.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except (FileNotFoundError, PermissionError):
        return None
    if size <= _TAIL_BYTES:
        return text, ""
    return text, f"of {stream} only the last {_TAIL_BYTES} bytes are shown; the whole is in {path}"


def _missing_before(tail: str, stream: str, worker: WorkerStatus | None) -> str:
    """A sentence for a tail as long as a worker keeps, before which there was probably more; else ""."""
    limit = Settings().log_tail_bytes
    if not tail or len(tail.encode()) < limit:
        return ""
    where = f"the files on host {worker.host} have the whole" if worker else "its machine was lost"
    return f"of {stream} only the last {limit} bytes were kept (OMEGA_LOG_TAIL_BYTES of the worker); {where}"
