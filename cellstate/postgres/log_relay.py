"""Logs on their way from the worker's host to whoever reads them, by way of an unlogged table."""

from __future__ import annotations

from omegacell.cellstate.model import LogPiece, LogRequest
from omegacell.cellstate.postgres.calls import Calls


class LogRelayCalls(Calls):
    """Both ends of it; their contract is store.ClientStore's and store.WorkerStore's."""

    def ask_log(self, worker_id: int, request: LogRequest) -> int:
        """Ask a worker for a piece of a log; the request's id."""
        (row,) = self._connections.call(
            "ask_log",
            worker_id,
            request.job_id,
            request.task_index,
            request.attempt,
            request.stdout_from,
            request.stderr_from,
        )
        return int(row[0])

    def log_answer(self, request_id: int) -> LogPiece | None:
        """The answer, once; None while there is none."""
        for row in self._connections.call("take_log_answer", request_id):
            return LogPiece(
                stdout=bytes(row.stdout),
                stderr=bytes(row.stderr),
                stdout_at=row.stdout_at,
                stderr_at=row.stderr_at,
                found=row.log_found,
            )
        return None

    def log_requests(self, worker_id: int, token: int) -> tuple[LogRequest, ...]:
        """What people want to read of this worker's logs, oldest first."""
        rows = self._connections.call("open_log_requests", worker_id, token)
        return tuple(LogRequest(**row._asdict()) for row in rows)

    def answer_log(self, worker_id: int, token: int, request_id: int, piece: LogPiece) -> None:
        """Answer a request."""
        self._connections.call(
            "answer_log",
            worker_id,
            token,
            request_id,
            piece.found,
            piece.stdout,
            piece.stderr,
            piece.stdout_at,
            piece.stderr_at,
        )
