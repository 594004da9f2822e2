"""What only the store in memory does; the rest is in tests/contract."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.memory import MemoryStore, feed
from omegacell.cellstate.model import JobState
from tests.contract.scene import Scene, submission


@pytest.fixture
def scene() -> Scene:
    """An empty cell in memory."""
    clock = ManualClock(1000.0)
    return Scene(MemoryStore(clock), clock)


def test_there_is_no_connection_to_share(scene: Scene) -> None:
    with pytest.raises(SpecInvalid, match="connection"):
        scene.store.submit([submission()], connection=object())
    assert scene.store.jobs() == ()


def test_a_reader_too_far_behind_loads_everything(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "ENTRIES_KEPT", 4)
    scene.worker().machine()
    start = scene.store.sync(None).watermark
    for _ in range(2):
        scene.store.drain("m")
        scene.store.uncordon("m")
    near = scene.store.sync(start)
    assert (near.full, near.log_rows) == (False, 4)
    for _ in range(2):
        scene.store.drain("m")
        scene.store.uncordon("m")
    assert scene.store.sync(start).full
    assert not scene.store.sync(near.watermark).full


def test_threads_may_share_it(scene: Scene) -> None:
    machine_id = scene.worker().machine(cpu=200_000)
    schedulers = [scene.scheduler(f"s{number}") for number in range(4)]
    job_ids = [scene.submit(tasks=10) for _ in range(20)]

    def run(number: int) -> None:
        scheduler = schedulers[number]
        while held := scheduler.claim_ids(limit=1):
            scheduler.commit((held[0], machine_id, 5))
            scheduler.settle(held[0], placed_any=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert scene.store.check() == ()
    assert {scene.job(job_id).placed for job_id in job_ids} == {10}
    assert {scene.job(job_id).state for job_id in job_ids} == {JobState.RUNNING}
