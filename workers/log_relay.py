"""Lets people on other hosts read what tasks wrote here: their requests lie in the store, and so do the answers."""

from __future__ import annotations

import logging
import threading

from omegacell.cellstate.errors import StoreUnavailable, TokenLost
from omegacell.cellstate.model import LOG_PIECE_BYTES, LogPiece, LogRequest
from omegacell.cellstate.store import WorkerStore
from omegacell.workers.log_files import read_piece
from omegacell.workers.logs import log_paths

log = logging.getLogger(__name__)

_FINISH_SECONDS = 5.0


class LogRelay:
    """A thread that answers requests for one registration until it is closed or the token is lost.

    It looks when `asked` is set (by a hint), and every poll interval.
    """

    def __init__(
        self,
        store: WorkerStore,
        *,
        worker_id: int,
        token: int,
        directory: str,
        asked: threading.Event,
        poll_seconds: float,
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._token = token
        self._directory = directory
        self._asked = asked
        self._poll_seconds = poll_seconds
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log relay", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._closed = True
        self._asked.set()
        self._thread.join(_FINISH_SECONDS)

    def _run(self) -> None:
        while not self._closed:
            # Cleared before asking: a hint that comes while the answer is on its way asks once more.
            self._asked.clear()
            try:
                self._answer_all()
            except TokenLost:
                return
            except StoreUnavailable as error:
                log.debug("requests for logs wait until the store is back: %s", error)
            except Exception:
                log.exception("a request for a log could not be answered")
            if not self._closed:
                self._asked.wait(self._poll_seconds)

    def _answer_all(self) -> None:
        for request in self._store.log_requests(self._worker_id, self._token):
            piece = answer(self._directory, request)
            self._store.answer_log(self._worker_id, self._token, request.request_id, piece)


def answer(directory: str, request: LogRequest) -> LogPiece:
    """What the files say."""
    paths = log_paths(directory, request.job_id, request.task_index, request.attempt)
    try:
        starts = (request.stdout_from, request.stderr_from)
        return read_piece(paths.stdout, paths.stderr, starts, LOG_PIECE_BYTES)
    except (OSError, ValueError) as error:
        log.warning("the log of j%d.%d cannot be read: %s", request.job_id, request.task_index, error)
        return LogPiece(found=False)
