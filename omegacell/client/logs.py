"""What a task wrote, at its running or last attempt: the end of it, and what of it is not there."""

from __future__ import annotations

from dataclasses import dataclass

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import LogPiece, Outcome, Placement, WorkerStatus
from omegacell.cellstate.settings import Settings
from omegacell.cellstate.store import ClientStore
from omegacell.client.ids import task_text
from omegacell.client.log_source import AttemptLog, LogReader

_TAIL_BYTES = 2**20
"""Of a task's files at most so much is read into memory."""
STREAMS = {"stdout": "standard output", "stderr": "standard error"}


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


def read(reader: LogReader, job_id: int, task_index: int) -> Logs:
    """The logs of the task's running attempt if there is one, else of its last; NotFound if it never ran."""
    if placement := placement_of(reader.store, job_id, task_index):
        log = reader.attempt(placement.machine_id, job_id, task_index, placement.attempt)
        return _of_running(log, job_id, task_index, placement.attempt)
    outcomes = reader.store.outcomes(job_id, task_indexes=[task_index])
    if not outcomes:
        raise NotFound(f"task {task_text(job_id, task_index)} has not run yet, so it has no logs; try later")
    last = outcomes[-1]
    return _of_ended(reader.attempt(last.machine_id, job_id, task_index, last.attempt), last)


def placement_of(store: ClientStore, job_id: int, task_index: int) -> Placement | None:
    """The slot that runs the task now, if there is one."""
    for placement in store.placements(job_id):
        if placement.first_index <= task_index < placement.first_index + placement.count:
            return placement
    return None


def _of_running(log: AttemptLog, job_id: int, task_index: int, attempt: int) -> Logs:
    if not log.reachable:
        raise NotFound(
            f"task {task_text(job_id, task_index)} runs on a machine whose worker does not answer any more; "
            "try again when the task has been given to another"
        )
    piece = log.read(-_TAIL_BYTES, -_TAIL_BYTES, _TAIL_BYTES)
    return Logs(
        job_id=job_id,
        task_index=task_index,
        attempt=attempt,
        running=True,
        stdout=piece.stdout.decode("utf-8", "replace"),
        stderr=piece.stderr.decode("utf-8", "replace"),
        missing=_missing_of(log, piece),
    )


def _of_ended(log: AttemptLog, outcome: Outcome) -> Logs:
    try:
        piece = log.read(-_TAIL_BYTES, -_TAIL_BYTES, _TAIL_BYTES)
    except NotFound:
        piece = LogPiece(found=False)  # the tails are here, and better than nothing
    if piece.found:
        stdout, stderr = (part.decode("utf-8", "replace") for part in (piece.stdout, piece.stderr))
        missing = _missing_of(log, piece)
    else:
        stdout, stderr = outcome.stdout_tail, outcome.stderr_tail
        told = [
            missing_before(tail, name, log.worker) for tail, name in ((stdout, "stdout"), (stderr, "stderr"))
        ]
        missing = tuple(filter(None, told))
    return Logs(
        job_id=outcome.job_id,
        task_index=outcome.task_index,
        attempt=outcome.attempt,
        running=False,
        stdout=stdout,
        stderr=stderr,
        missing=missing,
    )


def _missing_of(log: AttemptLog, piece: LogPiece) -> tuple[str, ...]:
    """A sentence for each stream of which the piece is not the whole."""
    paths = log.paths
    return tuple(
        f"of {STREAMS[name]} only the last {len(part)} bytes are shown; "
        + (f"more is in {getattr(paths, name)}" if paths else "follow the task to read more")
        for name, part, at in (
            ("stdout", piece.stdout, piece.stdout_at),
            ("stderr", piece.stderr, piece.stderr_at),
        )
        if at > 0
    )


def missing_before(tail: str, stream: str, worker: WorkerStatus | None) -> str:
    """A sentence for a tail as long as a worker keeps, before which there was probably more; else ""."""
    limit = Settings().log_tail_bytes
    if not tail or len(tail.encode()) < limit:
        return ""
    where = f"the files on host {worker.host} have more" if worker else "its machine was lost"
    return f"of {STREAMS[stream]} only the last {limit} bytes were kept (OMEGA_LOG_TAIL_BYTES of the worker); {where}"
