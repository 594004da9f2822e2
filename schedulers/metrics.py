"""Omega's measures, defined once for the simulator, the live benchmark and `omega schedulers`. Pure.

Terms: Schwarzkopf et al., "Omega", EuroSys 2013, section 4 (see also DESIGN.md's glossary). A ratio that is
not defined is nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omegacell.cellstate.model import SchedulerStatus, Verdict
from omegacell.schedulers.attempt import conflicting


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
