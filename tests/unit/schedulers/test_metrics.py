"""Omega's measures as the paper defines them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from omegacell.schedulers import metrics
from omegacell.schedulers.batch import BatchScheduler
from tests.unit.schedulers.builders import START, MemoryCell


def test_conflict_fraction_is_failures_per_success() -> None:
    assert metrics.conflict_fraction(3, 1) == 3.0
    assert metrics.conflict_fraction(0, 5) == 0.0
    assert math.isnan(metrics.conflict_fraction(0, 0))
    assert math.isinf(metrics.conflict_fraction(1, 0))


def test_task_conflict_fraction_is_refused_claims_over_all() -> None:
    assert metrics.task_conflict_fraction(1, 4) == 0.25
    assert math.isnan(metrics.task_conflict_fraction(0, 0))


def test_wait_percentile() -> None:
    assert metrics.wait_percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert math.isnan(metrics.wait_percentile([], 50))


def test_metrics_of_a_scheduler_that_worked_half_of_ten_seconds() -> None:
    cell = MemoryCell(9_000)
    cell.submit(4)
    scheduler = cell.scheduler(BatchScheduler)
    finished = cell.run(scheduler)
    scheduler.account(5.0)
    cell.clock.advance(9.0)
    lease = scheduler.lease
    cell.store.renew_scheduler(
        lease.holder_id, lease.token, busy_seconds=scheduler.busy_seconds, attempts=scheduler.attempts
    )
    cell.clock.advance(1.0)
    found = metrics.of_status(cell.store.schedulers()[0], now=START + 10.0)
    assert found.busyness == pytest.approx(0.5)
    assert found.placements == 4
    assert found.placements_per_second == pytest.approx(0.4)
    assert found.conflict_fraction == 0.0
    assert not metrics.transaction_failed(finished.verdict)
    assert np.all(finished.verdict.accepted > 0)
