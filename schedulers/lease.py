"""A scheduler's lease while it lives: a thread renews it, and an attempt learns whether it held throughout.

A policy may think for longer than a lease lasts, so the attempts' own thread cannot renew. And a process may
be frozen, by a signal or with its host: the store then gives its jobs to others, but it wakes up with plans
in its hands. So the end of the lease is counted from the *sending* of the renewal by CLOCK_BOOTTIME, which
goes on while the host sleeps: by the store's clock it cannot be earlier. What was planned before such an end
is dropped, whatever the store would say to it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from omegacell.cellstate.clock import boottime
from omegacell.cellstate.errors import StoreUnavailable, TokenLost

log = logging.getLogger(__name__)

_RENEWALS_PER_LEASE = 3
"""Two renewals may fail before the lease ends."""
_TRIES_PER_RENEWAL = 4
"""While the store is away; it may be back any time, and the lease is short."""


class KeptLease:
    """A lease that a thread renews from `start` to `stop`, as long as the caller is heard of every `stall_seconds`.

    `renew` sends a renewal: StoreUnavailable is tried again, TokenLost ends it and is raised by `hold`. `sent_at` is
    when the lease was asked for.
    """

    def __init__(
        self,
        renew: Callable[[], object],
        *,
        sent_at: float,
        lease_seconds: float,
        stall_seconds: float,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._renew = renew
        self._lease_seconds = lease_seconds
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._term = 1
        self._ends_at = sent_at + lease_seconds
        self._heard_at = sent_at
        self._lost: TokenLost | None = None
        self._renewing = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more; waits a lease at most for a renewal that is on its way."""
        self._stop.set()
        self._thread.join(self._lease_seconds)

    def hold(self) -> int:
        """The term of a lease that holds now, renewed at once if it had ended; TokenLost if it is another's.

        A term lasts as long as no renewal comes too late.
        """
        self._heard_at = self._clock()
        if self._lost is None and self._ended():
            self._send()
        if self._lost is not None:
            raise self._lost
        return self._term

    def renew(self) -> None:
        """Renew now, ahead of time, because the answer is wanted; TokenLost, StoreUnavailable."""
        self._send()
        self.hold()

    def held(self, term: int) -> bool:
        """Whether the lease has held ever since that term was answered, and holds now."""
        return self._lost is None and term == self._term and not self._ended()

    def _ended(self) -> bool:
        return self._clock() >= self._ends_at

    def _send(self) -> None:
        """Renew now; TokenLost is kept for `hold`."""
        with self._renewing:
            sent_at = self._clock()
            try:
                self._renew()
            except TokenLost as lost:
                self._lost = lost
                return
            # First the term: whoever reads in between must not take the new end for that of the old term.
            self._term += sent_at >= self._ends_at or self._clock() >= self._ends_at
            self._ends_at = sent_at + self._lease_seconds

    def _run(self) -> None:
        pause = self._lease_seconds / _RENEWALS_PER_LEASE
        while not self._stop.wait(pause) and self._lost is None:
            pause = self._lease_seconds / _RENEWALS_PER_LEASE
            if self._clock() - self._heard_at > self._stall_seconds:
                continue
            try:
                self._send()
            except StoreUnavailable as away:
                log.info("the lease cannot be renewed, trying again: %s", away)
                pause /= _TRIES_PER_RENEWAL
            except Exception:
                # A thread that ends silently would cost the lease; the attempts meet the same trouble, and tell of it.
                log.exception("the lease cannot be renewed")
