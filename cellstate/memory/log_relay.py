"""Logs on their way from whoever runs a task to whoever reads them."""

from __future__ import annotations

from dataclasses import replace

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.memory import workers
from omegacell.cellstate.memory.calls import Calls
from omegacell.cellstate.memory.state import AskedLog
from omegacell.cellstate.model import LogPiece, LogRequest

FORGOTTEN_SECONDS = 60.0
"""Who asked has long given up by then."""


class LogRelayCalls(Calls):
    """Both ends of it; their contract is store.ClientStore's and store.WorkerStore's."""

    def ask_log(self, worker_id: int, request: LogRequest) -> int:
        with self._lock:
            if worker_id not in self._cell.workers:
                raise NotFound(f"worker {worker_id} does not exist in this cell; ask one that does")
            self._forget()
            self._cell.last_log_request += 1
            request_id = self._cell.last_log_request
            self._cell.asked_logs[request_id] = AskedLog(
                worker_id=worker_id,
                request=replace(request, request_id=request_id),
                asked_at=self._clock.now(),
            )
            return request_id

    def log_answer(self, request_id: int) -> LogPiece | None:
        with self._lock:
            self._forget()
            asked = self._cell.asked_logs.get(request_id)
            if asked is None:
                raise NotFound(
                    f"log request {request_id} is forgotten: it was answered, or asked more than a minute ago; "
                    "ask again"
                )
            if asked.answer is not None:
                del self._cell.asked_logs[request_id]
            return asked.answer

    def log_requests(self, worker_id: int, token: int) -> tuple[LogRequest, ...]:
        with self._lock:
            workers.fenced(self._cell, worker_id, token)
            self._forget()
            asked = self._cell.asked_logs.values()
            return tuple(one.request for one in asked if one.worker_id == worker_id and one.answer is None)

    def answer_log(self, worker_id: int, token: int, request_id: int, piece: LogPiece) -> None:
        with self._lock:
            workers.fenced(self._cell, worker_id, token)
            self._forget()
            asked = self._cell.asked_logs.get(request_id)
            if asked is not None and asked.worker_id == worker_id and asked.answer is None:
                asked.answer = piece

    def _forget(self) -> None:
        """Drop what was asked too long ago."""
        asked, since = self._cell.asked_logs, self._clock.now() - FORGOTTEN_SECONDS
        for request_id in [request_id for request_id, one in asked.items() if one.asked_at <= since]:
            del asked[request_id]
