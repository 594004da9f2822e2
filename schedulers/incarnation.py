"""One registration of a live scheduler: the lease that is kept, the store's clock, and what people want of it.

What people want comes with every renewal, on the lease's thread; it is taken up between attempts, on their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from omegacell.cellstate.clock import Clock
from omegacell.cellstate.errors import PolicyError, StoreUnavailable, TokenLost
from omegacell.cellstate.model import Renewal, Wanted
from omegacell.cellstate.store import SchedulerStore
from omegacell.schedulers.lease import KeptLease
from omegacell.schedulers.plugins import policy_name
from omegacell.schedulers.scheduler import PolicyChoice, Scheduler

log = logging.getLogger(__name__)

_TOLD = {
    Wanted.RUN: "serves again",
    Wanted.HOLD: "holds: it claims nothing until it is released",
    Wanted.DRAIN: "is drained, and ends",
}


class Incarnation:
    """A scheduler that is registered, until `end` or `leave`. `own_policy` is the one it uses unless told otherwise.

    `sent_at` is when the registration was sent, by `awake`; `clock` is the host's. The first renewal is sent at once:
    it says whether anything may be claimed at all.
    """

    def __init__(
        self,
        store: SchedulerStore,
        scheduler: Scheduler,
        *,
        own_policy: PolicyChoice,
        sent_at: float,
        clock: Clock,
        awake: Callable[[], float],
    ) -> None:
        self.scheduler = scheduler
        self._store = store
        self._own_policy = own_policy
        self._clock = clock
        self._store_ahead_seconds = 0.0
        self._wanted, self._policy = Wanted.RUN, ""
        self._said = self._renew()
        self._lease = KeptLease(
            self._note,
            sent_at=sent_at,
            lease_seconds=scheduler.config.lease_seconds,
            stall_seconds=scheduler.config.stall_seconds,
            clock=awake,
        )
        self._lease.start()

    def now(self) -> float:
        """The store's time, as far as we know it: "again at" is in its time."""
        return self._clock.now() + self._store_ahead_seconds

    # --- the lease

    def hold(self) -> int:
        """The term of a lease that holds now; see KeptLease.hold."""
        return self._lease.hold()

    def held(self, term: int) -> bool:
        """Whether the lease has held ever since."""
        return self._lease.held(term)

    def end(self) -> None:
        """Be no scheduler any more, without a word to the store."""
        self._lease.stop()

    def leave(self) -> None:
        """Tell the store the last totals, and give the lease and the jobs back."""
        self.end()
        try:
            self._renew()
            self._store.release_scheduler(self.scheduler.lease.holder_id, self.scheduler.lease.token)
        except (StoreUnavailable, TokenLost) as error:
            log.info("scheduler %s leaves its lease to run out: %s", self.scheduler.name, error)

    def _renew(self) -> Renewal:
        scheduler = self.scheduler
        renewal = self._store.renew_scheduler(
            scheduler.lease.holder_id,
            scheduler.lease.token,
            busy_seconds=scheduler.busy_seconds,
            attempts=scheduler.attempts,
        )
        self._store_ahead_seconds = renewal.expires_at - scheduler.lease.lease_seconds - self._clock.now()
        return renewal

    def _note(self) -> None:
        self._said = self._renew()

    # --- what people want

    def ask(self) -> None:
        """Renew at once, to hear what people want now."""
        self._lease.renew()

    @property
    def unheeded(self) -> bool:
        """Whether people want something that `obey` has not seen to."""
        said = self._said
        return (said.wanted, said.policy) != (self._wanted, self._policy)

    def obey(self) -> Wanted:
        """Take up what people want: another policy, no more claims. Between attempts; what is to be done now."""
        said = self._said
        if said.policy != self._policy:
            self._swap(said.policy)
            self._policy = said.policy
        if said.wanted is not self._wanted:
            if said.wanted is not Wanted.RUN:
                self.scheduler.give_back(self.now())
            log.info("scheduler %s %s", self.scheduler.name, _TOLD[said.wanted])
            self._wanted = said.wanted
        return said.wanted

    def _swap(self, policy: str) -> None:
        """Use another policy; one that cannot be had is told of once, and the old one stays."""
        try:
            self.scheduler.use(policy or self._own_policy)
        except PolicyError as error:
            log.error("scheduler %s keeps its policy: %s", self.scheduler.name, error)
        else:
            log.info(
                "scheduler %s now uses policy %s", self.scheduler.name, policy_name(self.scheduler.policy)
            )
