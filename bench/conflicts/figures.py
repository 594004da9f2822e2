"""From what the processes noted, or the simulator counted, to Omega's measures under the simulator's names. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from omegacell.bench.conflicts.plan import Mix
from omegacell.bench.conflicts.submitter import Submitted
from omegacell.bench.conflicts.watch import Float64, Tried, Watched
from omegacell.bench.throughput.figures import Spread, spread
from omegacell.schedulers import metrics
from omegacell.schedulers.metrics import Account

NAN = float("nan")

WITHIN = 1.5
"""The factor within which simulated and live are said to agree,"""
EXCEEDING = 0.05
"""where the live conflict fraction exceeds this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One sort of scheduler of one mix: measures by name, live over the rounds, simulated over their predictions."""

    mix: Mix
    sort: str
    live: Mapping[str, Spread]
    simulated: Mapping[str, Spread]

    @property
    def ratio(self) -> float:
        """Simulated over live conflict fraction, of the medians; nan where live had none."""
        live = self.live["conflict_fraction"].median
        return self.simulated["conflict_fraction"].median / live if live else NAN

    @property
    def agrees(self) -> bool:
        """Whether they are within the factor, or the live one too small to say."""
        return self.live["conflict_fraction"].median <= EXCEEDING or 1 / WITHIN <= self.ratio <= WITHIN


def measures_of(account: Account, *, schedulers: int, seconds: float) -> dict[str, float]:
    """What live and simulated have in common; busyness is the mean over the schedulers."""
    elapsed = schedulers * seconds
    return {
        "conflict_fraction": metrics.conflict_fraction(account.failed, account.succeeded),
        "task_conflict_fraction": metrics.task_conflict_fraction(account.refused, account.claims),
        "busyness": metrics.busyness(account.useful_seconds + account.wasted_seconds, elapsed),
        "busyness_wasted": metrics.busyness(account.wasted_seconds, elapsed),
        "txn_success": account.succeeded,
        "txn_failed": account.failed,
        "no_resources_attempts": account.no_room,
        "transactions_per_s": (account.succeeded + account.failed) / seconds,
        "placements_per_s": account.placements / seconds,
    }


def live_measures(
    sort: Sequence[Watched],
    everyone: Sequence[Watched],
    submitted: Submitted,
    *,
    account: Account,
    seconds: float,
    busy_share: float,
) -> dict[str, float]:
    """The measures of one sort, and what only the live cell has: latencies, staleness, waits (seconds unless named ms).

    age_*: from catching up with the cell to the commit's answer; rivals_mean: how many transactions of others placed
    something meanwhile.
    """
    counted = [one.done <= one.until for one in sort]

    def column(values: Sequence[Float64]) -> Float64:
        return np.concatenate([some[chosen] for some, chosen in zip(values, counted, strict=True)])

    commits = column([one.ended - one.started for one in sort])
    commits = commits[commits > 0.0]
    return {
        **measures_of(account, schedulers=len(sort), seconds=seconds),
        **_milliseconds("commit", commits),
        **_milliseconds("sync", column([one.sync_seconds for one in sort])),
        **_milliseconds("age", column([one.window for one in sort])),
        "beyond_thinking_mean_ms": 1e3 * _mean(column([one.window - one.thought for one in sort])),
        "rivals_mean": _mean(column([rivals(one, everyone) for one in sort])),
        **waits([tried for one in sort for tried in one.tried], submitted, until=sort[0].until),
        "submitted_late_p99_ms": 1e3 * _percentile(submitted.ended - submitted.origin - submitted.due, 99),
        "host_busy_share": busy_share,
    }


def rivals(one: Watched, everyone: Sequence[Watched]) -> Float64:
    """float64[N]: how many transactions of others that placed something ended while each attempt's snapshot aged."""
    others = [other.ended[other.slots > 0] for other in everyone if other is not one]
    ends = np.sort(np.concatenate(others)) if others else np.zeros(0)
    first = np.searchsorted(ends, one.synced - one.sync_seconds)
    return (np.searchsorted(ends, one.ended) - first).astype(np.float64)


def waits(tried: Sequence[Tried], submitted: Submitted, *, until: float) -> dict[str, float]:
    """Seconds in the queue before the first attempt, and before all of them, of the jobs that had one."""
    there = dict(zip(submitted.job_id.tolist(), submitted.ended.tolist(), strict=True))
    first: dict[int, float] = {}
    full: dict[int, float] = {}
    for one in sorted(tried, key=lambda one: one.begun_at):
        if one.ended_at > until:
            continue
        waited = max(0.0, one.begun_at - there[one.job_id])
        first.setdefault(one.job_id, waited)
        full[one.job_id] = full.get(one.job_id, 0.0) + waited
        there[one.job_id] = max(one.again_at, one.ended_at)
    found = {}
    for name, values in (("wait_first", first), ("wait_full", full)):
        seconds = np.sort(np.array(list(values.values())))
        found[f"{name}_mean"] = _mean(seconds)
        found[f"{name}_p90"] = float(seconds[int((len(seconds) - 1) * 0.9)]) if len(seconds) else NAN
    return found


def spreads(rounds: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Each measure over the rounds."""
    return {name: spread([one[name] for one in rounds]) for name in rounds[0]}


def _milliseconds(name: str, seconds: Float64) -> dict[str, float]:
    return {
        f"{name}_{what}_ms": 1e3 * _percentile(seconds, percent)
        for what, percent in (("p50", 50), ("p99", 99))
    }


def _percentile(values: Float64, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else NAN


def _mean(values: Float64) -> float:
    return float(values.mean()) if len(values) else NAN
