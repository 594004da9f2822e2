"""Who drives a scheduler in virtual time: `begin` when it is idle and jobs wait, `finish` one think time later."""

from __future__ import annotations

from collections.abc import Callable

from omegacell.bench.sim.engine import Engine
from omegacell.bench.sim.virtual_jobs import Desk
from omegacell.schedulers.attempt import Attempt, Finished
from omegacell.schedulers.metrics import Account
from omegacell.schedulers.scheduler import Scheduler


class Driver:
    """Drives one scheduler. Decides nothing: what becomes of an attempt is the store's and the scheduler's business.

    `committed` is called after each attempt that finished.
    """

    def __init__(
        self,
        engine: Engine,
        scheduler: Scheduler,
        committed: Callable[[Finished], None] = lambda finished: None,
    ) -> None:
        self.engine = engine
        self.scheduler = scheduler
        self.account = Account()
        self.busy = False
        self.desk = Desk(self.wake)
        self._committed = committed

    def wake(self) -> None:
        """A job has come."""
        if not self.busy:
            self.begin()

    def begin(self) -> None:
        """Start an attempt, unless there is nothing to attempt."""
        if not self.desk.queue:
            return
        self.busy = True
        engine, scheduler = self.engine, self.scheduler
        attempt = scheduler.begin(engine.now)
        thought = [scheduler.think_seconds(planned.job) for planned in attempt.jobs]
        engine.at(engine.now + sum(thought), self.finish, (attempt, thought))

    def finish(self, begun: tuple[Attempt, list[float]]) -> None:
        """Commit, and start the next attempt if jobs wait."""
        attempt, thought = begun
        finished = self.scheduler.finish(attempt, self.engine.now)
        self.account.add(finished, thought)
        self.busy = False
        self._committed(finished)
        if not self.busy:
            self.begin()
