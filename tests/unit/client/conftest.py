"""A cell in memory, seen through the client, with hands for a worker and a scheduler beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory import MemoryStore
from omegacell.client import log_source
from omegacell.client.cell import Cell
from omegacell.client.waiting import Pauses
from tests.contract.scene import Scene


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of these tests answer at once or never."""
    monkeypatch.setattr(log_source, "ANSWER_SECONDS", 0.02)


@pytest.fixture
def scene(clock: ManualClock) -> Scene:
    """The cell's other side."""
    return Scene(MemoryStore(clock), clock)


@pytest.fixture
def heard() -> list[str]:
    """Topics of the hints that the client sent."""
    return []


@pytest.fixture
def cell(scene: Scene, heard: list[str]) -> Iterator[Cell]:
    """The client's side."""
    with Cell(scene.store, pauses=Pauses(0.01), announce=heard.append) as cell:
        yield cell
