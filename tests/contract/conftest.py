"""The store under test, once per kind, and a scene around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.model import CommitMode, Detection
from omegacell.cellstate.postgres import PostgresStore
from omegacell.cellstate.store import Store
from tests.contract.scene import Scene, SchedulerHand, WorkerHand
from tests.reset import empty


class TheTestsClock:
    """The clock of whichever test runs: the PostgreSQL store outlives them."""

    def __init__(self) -> None:
        self.clock = ManualClock(0.0)

    def now(self) -> float:
        """The time in the current test."""
        return self.clock.now()


@pytest.fixture(scope="session")
def kept_store(kept_database: str) -> Iterator[tuple[PostgresStore, TheTestsClock]]:
    """One store for all tests: a new session would make every plan anew."""
    clock = TheTestsClock()
    store = PostgresStore(kept_database, clock=clock)
    yield store, clock
    store.close()


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Store]:
    """An empty cell whose time is `clock`; its invariants are checked after the test."""
    store: Store
    if request.param == "memory":
        store = MemoryStore(clock)
    else:
        empty(request.getfixturevalue("kept_database"))
        store, current = request.getfixturevalue("kept_store")
        current.clock = clock
    yield store
    assert store.check() == ()
    if request.param == "memory":
        store.close()


@pytest.fixture
def scene(store: Store, clock: ManualClock) -> Scene:
    """Short words for what the tests do with the store."""
    return Scene(store, clock)


@pytest.fixture
def worker(scene: Scene) -> WorkerHand:
    """A worker with one machine, of 4 cores, which is machine 1."""
    worker = scene.worker()
    worker.machine()
    return worker


@pytest.fixture
def scheduler(scene: Scene) -> SchedulerHand:
    """A scheduler of kind batch."""
    return scene.scheduler()


@pytest.fixture(
    params=[(detection, commit) for detection in Detection for commit in CommitMode],
    ids="-".join,
)
def rule(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each detection with each commit mode, as fields of a job; one slot is enough for a gang."""
    detection, commit = request.param
    return {"detection": detection, "commit": commit, "gang_min": 1}
