"""The processes that hold leases, and what people want of them: schedulers, workers, the fleet of a local cell."""

from __future__ import annotations

from collections.abc import Mapping

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.memory import schedulers, workers
from omegacell.cellstate.memory.calls import Calls
from omegacell.cellstate.model import SchedulerStatus, Wanted, WorkerStatus


class ProcessCalls(Calls):
    """Who lives, and what he is to do; their contract is store.ClientStore's."""

    def schedulers(self) -> tuple[SchedulerStatus, ...]:
        with self._lock:
            return schedulers.statuses(self._cell, now=self._clock.now())

    def workers(self) -> tuple[WorkerStatus, ...]:
        with self._lock:
            return workers.statuses(self._cell, now=self._clock.now())

    def control_scheduler(
        self, name: str, *, wanted: Wanted | None = None, policy: str | None = None
    ) -> SchedulerStatus:
        with self._lock:
            scheduler_id = self._cell.scheduler_of_name.get(name)
            if scheduler_id is None:
                raise NotFound(
                    f"scheduler {name} does not exist in this cell; omega schedulers lists those that do"
                )
            scheduler = self._cell.schedulers[scheduler_id]
            scheduler.wanted = scheduler.wanted if wanted is None else wanted
            scheduler.policy = scheduler.policy if policy is None else policy
            return schedulers.status(scheduler, now=self._clock.now())

    def fleet(self) -> Mapping[str, int]:
        with self._lock:
            return dict(sorted(self._cell.fleet.items()))

    def set_fleet(self, kind: str, count: int) -> None:
        with self._lock:
            self._cell.fleet[kind] = count
