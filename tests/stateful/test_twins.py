"""MemoryStore and PostgresStore stay equal through random histories.

50 in `make test`, always the same ones, so that a red run is red again. 1,000 new ones by
`pytest -m soak tests/stateful`; a failing one is printed as the steps that lead to it, with the
@reproduce_failure line that replays it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.postgres import PostgresStore
from tests.stateful.reset import empty
from tests.stateful.twins import LEASE_SECONDS, TwinStores

STEPS = 30


class Histories:
    """One PostgreSQL store for all histories; each starts empty, with its clock at the same time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        # Nothing is reaped before the server has been up for a lease.
        self._start = math.ceil(time.time()) + LEASE_SECONDS
        self._clock = ManualClock(self._start)
        self._store = PostgresStore(dsn, clock=self)

    def now(self) -> float:
        """The time in the current history."""
        return self._clock.now()

    def begin(self) -> TwinStores:
        """Two empty stores."""
        empty(self._dsn)
        self._clock = ManualClock(self._start)
        return TwinStores(MemoryStore(self._clock), self._store, self._clock)

    def close(self) -> None:
        """Give the connections back."""
        self._store.close()


@pytest.fixture
def histories(database: str) -> Iterator[Histories]:
    """Histories over a database of this test's own."""
    histories = Histories(database)
    yield histories
    histories.close()


def test_both_stores_behave_alike(histories: Histories) -> None:
    run_state_machine_as_test(
        histories.begin,
        settings=settings(
            max_examples=50,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_both_stores_behave_alike_for_long(histories: Histories) -> None:
    run_state_machine_as_test(
        histories.begin,
        settings=settings(
            max_examples=1000,
            stateful_step_count=2 * STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
