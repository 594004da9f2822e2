"""How long the agent may let tasks run: the deadline's arithmetic, and the thread that renews it.

The store gives a machine's work away when the lease ends by its clock, which cannot be before
lease_seconds after the renewal was *sent*. The agent counts from there, by CLOCK_BOOTTIME, which goes on
while the host sleeps, and stops everything a margin earlier.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from omegacell.cellstate.clock import boottime
from omegacell.cellstate.errors import StoreUnavailable, TokenLost

log = logging.getLogger(__name__)

MARGIN_FRACTION = 0.15
"""Of the lease: 1.5 s of 10, for the guard to wake, kill every group and see them gone on a busy host."""

RENEWALS_PER_LEASE = 4
"""Three renewals may fail in a row before the margin is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerm:
    """A lease as its holder must see it; times are CLOCK_BOOTTIME."""

    sent_at: float
    lease_seconds: float

    @property
    def deadline(self) -> float:
        """When nothing may run any more."""
        return self.sent_at + self.lease_seconds * (1 - MARGIN_FRACTION)

    @property
    def next_renewal(self) -> float:
        """When to ask for more."""
        return self.sent_at + self.lease_seconds / RENEWALS_PER_LEASE

    def ended(self, now: float) -> bool:
        """Whether the deadline has passed."""
        return now >= self.deadline

    def renewed(self, *, sent_at: float, answered_at: float) -> LeaseTerm | None:
        """The term after a renewal that succeeded; None if it came too late and the tasks are killed."""
        if self.ended(answered_at):
            return None
        return LeaseTerm(sent_at=sent_at, lease_seconds=self.lease_seconds)

    def retry_at(self, now: float) -> float:
        """When to try again after a renewal failed."""
        return min(now + self.lease_seconds / (RENEWALS_PER_LEASE * 4), self.deadline)


class LeaseKeeper:
    """A thread that does nothing but renew. It tells of each new deadline, and once of the loss.

    `renew` raises TokenLost or StoreUnavailable; `renewed` gets each deadline; `lost` gets the reason. A
    renewal that hangs keeps the thread: the guard enforces the deadline all the same.
    """

    def __init__(
        self,
        term: LeaseTerm,
        *,
        renew: Callable[[], object],
        renewed: Callable[[float], None],
        lost: Callable[[str], None],
    ) -> None:
        self._term = term
        self._renew = renew
        self._renewed = renewed
        self._lost = lost
        self._changing = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._renewed(self._term.deadline)
        self._thread.start()

    def stop(self) -> None:
        """Renew no more; the lease runs on until it ends or is released."""
        self._stop.set()

    def ended(self, now: float) -> bool:
        """Whether the deadline has passed at `now`: once it has, the lease will be lost, and no renewal saves it."""
        with self._changing:
            return self._term.ended(now)

    def _run(self) -> None:
        wake_at = self._term.next_renewal
        failing = False
        while not self._stop.wait(max(0.0, wake_at - boottime())):
            sent_at = boottime()
            if self._term.ended(sent_at):
                self._lost("the lease ended before it could be renewed")
                return
            try:
                self._renew()
            except TokenLost as error:
                self._lost(str(error))
                return
            except StoreUnavailable as error:
                if not failing:
                    log.warning("the lease cannot be renewed, trying again until it ends: %s", error)
                failing = True
                wake_at = self._term.retry_at(boottime())
                continue
            except Exception as error:
                # Whatever it is: a keeper that ends silently leaves an agent that never registers again.
                log.exception("the lease cannot be renewed")
                self._lost(str(error))
                return
            term = self._term.renewed(sent_at=sent_at, answered_at=boottime())
            if term is None:
                self._lost("the lease ended while its renewal was on the way")
                return
            if failing:
                log.info("the lease is renewed again")
            failing = False
            if not self._take_over(term):
                self._lost("the lease ended while its renewal was passed on")
                return
            wake_at = term.next_renewal

    def _take_over(self, term: LeaseTerm) -> bool:
        """Pass the new deadline on; False if the old one came first, so that what ran was killed at it.

        The clock is read only when everybody has been told: this process may be frozen in between.
        """
        self._renewed(term.deadline)
        with self._changing:
            if self._term.ended(boottime()):
                return False
            self._term = term
            return True
