"""The thread of an executor that fetches results and fulfils futures."""

from __future__ import annotations

import time
from collections.abc import Callable

from omegacell.cellstate.model import AttemptState, Outcome, Watermark
from omegacell.cellstate.store import ClientStore
from omegacell.client import results
from omegacell.client.waiting import Pauses
from omegacell.executor.future import TaskFuture
from omegacell.executor.ledger import Ledger
from omegacell.executor.open_job import OpenJob
from omegacell.executor.remote import InitializerFailed

_FIRST_PAUSE_SECONDS, _GROWTH = 0.001, 1.2
"""What takes 25 ms is seen 5 ms late at most, for some 15 looks of half a millisecond."""
_STATUS_SECONDS = 0.5
"""After so long without news the job is asked whether it lives."""


class Fetching:
    """`lost` is called once the job takes no more tasks, and not because we closed it.

    `broke` is called where the initializer failed, with the sentence, the cause and the future of that task.
    """

    def __init__(
        self,
        job: OpenJob,
        ledger: Ledger,
        store: ClientStore,
        *,
        pauses: Pauses,
        lost: Callable[[], None],
        broke: Callable[[str, BaseException | None, TaskFuture], None],
    ) -> None:
        self._job = job
        self._ledger = ledger
        self._store = store
        self._pauses = pauses
        self._lost = lost
        self._broke = broke
        self._watermark: Watermark | None = None
        self._asked_at = 0.0

    def run(self) -> None:
        """Until nothing is owed and nothing more comes."""
        pause = _FIRST_PAUSE_SECONDS
        while self._ledger.wait_for_stored():
            if self._fetch():
                pause = _FIRST_PAUSE_SECONDS
                self._asked_at = time.monotonic()
            elif time.monotonic() >= self._asked_at + _STATUS_SECONDS:
                self._ask()
            self._pauses.pause(pause)
            pause = min(pause * _GROWTH, self._pauses.longest_seconds)

    def _fetch(self) -> bool:
        """Fulfil the futures of tasks that ended since the last call; whether there were any."""
        endings = self._store.ended(self._job.job_id, self._watermark)
        self._watermark = endings.watermark
        for outcome in endings.outcomes:
            future = self._ledger.pop(outcome.task_index)
            if future is not None:
                self._fulfil(future, outcome)
        return bool(endings.outcomes)

    def _fulfil(self, future: TaskFuture, outcome: Outcome) -> None:
        if outcome.state is AttemptState.CANCELLED:
            future.end_cancelled()
            return
        found = results.result_of(outcome)
        if not isinstance(found, results.Failure):
            future.end(found, None)
        elif isinstance(found.error, InitializerFailed):
            self._initializer_failed(future, found.error)
        else:
            future.end(None, found.error)

    def _initializer_failed(self, future: TaskFuture, error: InitializerFailed) -> None:
        sentence = f"the initializer of {self._job.text} failed with {error}; this executor takes no more"
        self._broke(sentence, error.__cause__, future)
        self._store.cancel(self._job.job_id)

    def _ask(self) -> None:
        """Has the job ended, or is it about to, for a reason of others?"""
        self._asked_at = time.monotonic()
        status = self._job.status()
        if status is None or status.state.final:
            self._lost()
            if status is not None:
                self._fetch()  # of a task that ended in between
            for future in self._ledger.give_up():
                future.end_cancelled()
        elif status.cancel_requested:
            self._lost()
