"""Rates, medians and shares from what sessions did."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from omegacell.bench.throughput.figures import (
    CommitFigures,
    RawRates,
    Spread,
    Work,
    commit_figures,
    raw_summary,
    rows_per_second,
    shared_window,
    spread,
    summary,
)
from omegacell.bench.throughput.plan import Combination, Feature


def work(*spans: tuple[float, float], slots: int = 10, conflicted: tuple[int, ...] = ()) -> Work:
    """One session with a transaction in each span of seconds; those that conflicted placed nothing."""
    lost = np.isin(np.arange(len(spans)), conflicted)
    placed = np.where(lost, 0, slots)
    return Work(
        started=np.array([start for start, _ in spans]),
        ended=np.array([end for _, end in spans]),
        slots=placed,
        tasks=3 * placed,
        conflicted=lost,
    )


def raw(sessions: int, guarded: float, copied: float) -> RawRates:
    return RawRates(claims=10, sessions=sessions, guarded_per_s=guarded, copy_per_s=copied)


def test_rate_of_one_session_is_over_all_its_time() -> None:
    assert rows_per_second([work((0.0, 1.0), (1.5, 2.0))]) == 10.0


def test_rate_of_several_is_over_the_time_in_which_all_were_at_work() -> None:
    early, late = work((0.0, 2.0), (2.0, 4.0)), work((2.0, 4.0), (4.0, 6.0), (6.0, 8.0))
    assert shared_window([early, late]) == (2.0, 4.0)
    assert rows_per_second([early, late]) == 10.0


def test_transaction_that_lies_half_within_the_shared_time_counts_half() -> None:
    assert rows_per_second([work((0.0, 2.0)), work((1.0, 3.0))]) == pytest.approx(10.0)


def test_sessions_that_never_met_are_taken_over_the_whole_time() -> None:
    assert shared_window([work((0.0, 1.0)), work((3.0, 4.0))]) == (0.0, 4.0)
    assert rows_per_second([work((0.0, 1.0)), work((3.0, 4.0))]) == 5.0


def test_figures_stand_beside_the_best_of_all_raw_sessions() -> None:
    found = commit_figures(
        [work((0.0, 1.0), (1.0, 2.0))], wal_bytes=4_000, raw=[raw(1, 20.0, 90.0), raw(2, 40.0, 80.0)]
    )
    assert (found.placements_per_s, found.tasks_per_s, found.transactions_per_s) == (10.0, 30.0, 1.0)
    assert (found.commit_p50_ms, found.commit_p99_ms) == (1000.0, 1000.0)
    assert found.wal_bytes_per_placement == 200.0
    assert (found.ceiling_per_s, found.share_of_ceiling, found.copy_per_s) == (40.0, 0.25, 90.0)


def test_conflicts_are_counted_for_each_transaction_that_succeeded() -> None:
    found = commit_figures(
        [work((0.0, 1.0), (1.0, 2.0), (2.0, 3.0), conflicted=(0, 1))], wal_bytes=0, raw=[raw(1, 1.0, 1.0)]
    )
    assert found.conflict_fraction == 2.0
    assert found.transactions_per_s == 1.0


def test_repetitions_become_median_least_and_most() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(median=2.0, min=1.0, max=3.0)
    (found,) = raw_summary([raw(2, 1.0, 5.0), raw(2, 3.0, 7.0)])
    assert (found.claims, found.sessions) == (10, 2)
    assert found.guarded_per_s == Spread(median=2.0, min=1.0, max=3.0)
    assert found.copy_per_s == Spread(median=6.0, min=5.0, max=7.0)


def test_a_feature_is_related_to_the_plain_commit_of_the_same_setting() -> None:
    plain = commit_figures([work((0.0, 1.0))], wal_bytes=0, raw=[raw(1, 1.0, 1.0)])
    half = replace(plain, placements_per_s=plain.placements_per_s / 2)
    results = summary(
        {
            Combination(claims=10): [plain],
            Combination(claims=10, feature=Feature.DEVICES): [half],
            Combination(claims=10, schedulers=2, feature=Feature.DEVICES): [half],
        }
    )
    relative = [result.relative_to_none.median for result in results]
    assert relative[:2] == [1.0, 0.5]
    assert math.isnan(relative[2])
    assert set(results[0].figures) == set(CommitFigures.__dataclass_fields__)
