"""Omega's measures, defined once for the simulator, the live benchmark and `omega schedulers`. Pure.

Terms: Schwarzkopf et al., "Omega", EuroSys 2013, section 4 (see also DESIGN.md's glossary). A ratio that is
not defined is nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omegacell.cellstate.model import CommitMode, SchedulerStatus, Verdict
from omegacell.schedulers.attempt import Finished, conflicting


def busyness(busy_seconds: float, elapsed_seconds: float) -> float:
    """Share of the time spent thinking, useful or wasted: 1 is saturated."""
    return busy_seconds / elapsed_seconds if elapsed_seconds > 0 else float("nan")


def conflict_fraction(failed: int, succeeded: int) -> float:
    """Failed transactions per successful one: 0 without contention, 3 means four attempts for each success.

    Zero over zero is nan; failures without any success are infinitely many.
    """
    if succeeded:
        return failed / succeeded
    return float("inf") if failed else float("nan")


def task_conflict_fraction(refused: int, claims: int) -> float:
    """Refused claims over all claims."""
    return refused / claims if claims else float("nan")


def transaction_failed(verdict: Verdict) -> bool:
    """Whether at least one claim conflicted, also when the others were kept."""
    return bool(conflicting(verdict.reason).any())


def wait_percentile(waits_seconds: Sequence[float], percent: float) -> float:
    """A percentile of job wait times (submission to the start of the first attempt), in seconds."""
    return (
        float(np.percentile(np.asarray(waits_seconds, dtype=np.float64), percent))
        if waits_seconds
        else float("nan")
    )


class Account:
    """What the attempts of one scheduler came to: counted as they finish, live and in virtual time.

    An attempt at a job is a (job, transaction) pair. `succeeded`: its claims met no conflict; `failed`: at least one
    did, also when others were kept; `no_room`: it made no claims. `claims` and `refused` count slots: under
    all_or_nothing the claims up to the first that conflicts, all of them refused, as those behind it are not tried by
    Omega's reference simulator; under gang every slot of a refused gang. The seconds are think time: useful where
    the claims met no conflict, wasted where one did; what was spent on finding no room is in neither.
    """

    __slots__ = (
        "attempts",
        "claims",
        "failed",
        "no_room",
        "no_room_seconds",
        "placements",
        "refused",
        "succeeded",
        "useful_seconds",
        "wasted_seconds",
    )

    def __init__(self) -> None:
        self.attempts = self.succeeded = self.failed = self.no_room = 0
        self.claims = self.refused = self.placements = 0
        self.useful_seconds = self.wasted_seconds = self.no_room_seconds = 0.0

    def add(self, finished: Finished, thought_seconds: Sequence[float]) -> None:
        """Count an attempt; thought_seconds: the think time of each of its jobs."""
        attempt = finished.attempt
        for position, (planned, tallied) in enumerate(zip(attempt.jobs, finished.tallies, strict=True)):
            seconds = thought_seconds[position]
            self.attempts += 1
            self.placements += tallied.accepted
            if not len(planned.claims):
                self.no_room += 1
                self.no_room_seconds += seconds
            elif tallied.conflicts:
                self.failed += 1
                self.wasted_seconds += seconds
                self._count_lost(finished, position)
            else:
                self.succeeded += 1
                self.useful_seconds += seconds
                self.claims += tallied.accepted

    def _count_lost(self, finished: Finished, position: int) -> None:
        """The claims of a job of which one conflicted."""
        first, last = finished.attempt.bounds[position : position + 2]
        slots = finished.attempt.transaction.slots[first:last]
        accepted = finished.verdict.accepted[first:last]
        if finished.attempt.jobs[position].job.commit is CommitMode.ALL_OR_NOTHING:
            at = int(np.argmax(conflicting(finished.verdict.reason[first:last])))
            tried = int(slots[:at].sum()) + 1
            self.claims += tried
            self.refused += tried
        else:
            self.claims += int(slots.sum())
            self.refused += int((slots - accepted).sum())

    def __iadd__(self, other: Account) -> Account:
        """Add another scheduler's."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerMetrics:
    """One scheduler since it registered; `placements_per_second` is over its whole life."""

    name: str
    transactions: int
    placements: int
    placements_per_second: float
    conflict_fraction: float
    task_conflict_fraction: float
    busyness: float
    wait_p50_seconds: float
    wait_p99_seconds: float


def of_status(status: SchedulerStatus, *, now: float) -> SchedulerMetrics:
    """What the store counted, as Omega's measures, up to `now` or to the lease's end if that has passed."""
    elapsed = (now if status.alive else min(now, status.expires_at)) - status.registered_at
    return SchedulerMetrics(
        name=status.name,
        transactions=status.transactions_succeeded + status.transactions_failed,
        placements=status.placements,
        placements_per_second=status.placements / elapsed if elapsed > 0 else float("nan"),
        conflict_fraction=conflict_fraction(status.transactions_failed, status.transactions_succeeded),
        task_conflict_fraction=task_conflict_fraction(status.claims_refused, status.claims),
        busyness=busyness(status.busy_seconds, elapsed),
        wait_p50_seconds=status.wait_p50_seconds,
        wait_p99_seconds=status.wait_p99_seconds,
    )
