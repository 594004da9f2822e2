"""One thread that waits for many jobs: a single look into the store tells how all of them stand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError

from omegacell.cellstate.errors import NotFound, StoreUnavailable
from omegacell.cellstate.model import JobStatus
from omegacell.cellstate.store import ClientStore
from omegacell.client.ids import job_text
from omegacell.client.waiting import Pauses

_SLICE_SECONDS = 0.05
"""A job that is new to the watcher waits so long for its first look at most."""
_SHARE = 4.0
"""After a look the watcher rests at least so many times as long as it took: hints may ring a hundred times a second."""

Seen = Callable[[JobStatus], None]


class Watcher:
    """Makes futures of jobs' ends. The thread runs while somebody waits."""

    def __init__(self, store: ClientStore, pauses: Pauses) -> None:
        self._store, self._pauses = store, pauses
        self._lock = threading.Lock()
        self._watched: dict[Future[JobStatus], tuple[int, Seen | None]] = {}
        self._running: threading.Thread | None = None
        self._news = False
        self._closed = False

    def watch(self, job_id: int, seen: Seen | None = None) -> Future[JobStatus]:
        """The job's status once it has ended; `seen` is called in the watcher's thread with every one before too.

        A future that is cancelled is forgotten. NotFound where there is no such job (any more).
        """
        future: Future[JobStatus] = Future()
        with self._lock:
            if self._closed:
                raise _closed(job_id)
            self._watched[future] = (job_id, seen)
            self._news = True
            if self._running is None:
                self._running = threading.Thread(target=self._run, name="omega-watch", daemon=True)
                self._running.start()
        return future

    def close(self) -> None:
        """Tell whoever still waits that the cell is closed, and end."""
        with self._lock:
            self._closed = True
            waiting, running = dict(self._watched), self._running
        for future, (job_id, _) in waiting.items():
            _settle(future, _closed(job_id))
        if running is not None:
            running.join()

    def _run(self) -> None:
        intervals = self._pauses.intervals()
        while watched := self._still_watched():
            before = time.monotonic()
            self._look(watched)
            took = time.monotonic() - before
            if self._pause(next(intervals), at_least=took * _SHARE):
                intervals = self._pauses.intervals()

    def _still_watched(self) -> dict[Future[JobStatus], tuple[int, Seen | None]]:
        """What is waited for now; where that is nothing the thread is over, and the next watch() starts another."""
        with self._lock:
            self._watched = {future: what for future, what in self._watched.items() if not future.done()}
            self._news = False
            if not self._watched:
                self._running = None
            return dict(self._watched)

    def _look(self, watched: dict[Future[JobStatus], tuple[int, Seen | None]]) -> None:
        try:
            found = self._store.statuses(sorted({job_id for job_id, _ in watched.values()}))
        except Exception as error:  # whoever waits is told, as if each had asked himself
            for future in watched:
                _settle(future, error)
            return
        statuses = {one.job_id: one for one in found}
        for future, (job_id, seen) in watched.items():
            status = statuses.get(job_id)
            if status is None:
                _settle(future, NotFound(f"job {job_text(job_id)} does not exist (any more); see omega jobs"))
                continue
            if seen is not None and not future.done():
                try:
                    seen(status)
                except Exception as error:
                    _settle(future, error)
            if status.state.final:
                _settle(future, status)

    def _pause(self, seconds: float, *, at_least: float) -> bool:
        """Rest for so long; less where the bell rings or a job is new. Whether one is new."""
        began = time.monotonic()
        rang = False
        while not self._news and not self._closed:
            rested = time.monotonic() - began
            left = at_least - rested if rang else max(seconds, at_least) - rested
            if left <= 0:
                break
            rang |= self._pauses.pause(min(left, _SLICE_SECONDS))
        return self._news


def _closed(job_id: int) -> StoreUnavailable:
    return StoreUnavailable(f"job {job_text(job_id)} cannot be waited for: its cell is closed")


def _settle(future: Future[JobStatus], result: JobStatus | Exception) -> None:
    """Give the future what it waits for, unless it was cancelled meanwhile."""
    try:
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
    except InvalidStateError:
        pass  # cancelled meanwhile
