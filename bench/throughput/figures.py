"""From what the sessions of a measurement did to rates, percentiles, medians and shares. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from omegacell.bench.throughput.plan import Combination
from omegacell.cellstate.model import Bool, Int64
from omegacell.schedulers import metrics

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What one session did: N transactions, one after another.

    started, ended: float64[N], seconds of the host's monotonic clock, which all its processes share; slots,
    tasks: int64[N], what was placed; conflicted: bool[N], whether a rival refused something.
    """

    started: Float64
    ended: Float64
    slots: Int64
    tasks: Int64
    conflicted: Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFigures:
    """What one measurement reached; rates per second, times in milliseconds.

    Rates are those of the time in which all sessions were at work. Transactions are all that were
    answered, refused ones too, and so are the times. The rest is over the whole measured part.
    """

    placements_per_s: float
    tasks_per_s: float
    transactions_per_s: float
    commit_p50_ms: float
    commit_p99_ms: float
    conflict_fraction: float
    wal_bytes_per_placement: float
    ceiling_per_s: float
    share_of_ceiling: float
    copy_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRates:
    """Rows per second of so many raw sessions that write `claims` rows a transaction."""

    claims: int
    sessions: int
    guarded_per_s: float
    copy_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One figure over the repetitions of a measurement."""

    median: float
    min: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResult:
    """RawRates over all repetitions."""

    claims: int
    sessions: int
    guarded_per_s: Spread
    copy_per_s: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitResult:
    """One combination over all repetitions: every field of CommitFigures by name.

    relative_to_none: its rate over that of the plain commit with the same claims, schedulers, detection and
    mode, in the same repetition; nan where that was not measured.
    """

    combination: Combination
    figures: Mapping[str, Spread]
    relative_to_none: Spread


def shared_window(works: Sequence[Work]) -> tuple[float, float]:
    """From when the last session began until the first was done; the whole time if they never met."""
    first = max(float(work.started[0]) for work in works)
    last = min(float(work.ended[-1]) for work in works)
    if first < last:
        return first, last
    return min(float(work.started[0]) for work in works), max(float(work.ended[-1]) for work in works)


def per_second(works: Sequence[Work], amounts: Sequence[Int64]) -> float:
    """The sessions' amounts, int64[N] each, per second of their shared window.

    A transaction that only in part lies within counts by that part: with few long transactions, counting
    whole ones would err by as much as they are.
    """
    first, last = shared_window(works)
    done = 0.0
    for work, amount in zip(works, amounts, strict=True):
        inside = np.minimum(work.ended, last) - np.maximum(work.started, first)
        done += float((amount * np.maximum(inside, 0.0) / (work.ended - work.started)).sum())
    return done / (last - first)


def rows_per_second(works: Sequence[Work]) -> float:
    """Placements per second."""
    return per_second(works, [work.slots for work in works])


def commit_figures(works: Sequence[Work], *, wal_bytes: int, raw: Sequence[RawRates]) -> CommitFigures:
    """The figures of a measurement, beside the best that any number of raw sessions reached."""
    milliseconds = np.concatenate([work.ended - work.started for work in works]) * 1e3
    slots = np.concatenate([work.slots for work in works])
    conflicted = np.concatenate([work.conflicted for work in works])
    rate = rows_per_second(works)
    ceiling = max(one.guarded_per_s for one in raw)
    return CommitFigures(
        placements_per_s=rate,
        tasks_per_s=per_second(works, [work.tasks for work in works]),
        transactions_per_s=per_second(works, [np.ones_like(work.slots) for work in works]),
        commit_p50_ms=float(np.median(milliseconds)),
        commit_p99_ms=float(np.percentile(milliseconds, 99)),
        conflict_fraction=metrics.conflict_fraction(
            int(conflicted.sum()), int((~conflicted & (slots > 0)).sum())
        ),
        wal_bytes_per_placement=wal_bytes / int(slots.sum()),
        ceiling_per_s=ceiling,
        share_of_ceiling=rate / ceiling,
        copy_per_s=max(one.copy_per_s for one in raw),
    )


def spread(values: Sequence[float]) -> Spread:
    """Median, least and most."""
    return Spread(median=float(np.median(values)), min=min(values), max=max(values))


def summary(runs: Mapping[Combination, Sequence[CommitFigures]]) -> tuple[CommitResult, ...]:
    """Each combination's runs as one result, in the order given."""
    results = []
    for combination, found in runs.items():
        figures = {
            field.name: spread([getattr(run, field.name) for run in found]) for field in fields(CommitFigures)
        }
        relative = [
            run.placements_per_s / plain.placements_per_s
            for run, plain in zip(found, runs.get(combination.plain, ()), strict=False)
        ]
        results.append(
            CommitResult(
                combination=combination,
                figures=figures,
                relative_to_none=spread(relative or [float("nan")]),
            )
        )
    return tuple(results)


def raw_summary(runs: Sequence[RawRates]) -> tuple[RawResult, ...]:
    """The same for the raw sessions, in the order in which each first ran."""
    found: dict[tuple[int, int], list[RawRates]] = {}
    for run in runs:
        found.setdefault((run.claims, run.sessions), []).append(run)
    return tuple(
        RawResult(
            claims=claims,
            sessions=sessions,
            guarded_per_s=spread([run.guarded_per_s for run in same]),
            copy_per_s=spread([run.copy_per_s for run in same]),
        )
        for (claims, sessions), same in found.items()
    )
