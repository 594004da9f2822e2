"""Fixtures: a real runner, and a real agent on a cell in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.workers.cell import SmallCell
from tests.unit.workers.tasks import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A runner with a short grace."""
    made = Bench(tmp_path / "logs", grace_seconds=0.3, log_tail_bytes=1000, result_limit_bytes=100_000)
    try:
        yield made
    finally:
        made.runner.close()


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[SmallCell]:
    """An in-memory cell without agents yet; those it gets are stopped afterwards."""
    made = SmallCell(tmp_path / "logs")
    try:
        yield made
    finally:
        made.close()
