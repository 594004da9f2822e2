"""The thread that reports: ends at once with what has gathered meanwhile, starts after the window."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from omegacell.cellstate.errors import StoreUnavailable, TokenLost
from omegacell.cellstate.store import WorkerStore
from omegacell.workers.ledger import Batch, Ledger

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 2.0
"""Between tries while the store is away, doubling up to the second."""


class HintSender(Protocol):
    """Wakes those who wait for a topic; never fails, and may be lost."""

    def send(self, topic: str) -> None:
        """Send at once or merge with one just sent."""
        ...


class NoHints:
    """For poll-only cells."""

    def send(self, topic: str) -> None:
        """Nobody listens."""


class Reporter:
    """Delivers the ledger's batches until it is closed or `over` says that nobody wants them.

    `freed` is called where a slot may have waited for what was delivered.
    """

    def __init__(
        self,
        store: WorkerStore,
        *,
        worker_id: int,
        token: int,
        ledger: Ledger,
        hints: HintSender,
        over: threading.Event,
        freed: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._token = token
        self._ledger = ledger
        self._hints = hints
        self._over = over
        self._freed = freed
        self._failed = failed
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def finish(self, timeout_seconds: float) -> None:
        """Report what is left in the closed ledger, for so long at most."""
        self._thread.join(timeout_seconds)

    def deliver(self, batch: Batch) -> None:
        """Report once. Raises what the store raises."""
        if batch.reports:
            kept = batch.kept
            accepted = self._store.report_ended(self._worker_id, self._token, batch.ended, kept=kept)
            if not all(accepted):
                refused = sum(1 for word in accepted if not word)
                log.info("%d of %d reported ends were no longer held here", refused, len(accepted))
            self._hints.send("done")
            self._hints.send("jobs")  # room is free: a job that found none may be placed now
        if batch.started:
            self._store.report_started(self._worker_id, self._token, batch.started)

    def _run(self) -> None:
        try:
            while not self._over.is_set() and (batch := self._ledger.next_batch()) is not None:
                self._deliver_until_done(batch)
        except TokenLost as error:
            self._failed(error)
        except Exception as error:
            log.exception("reporting failed")
            self._failed(error)

    def _deliver_until_done(self, batch: Batch) -> None:
        wait = RETRY_SECONDS
        while not self._over.is_set():
            try:
                self.deliver(batch)
            except StoreUnavailable as error:
                if wait == RETRY_SECONDS:
                    log.warning("the store is away, %d ends are kept: %s", len(batch.ended), error)
                self._over.wait(wait)
                wait = min(2 * wait, LONGEST_RETRY_SECONDS)
            else:
                if self._ledger.delivered(batch):
                    self._freed()
                return
        self._ledger.put_back(batch)
