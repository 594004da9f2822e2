"""The thread of an executor that stores its tasks, keeps the job's lease, and closes the job."""

from __future__ import annotations

import time
from collections.abc import Callable

from omegacell.cellstate.errors import NotFound, SpecInvalid
from omegacell.executor.ledger import Ledger
from omegacell.executor.open_job import OpenJob

_RENEWALS = 3
"""In the time of a lease: two may fail."""


class Storing:
    """`announce` sends a hint; `lost` is called once the job takes no more tasks, and not because we closed it."""

    def __init__(
        self, job: OpenJob, ledger: Ledger, *, announce: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        self._job = job
        self._ledger = ledger
        self._announce = announce
        self._lost = lost
        self._period = job.lease_seconds / _RENEWALS
        self._renewal_at = time.monotonic() + self._period

    def run(self) -> None:
        """Until nothing more comes; where there is a lease, until every task has ended."""
        while (batch := self._ledger.take(self._until_renewal())) is not None:
            if batch:
                try:
                    self._job.add([entry.call for entry in batch])
                except (NotFound, SpecInvalid):
                    if not self._job.job_id:
                        raise  # it cannot even be made
                    self._lost()
                    continue
                self._ledger.confirm()
                self._announce("jobs")
            del batch  # it may be long until the next
            self._renew()
        self._job.close()
        while self._period and not self._ledger.wait_until_settled(self._until_renewal()):
            self._renew()

    def _until_renewal(self) -> float | None:
        return max(0.0, self._renewal_at - time.monotonic()) if self._period else None

    def _renew(self) -> None:
        if not self._period or time.monotonic() < self._renewal_at:
            return
        self._renewal_at = time.monotonic() + self._period
        if not self._job.renew() and not self._ledger.closed:
            self._lost()
