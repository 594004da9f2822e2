"""The live driver: runs one scheduler against a store until told to stop.

It acts and decides nothing about jobs: `finish(begin())` under a lease that holds (lease.py) while people want it to
(incarnation.py), reaping now and then, and waiting where there is nothing to do. A store that is away is waited for; a
policy's error never gets here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from omegacell.cellstate.clock import Clock, SystemClock, boottime
from omegacell.cellstate.errors import OmegaError, StoreUnavailable, TokenLost
from omegacell.cellstate.model import Wanted
from omegacell.cellstate.store import Store
from omegacell.schedulers.attempt import Finished
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.incarnation import Incarnation
from omegacell.schedulers.retry import GiveUp, RetryAt
from omegacell.schedulers.scheduler import PolicyChoice, Scheduler
from omegacell.schedulers.wakeup import NoNews, Wakeup

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
"""Between tries while the store is away; doubled each time."""
_LONGEST_DEAF_SECONDS = 0.5
"""A wait is cut into pieces of this length, so that a stop, and the loss of the lease, are noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStatus:
    """What a loop is doing: state is starting, serving, holding, waiting_for_store or stopped."""

    name: str
    kind: str
    state: str
    scheduler_id: int
    attempts: int
    busy_seconds: float


class Loop:
    """One scheduler of `kind`, live. `run` blocks; `stop` and `status` may be called from other threads.

    `wakeup` tells of queued jobs and, as "control", that people want something else (default: polling); `announce` is
    called with "placements" after a commit that placed something, with "done" when a job was given up, with "jobs"
    after reaping gave work back. `awake` counts the seconds of the lease, also while the host sleeps.
    """

    def __init__(
        self,
        store: Store,
        kind: type[Scheduler],
        *,
        name: str,
        rng: np.random.Generator,
        policy: PolicyChoice = "",
        config: SchedulerConfig | None = None,
        clock: Clock | None = None,
        wakeup: Wakeup | None = None,
        announce: Callable[[str], None] = lambda topic: None,
        awake: Callable[[], float] = boottime,
    ) -> None:
        self._store = store
        self._kind = kind
        self._name = name
        self._rng = rng
        self._policy = policy
        self._config = config or kind.default_config
        self._clock = clock or SystemClock()
        self._announce = announce
        self._stopped = threading.Event()
        self._ready = threading.Event()
        self._wakeup: Wakeup = wakeup or NoNews(self._stopped)
        self._awake = awake
        self._serving: Incarnation | None = None
        self._state = "starting"
        self._pause_seconds = 0.0
        self._next_reaping = 0.0
        self._next_retry = float("inf")
        self._overdue = False

    def stop(self) -> None:
        """Ask `run` to end after the attempt in progress; its lease is given back."""
        self._stopped.set()

    def wait_ready(self, timeout_seconds: float | None = None) -> bool:
        """Wait until registered; False if that took longer."""
        return self._ready.wait(timeout_seconds)

    def status(self) -> LoopStatus:
        """A glance from outside."""
        scheduler = self._serving.scheduler if self._serving else None
        return LoopStatus(
            name=self._name,
            kind=self._kind.kind,
            state=self._state,
            scheduler_id=scheduler.lease.holder_id if scheduler else 0,
            attempts=scheduler.attempts if scheduler else 0,
            busy_seconds=scheduler.busy_seconds if scheduler else 0.0,
        )

    def run(self) -> None:
        """Serve until stopped or drained, or until another incarnation has taken this scheduler's name.

        What the user got wrong (an unknown policy, another schema version) raises; all else is lived through.
        """
        try:
            while not self._stopped.is_set():
                self._step()
        finally:
            self._leave()
            self._state = "stopped"

    def _step(self) -> None:
        try:
            serving = self._serving or self._register()
            self._keep_up(serving)
            self._do(self._wanted(serving), serving)
        except TokenLost as lost:
            token = self._forget()
            if self._replaced(token):
                log.warning("scheduler %s stops: %s", self._name, lost)
                self._stopped.set()
            else:
                log.warning("scheduler %s registers again: %s", self._name, lost)
        except StoreUnavailable as away:
            self._missed_store(away)
        except OmegaError:
            raise
        except Exception:
            # Nothing known gets here. Whatever it is, a scheduler that starts afresh serves better than none.
            log.exception("scheduler %s: an attempt failed; starting afresh", self._name)
            self._forget()
            self._pause()

    # --- what people want

    def _wanted(self, serving: Incarnation) -> Wanted:
        """What to do now; asked for at once where a hint says that it has changed."""
        self._wakeup.wait(0.0)  # whoever is never idle would not hear of it for a third of the lease
        if self._wakeup.heard("control"):
            serving.ask()
        return serving.obey()

    def _do(self, wanted: Wanted, serving: Incarnation) -> None:
        match wanted:
            case Wanted.RUN:
                if self._state == "holding":
                    self._state = "serving"
                self._attempt(serving)
                self._found_store("serving")
            case Wanted.HOLD:
                self._found_store("holding")
                self._wait(serving, self._config.poll_seconds)
            case Wanted.DRAIN:
                self._stopped.set()
            case _ as never:
                assert_never(never)

    # --- the lease

    def _register(self) -> Incarnation:
        sent_at = self._awake()
        lease = self._store.register_scheduler(
            self._name, self._kind.kind, lease_seconds=self._config.lease_seconds
        )
        scheduler = self._kind(
            self._store,
            name=self._name,
            lease=lease,
            rng=self._rng,
            policy=self._policy,
            config=self._config,
        )
        self._serving = Incarnation(
            self._store,
            scheduler,
            own_policy=self._policy,
            sent_at=sent_at,
            clock=self._clock,
            awake=self._awake,
        )
        self._next_reaping = time.monotonic()
        self._state = "serving"
        log.info("scheduler %s (%s) is registered with token %d", self._name, self._kind.kind, lease.token)
        self._ready.set()
        return self._serving

    def _keep_up(self, serving: Incarnation) -> None:
        """See that the lease holds, and take from the dead what they hold, if it is time."""
        serving.hold()
        now = time.monotonic()
        if now >= self._next_reaping:
            reaped = self._store.reap()
            self._next_reaping = now if reaped else now + self._config.lease_seconds / 2  # there may be more
            if reaped:
                log.info("scheduler %s reaped %d machines", self._name, reaped)
                self._announce("jobs")

    def _forget(self) -> int:
        """Be no scheduler any more, without a word to the store; the token that was ours."""
        serving, self._serving = self._serving, None
        if serving is None:
            return 0
        serving.end()
        return serving.scheduler.lease.token

    def _replaced(self, token: int) -> bool:
        """Whether a later incarnation lives under our name; if not, the lease merely ended while we were away."""
        try:
            return any(
                status.name == self._name and status.alive and status.token > token
                for status in self._store.schedulers()
            )
        except StoreUnavailable:
            return False

    def _leave(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.leave()

    # --- attempts

    def _attempt(self, serving: Incarnation) -> None:
        scheduler, started = serving.scheduler, time.monotonic()
        term = serving.hold()
        attempt = scheduler.begin(serving.now())
        if attempt.idle:
            self._idle(serving)
            return
        self._think(serving, sum(scheduler.think_seconds(planned.job) for planned in attempt.jobs))
        if not serving.held(term):
            # Frozen, or too long without the store. Its jobs are still ours, or will be another's; both plan anew.
            log.warning("scheduler %s drops a plan that is older than its lease", self._name)
            return
        finished = scheduler.finish(attempt, serving.now())
        scheduler.account(time.monotonic() - started)
        if finished.placed:
            self._announce("placements")
        if any(isinstance(step, GiveUp) for step in finished.next):
            self._announce("done")
        self._note(finished, serving.now())

    def _note(self, finished: Finished, now: float) -> None:
        """Remember when the first job put back is due, so as not to sleep past it; what is due already hides none."""
        times = [self._next_retry, *(step.at for step in finished.next if isinstance(step, RetryAt))]
        self._overdue |= min(times) <= now
        self._next_retry = min((at for at in times if at > now), default=float("inf"))
        log.debug(
            "scheduler %s: %d jobs, %d tasks placed, %d claims in conflict",
            self._name,
            len(finished.next),
            finished.placed,
            finished.conflicts,
        )

    def _think(self, serving: Incarnation, seconds: float) -> None:
        """Sleep the think time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopped.is_set():
            self._stopped.wait(min(left, _LONGEST_DEAF_SECONDS))
            self._keep_up(serving)

    def _idle(self, serving: Incarnation) -> None:
        """Wait for news, the next retry, or a poll interval."""
        left = self._next_retry - serving.now()
        if left <= 0:
            self._next_retry = float("inf")  # it was due, and was not to be had; woken early, it still counts
        if self._overdue:
            self._overdue, left = False, 0.0
        self._wait(serving, min(self._config.poll_seconds, max(left, 0.0)))

    def _wait(self, serving: Incarnation, seconds: float) -> None:
        """Wait for news, or so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopped.is_set() and not serving.unheeded:
            if self._wakeup.wait(min(left, _LONGEST_DEAF_SECONDS)):
                break
            self._keep_up(serving)

    # --- a store that is away

    def _missed_store(self, away: StoreUnavailable) -> None:
        if self._state != "waiting_for_store":
            log.warning("scheduler %s waits for the store: %s", self._name, away)
            self._state = "waiting_for_store"
        self._pause()

    def _found_store(self, state: str) -> None:
        if self._state == "waiting_for_store":
            log.info("scheduler %s has the store back", self._name)
        self._state = state
        self._pause_seconds = 0.0

    def _pause(self) -> None:
        self._pause_seconds = min(max(2 * self._pause_seconds, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        self._stopped.wait(self._pause_seconds)
