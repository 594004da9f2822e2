"""The bound of tests/unit/schedulers/test_progress.py on the real store."""

from __future__ import annotations

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.postgres import PostgresStore
from tests.unit.schedulers.builders import MemoryCell
from tests.unit.schedulers.test_progress import ALONE, K, attempts_until_placed, rivals


def test_every_feasible_claim_among_32_rivals_for_the_same_machines_commits_within_k_plus_1_attempts(
    database: str, clock: ManualClock
) -> None:
    store = PostgresStore(database, clock=clock)
    cell = MemoryCell(*[20_000] * 100, store=store, clock=clock)
    needed, conflicted = attempts_until_placed(cell, rivals(cell, ALONE), 12, cpu=500)
    store.close()
    assert conflicted > 100
    assert len(needed) > 80
    assert max(needed) <= K + 1
