"""MemoryStore and PostgresStore stay equal through random histories.

50 in `make test`, always the same ones, so that a red run is red again. 1,000 new and longer ones by
`pytest -m soak tests/stateful`, which begins with the command that replays them. What fails is printed as
the calls that lead to it.
"""

from __future__ import annotations

import math
import os
import secrets
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.postgres import PostgresStore
from tests.reset import empty
from tests.stateful.strategies import LEASE_SECONDS
from tests.stateful.twins import TwinStores

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


@pytest.mark.timeout(300)
def test_both_stores_behave_alike(histories: Histories) -> None:
    run_state_machine_as_test(
        histories.begin,  # type: ignore[arg-type]  # a function will do: hypothesis says so
        settings=settings(
            max_examples=50,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            database=None,
            phases=(Phase.generate,),  # shrinking takes minutes; the history itself is short enough to read
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_both_stores_behave_alike_for_long(histories: Histories, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = int(os.environ.get("OMEGA_SOAK_SEED", "") or secrets.randbits(32))
    with capsys.disabled():
        print(f"\nreplay: OMEGA_SOAK_SEED={chosen} python -m pytest -m soak tests/stateful")

    @seed(chosen)
    def begin() -> TwinStores:
        return histories.begin()

    run_state_machine_as_test(
        begin,  # type: ignore[arg-type]  # as above
        settings=settings(
            max_examples=1000,
            stateful_step_count=2 * STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
