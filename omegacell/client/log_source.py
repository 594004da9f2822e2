"""Where the bytes of a log come from: the worker's files where it ran on this host, else the worker itself.

A worker on another host answers through the store: it is asked for a piece, and woken by a hint.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import LOG_PIECE_BYTES, LogPiece, LogRequest, WorkerStatus
from omegacell.cellstate.store import Store
from omegacell.client.waiting import Pauses
from omegacell.workers.log_files import read_piece
from omegacell.workers.logs import LogPaths, log_paths

ANSWER_SECONDS = 3.0
"""A worker looks for requests every poll interval (a second) where no hint reaches it."""
_NOTHING = LogPiece(found=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReader:
    """What reading logs takes: the store, hints to workers, and the pauses of whoever waits for their answer."""

    store: Store
    pauses: Pauses
    announce: Callable[[str], None]

    def attempt(self, machine_id: int, job_id: int, task_index: int, attempt: int) -> AttemptLog:
        """The log of an attempt on a machine."""
        return AttemptLog(self, self._worker_of(machine_id), job_id, task_index, attempt)

    def _worker_of(self, machine_id: int) -> WorkerStatus | None:
        """The worker that serves a machine; None where nobody does, or none was ever needed."""
        worker_ids = [one.worker_id for one in self.store.machines() if one.machine_id == machine_id]
        return next((one for one in self.store.workers() if one.worker_id in worker_ids), None)


class AttemptLog:
    """What one attempt of a task wrote, piece by piece."""

    def __init__(
        self, reader: LogReader, worker: WorkerStatus | None, job_id: int, task_index: int, attempt: int
    ) -> None:
        self._reader, self.worker = reader, worker
        self._key = (job_id, task_index, attempt)
        self.local = _here(worker)

    @property
    def paths(self) -> LogPaths | None:
        """Its files; None where they are not on this host."""
        return log_paths(self.worker.log_directory, *self._key) if self.worker and self.local else None

    @property
    def reachable(self) -> bool:
        """Whether its worker could be asked for it."""
        return self.local or (self.worker is not None and self.worker.alive)

    def read(self, stdout_from: int, stderr_from: int, limit: int = LOG_PIECE_BYTES) -> LogPiece:
        """A piece of each stream from a byte on (-n: the last n); not found where nobody has it (any more).

        Of files here at most `limit` bytes each, else at most LOG_PIECE_BYTES. NotFound where the worker lives and
        does not answer.
        """
        if self.paths is not None:
            return read_piece(self.paths.stdout, self.paths.stderr, (stdout_from, stderr_from), limit)
        if self.worker is None or not self.worker.alive:
            return _NOTHING
        largest = min(limit, LOG_PIECE_BYTES)
        return self._ask(self.worker, max(stdout_from, -largest), max(stderr_from, -largest))

    def _ask(self, worker: WorkerStatus, stdout_from: int, stderr_from: int) -> LogPiece:
        store, answers = self._reader.store, list[LogPiece]()
        job_id, task_index, attempt = self._key
        request = LogRequest(
            request_id=0,
            job_id=job_id,
            task_index=task_index,
            attempt=attempt,
            stdout_from=stdout_from,
            stderr_from=stderr_from,
        )
        request_id = store.ask_log(worker.worker_id, request)
        self._reader.announce("logs")

        def answered() -> bool:
            if (piece := store.log_answer(request_id)) is not None:
                answers.append(piece)
            return bool(answers)

        if not self._reader.pauses.until(answered, ANSWER_SECONDS):
            raise NotFound(
                f"worker {worker.name!r} on host {worker.host} did not answer within {ANSWER_SECONDS:g} s, so what its "
                "task wrote cannot be read from here; try again, or ask on that host"
            )
        return answers[0]


def _here(worker: WorkerStatus | None) -> bool:
    """Whether the worker's files are on this host, for this user to read."""
    return (
        worker is not None
        and worker.host == socket.gethostname()
        and os.access(worker.log_directory, os.R_OK | os.X_OK)
    )
