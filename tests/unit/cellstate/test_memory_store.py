"""What only the store in memory does; the rest is in tests/contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NoReturn, cast

import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.memory import MemoryStore, feed, log
from omegacell.cellstate.memory.state import Job
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


def test_the_log_keeps_the_latest_rows() -> None:
    kept = log.Log()
    for row in range(5):
        kept.append(row)
    assert (kept.since(3), kept.since(0), kept.since(5), kept.since(9)) == ([3, 4], [0, 1, 2, 3, 4], [], [])
    for row in range(5, log.ROWS_KEPT + 2):
        kept.append(row)
    assert kept.since(0)[:2] == [2, 3]
    assert kept.position == log.ROWS_KEPT + 2


def test_a_long_chain_settles_at_once_and_touches_nobody_else(scene: Scene) -> None:
    bystanders = [scene.submit() for _ in range(3)]
    chain = scene.store.submit(
        [submission(), *(replace(submission(), after=(place,)) for place in range(1000))]
    )
    looks = count_looks(scene)
    scene.store.cancel(chain[0].job_id)
    last = scene.job(chain[-1].job_id)
    assert (last.state, last.reason) == (
        JobState.CANCELLED,
        f"j{last.job_id - 1}, which it comes after, was cancelled",
    )
    assert len(looks) <= 1001
    assert looks.keys().isdisjoint(bystanders)
    assert max(looks.values()) <= 6  # as often for the last of a chain as for its first


def test_a_parents_end_costs_the_same_however_many_a_job_waits_for(scene: Scene) -> None:
    parents = [answer.job_id for answer in scene.store.submit([submission() for _ in range(10_000)])]
    child = scene.submit(after_any=tuple(parents))
    looks = count_looks(scene)
    for parent in parents[:-1]:
        scene.store.cancel(parent)
    assert (scene.job(child).state, scene.job(child).blocked_by) == (JobState.BLOCKED, 1)
    assert looks.total() <= 10 * len(parents)
    scene.store.cancel(parents[-1])
    assert scene.job(child).state is JobState.PENDING


def count_looks(scene: Scene) -> Counter[int]:
    """From now on, how often each job is looked up; to walk through all jobs is an error."""
    cell, looks = cast("MemoryStore", scene.store)._cell, Counter[int]()

    class Watched(dict[int, Job]):
        def __getitem__(self, job_id: int) -> Job:
            looks[job_id] += 1
            return super().__getitem__(job_id)

        def __iter__(self) -> Iterator[int]:
            raise AssertionError("all jobs were walked through")

        def values(self) -> NoReturn:
            raise AssertionError("all jobs were walked through")

    cell.jobs = Watched(cell.jobs)
    return looks


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
