"""MemoryStore and PostgresStore stay equal through random histories.

50 in `make test`, always the same ones, so that a red run is red again. 1,000 new and longer ones by
`pytest -m soak tests/stateful`, which begins with the command that replays them. What fails is printed as the
fewest steps found that lead to it. At the end one sees what happened how often.
"""

from __future__ import annotations

import math
import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.postgres import PostgresStore
from tests.reset import empty
from tests.stateful.happenings import EXPECTED
from tests.stateful.steps import Step, history, shortened
from tests.stateful.strategies import LEASE_SECONDS
from tests.stateful.twins import TwinStores

LENGTH = 34
ATTEMPTS_TO_SHORTEN = 200


class Histories:
    """One PostgreSQL store for all histories; each starts empty, with its clock at the same time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        # Nothing is reaped before the server has been up for a lease.
        self._start = math.ceil(time.time()) + LEASE_SECONDS
        self._clock = ManualClock(self._start)
        self._store = PostgresStore(dsn, clock=self)
        self.happened: Counter[str] = Counter()

    def now(self) -> float:
        """The time in the current history."""
        return self._clock.now()

    def play(self, steps: list[Step], happened: Counter[str]) -> None:
        """One history over two empty stores."""
        empty(self._dsn)
        self._clock = ManualClock(self._start)
        TwinStores(MemoryStore(self._clock), self._store, self._clock, happened).play(steps)

    def hold(self, seed: int, length: int) -> None:
        """The history of this seed shows no difference; or the fewest steps that do, and the difference."""
        steps = history(seed, length)
        try:
            self.play(steps, self.happened)
        except Exception:
            steps = shortened(steps, self.fails, tries=ATTEMPTS_TO_SHORTEN)
            told = "\n".join(map(str, steps))
            pytest.fail(f"history {seed} of {length} steps fails by these:\n{told}\n{self.failure(steps)}")

    def fails(self, steps: list[Step]) -> bool:
        """Whether these steps show a difference, or an error of their own."""
        return self.failure(steps) is not None

    def failure(self, steps: list[Step]) -> Exception | None:
        """What goes wrong in these steps."""
        try:
            self.play(steps, Counter())
        except Exception as error:
            return error
        return None

    def told(self) -> str:
        """What happened how often in all histories so far."""
        return "\n".join(f"{count:7} {what}" for what, count in sorted(self.happened.items()))

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
    for seed in range(50):
        histories.hold(seed, LENGTH)
    missed = {what for what in EXPECTED if not histories.happened[what]}
    assert not missed, f"no history saw {sorted(missed)}, of all that happened:\n{histories.told()}"


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_both_stores_behave_alike_for_long(histories: Histories, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = int(os.environ.get("OMEGA_SOAK_SEED", "") or secrets.randbits(32))
    with capsys.disabled():
        print(f"\nreplay: OMEGA_SOAK_SEED={chosen} python -m pytest -m soak tests/stateful")
    for number in range(1000):
        histories.hold(chosen + number, 2 * LENGTH)
    with capsys.disabled():
        print(histories.told())
