"""Which schedulers a cell is to have: those of its plan at first, then as people ask the store for more or fewer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from omegacell.cellstate.errors import OmegaError
from omegacell.cellstate.model import SchedulerStatus, Wanted
from omegacell.local_cell.plan import MOST_SCHEDULERS

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class FleetStore(Protocol):
    """What is asked of the store."""

    def fleet(self) -> Mapping[str, int]:
        """As ClientStore.fleet."""
        ...

    def set_fleet(self, kind: str, count: int) -> None:
        """As ClientStore.set_fleet."""
        ...

    def schedulers(self) -> tuple[SchedulerStatus, ...]:
        """As ClientStore.schedulers."""
        ...


def names(counts: Mapping[str, int]) -> dict[str, str]:
    """The kind of each scheduler by its name: batch-0, batch-1; for a dotted path its last part."""
    return {
        f"{kind.rpartition(':')[2].lower()}-{number}": kind
        for kind, count in sorted(counts.items())
        for number in range(min(count, MOST_SCHEDULERS))
    }


class Fleet:
    """What is wished for, looked up about once a second; while the store is away it stays as it was."""

    def __init__(
        self, store: FleetStore, planned: Mapping[str, int], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """What is planned is what was asked for last: it takes the place of an earlier cell's wishes."""
        self._store = store
        self._clock = clock
        for kind in {*store.fleet(), *planned}:
            store.set_fleet(kind, planned.get(kind, 0))
        self._kinds = names(planned)
        self._drained: frozenset[str] = frozenset()
        self._seen_at = clock()
        self._look_at = self._seen_at + _LOOK_SECONDS

    def kinds(self) -> Mapping[str, str]:
        """The schedulers that there should be, their kinds by name."""
        if self._clock() >= self._look_at:
            self._look()
        return self._kinds

    def is_over(self, name: str, ended_at: float) -> bool:
        """Whether a scheduler that ended then (by the clock) was drained, so that it is not to be started again.

        Also as long as that cannot be asked: it would be of no use without its store, and its start ends a drain.
        """
        if self._seen_at <= ended_at:
            self._look()
        return name in self._drained or self._seen_at <= ended_at

    def _look(self) -> None:
        now = self._clock()
        self._look_at = now + _LOOK_SECONDS
        try:
            self._kinds = names(self._store.fleet())
            self._drained = frozenset(
                one.name for one in self._store.schedulers() if one.wanted is Wanted.DRAIN
            )
        except OmegaError as error:  # away for a moment, or taken over by another version
            log.info("the wishes for schedulers cannot be read: %s", error)
        else:
            self._seen_at = now
