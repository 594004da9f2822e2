"""The asynchronous client: a coroutine for everything, one watcher for thousands of handles, types for users."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, assert_type

import pytest

import omegacell as omega
from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.model import JobState, JobStatus
from omegacell.client.async_cell import AsyncCell
from omegacell.client.async_handle import AsyncJobHandle
from omegacell.client.cell import Cell
from omegacell.client.handles import JobHandle
from omegacell.client.waiting import Pauses
from omegacell.client.watcher import Watcher
from tests.contract.scene import Scene, submission
from tests.processes import eventually
from tests.unit.client.playing import play


class Counting(MemoryStore):
    """Counts looks, and can be made to fail."""

    looks = 0
    jobs_looked_at = 0
    failing = False

    def statuses(self, job_ids: Sequence[int]) -> tuple[JobStatus, ...]:
        if self.failing:
            raise omega.StoreUnavailable("the database is away")
        self.looks += 1
        self.jobs_looked_at += len(job_ids)
        return super().statuses(job_ids)


@pytest.fixture
def scene(clock: ManualClock) -> Scene:
    """The cell's other side."""
    return Scene(Counting(clock), clock)


def with_cell(cell: Cell, program: Callable[[AsyncCell], Coroutine[Any, Any, None]]) -> None:
    """Run a program on an asynchronous cell, and close that."""

    async def run() -> None:
        async with AsyncCell(cell) as opened:
            await program(opened)

    asyncio.run(run())


def test_everything_a_cell_and_a_handle_do_is_there(cell: Cell) -> None:
    for blocking, asynchronous in ((Cell, AsyncCell), (JobHandle, AsyncJobHandle)):
        public = {name for name in dir(blocking) if not name.startswith("_")}
        # `id` is there too, as an attribute; the others are for the parts of this package.
        assert public - set(dir(asynchronous)) <= {"id", "announce", "ending", "log_reader"}


def test_jobs_are_submitted_waited_for_and_read(cell: Cell, scene: Scene) -> None:
    async def program(cell: AsyncCell) -> None:
        handle = await cell.submit(command=["x"], name="a")
        assert_type(handle, AsyncJobHandle)
        assert (handle.id, handle.created) == (f"j{handle.job_id}", True)
        assert (await handle.status()).state is JobState.PENDING
        waiting = asyncio.create_task(handle.wait())
        await asyncio.to_thread(play, scene, handle.job_id, stdout_tail="out")
        assert_type(await handle, JobStatus)
        assert (await waiting).state is JobState.SUCCEEDED
        assert (await handle.results(), await handle.result()) == (["out"], "out")
        assert_type(await handle.logs(), omega.Logs)
        assert (await handle.logs()).stdout == "out"
        assert [part async for part in handle.logs(0, follow=True)] == [("stdout", b"out")]
        assert "succeeded" in str(await handle.explain())
        assert_type(await cell.jobs(), tuple[JobStatus, ...])
        assert [one.job_id for one in await cell.jobs(state="succeeded")] == [handle.job_id]

    with_cell(cell, program)


def test_many_are_submitted_together_and_cancelled(cell: Cell) -> None:
    async def program(cell: AsyncCell) -> None:
        handles = await cell.submit_many([omega.Job(command=["x"], name=name) for name in "ab"])
        assert_type(handles, list[AsyncJobHandle])
        assert (await handles[0].cancel()).state is JobState.CANCELLED
        assert (await (await cell.job(handles[0].id)).wait()).state is JobState.CANCELLED
        service = await cell.apply(name="web", command=["serve"])
        assert (await service.scale(3)).replicas == 3
        assert (await cell.service("web")).id == service.id
        with pytest.raises(omega.SpecInvalid, match="job has no field 'commend'"):
            await cell.submit(commend=["x"])

    with_cell(cell, program)


def test_thousands_of_handles_are_waited_for_with_a_few_looks(cell: Cell, scene: Scene) -> None:
    store = scene.store
    assert isinstance(store, Counting)
    job_ids = [one.job_id for one in store.submit([submission() for _ in range(3000)])]

    async def program(cell: AsyncCell) -> None:
        handles = [
            AsyncJobHandle(JobHandle(cell.blocking._link, one, created=True), cell.threads) for one in job_ids
        ]
        waiting = [asyncio.create_task(one.wait()) for one in handles]
        await asyncio.sleep(0)
        before = threading.active_count()

        def cancel_all() -> None:
            for one in job_ids:
                store.cancel(one)

        await asyncio.to_thread(cancel_all)
        assert {one.state for one in await asyncio.gather(*waiting)} == {JobState.CANCELLED}
        assert threading.active_count() - before <= 1

    with_cell(cell, program)
    assert store.looks < 500


def test_a_blocking_handle_is_awaited_in_a_running_loop(cell: Cell, scene: Scene) -> None:
    handles = [cell.submit(command=["x"]) for _ in range(3)]

    async def program() -> None:
        async def both() -> list[JobStatus]:
            return [await one for one in handles]

        waiting = asyncio.create_task(both())
        await asyncio.sleep(0)
        for one in handles:
            one.cancel()
        assert {one.state for one in await waiting} == {JobState.CANCELLED}

    asyncio.run(program())


def test_waiting_has_a_timeout_and_shows_what_it_sees(cell: Cell) -> None:
    async def program(cell: AsyncCell) -> None:
        handle = await cell.submit(name="x", command=["x"])
        for timeout in (0, 0.01):
            with pytest.raises(
                TimeoutError, match=rf"job {handle.id} \(x\) is still pending after {timeout} s"
            ):
                await handle.wait(timeout)
        seen: list[JobStatus] = []
        waiting = asyncio.create_task(handle.wait(progress=seen.append))
        while not seen:
            await asyncio.sleep(0.001)
        await handle.cancel()
        await waiting
        assert seen[-1].state is JobState.CANCELLED
        assert (await handle.wait(0)).state is JobState.CANCELLED

    with_cell(cell, program)


def test_whoever_is_cancelled_leaves_nothing_behind(cell: Cell) -> None:
    async def program(cell: AsyncCell) -> None:
        handle = await cell.submit(command=["x"])
        waiting = asyncio.create_task(handle.wait())
        events = asyncio.ensure_future(anext(aiter(cell.events())))
        pieces = asyncio.ensure_future(anext(aiter(handle.logs(follow=True))))
        await asyncio.sleep(0.02)
        for one in (waiting, events, pieces):
            one.cancel()
        ended = await asyncio.gather(waiting, events, pieces, return_exceptions=True)
        assert {type(one) for one in ended} == {asyncio.CancelledError}
        assert (await handle.status()).state is JobState.PENDING
        await asyncio.to_thread(eventually, lambda: not _watching())

    with_cell(cell, program)


def test_events_stream(cell: Cell) -> None:
    async def program(cell: AsyncCell) -> None:
        events = cell.events()
        assert_type(events, AsyncGenerator[omega.Event, None])
        handle = await cell.submit(command=["x"])
        await handle.cancel()
        kinds = []
        async for event in events:
            kinds.append(event.kind)
            if event.kind is omega.EventKind.JOB_ENDED:
                break
        assert kinds == [omega.EventKind.JOB_SUBMITTED, omega.EventKind.JOB_ENDED]

    with_cell(cell, program)


def test_a_job_that_is_gone_and_a_store_that_is_away_are_told(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(command=["x"])
    with pytest.raises(omega.NotFound, match="job j99 does not exist"):
        cell._link.watcher.watch(99).result(5)
    store = scene.store
    assert isinstance(store, Counting)
    store.failing = True
    with pytest.raises(omega.StoreUnavailable, match="the database is away"):
        handle.ending().result(5)


def test_a_closed_cell_tells_those_who_wait(scene: Scene) -> None:
    watcher = Watcher(scene.store, Pauses(0.01))
    future: Future[JobStatus] = watcher.watch(scene.submit())
    watcher.close()
    with pytest.raises(omega.StoreUnavailable, match="its cell is closed"):
        future.result(5)
    with pytest.raises(omega.StoreUnavailable, match="its cell is closed"):
        watcher.watch(1)


def test_the_watcher_rests_when_nobody_waits_and_starts_again(cell: Cell, scene: Scene) -> None:
    for _ in range(2):
        handle = cell.submit(command=["x"])
        future = handle.ending()
        handle.cancel()
        assert future.result(5).state is JobState.CANCELLED
        eventually(lambda: not _watching())


def test_hints_do_not_make_the_watcher_look_without_a_pause(scene: Scene) -> None:
    store = scene.store
    assert isinstance(store, Counting)

    class Ringing:
        def wait(self, timeout_seconds: float) -> bool:
            return True

        def close(self) -> None:
            pass

    watcher = Watcher(store, Pauses(0.2, Ringing))
    job_id = scene.submit()
    future = watcher.watch(job_id, seen=lambda status: time.sleep(0.02))
    eventually(lambda: store.looks >= 4)
    began, looks = time.monotonic(), store.looks
    eventually(lambda: store.looks >= looks + 3)
    assert time.monotonic() - began > 0.1  # each look took 0.02 s, and it rests four times as long
    store.cancel(job_id)
    assert future.result(5).state is JobState.CANCELLED
    watcher.close()


def test_connecting_is_awaited_or_entered(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(cell, "close", lambda: closed.append("closed"))
    asked: list[str | None] = []

    def connect(dsn: str | None) -> Cell:
        asked.append(dsn)
        return cell

    monkeypatch.setattr("omegacell.client.async_cell.connect", connect)

    async def program() -> None:
        opened = await omega.connect_async("somewhere")
        assert_type(opened, AsyncCell)
        await opened.close()
        async with omega.connect_async() as again:
            assert repr(again) == "<AsyncCell>"
        unwanted = asyncio.create_task(_opened())
        await asyncio.sleep(0)
        unwanted.cancel()
        with pytest.raises(asyncio.CancelledError):
            await unwanted
        await asyncio.to_thread(eventually, lambda: len(closed) == len(asked))

    asyncio.run(program())
    assert asked[:2] == ["somewhere", None]


async def _opened() -> AsyncCell:
    return await omega.connect_async()


def _watching() -> bool:
    return any(thread.name == "omega-watch" for thread in threading.enumerate())
