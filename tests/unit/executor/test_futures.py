"""Cancellation, callbacks, wait and as_completed."""

from __future__ import annotations

import threading
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    CancelledError,
    Future,
    as_completed,
    wait,
)
from pathlib import Path
from typing import Any

import pytest

from omegacell.cellstate.errors import StoreUnavailable
from omegacell.executor import Executor
from tests.processes import eventually
from tests.unit.executor.conftest import LivingCell

SECONDS = 20.0


def fail() -> int:
    raise ValueError("no")


def test_a_task_that_nobody_has_placed_can_be_cancelled(cell: LivingCell) -> None:
    with cell.executor(held=True) as pool:
        futures = [pool.submit(abs, -number) for number in range(5)]
        eventually(lambda: cell.job(pool.job).status.task_count == 5)
        assert futures[1].cancel()
        assert futures[3].cancel()
        assert futures[3].cancel()
        assert futures[3].cancelled()
        assert futures[3].done()
        with pytest.raises(CancelledError):
            futures[3].result(SECONDS)
        cell.job(pool.job).release()
        assert [futures[index].result(SECONDS) for index in (0, 2, 4)] == [0, 2, 4]
    assert cell.job(pool.job).status.cancelled == 2


def test_a_task_on_its_way_to_the_store_can_be_cancelled(
    cell: LivingCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_store, asked, submit = threading.Event(), threading.Event(), cell.store.submit

    def wait_and_submit(*args: Any, **fields: Any) -> Any:
        asked.set()
        assert may_store.wait(SECONDS)
        return submit(*args, **fields)

    monkeypatch.setattr(cell.store, "submit", wait_and_submit)
    with cell.executor(held=True) as pool:
        on_its_way = pool.submit(abs, -1)
        assert asked.wait(SECONDS)
        waiting = pool.submit(abs, -2)
        assert waiting.cancel()
        threading.Timer(0.05, may_store.set).start()
        assert on_its_way.cancel()
        assert wait([on_its_way, waiting], SECONDS).not_done == set()
        status = cell.job(pool.job).status
        assert (status.task_count, status.cancelled) == (1, 1)


def test_a_task_that_has_ended_cannot_be_cancelled(cell: LivingCell) -> None:
    with cell.executor() as pool:
        future = pool.submit(abs, -1)
        assert future.result(SECONDS) == 1
        assert not future.cancel()
        assert not future.cancelled()


def test_a_cancelled_future_is_done_for_those_who_wait(cell: LivingCell) -> None:
    called: list[Future[int]] = []
    with cell.executor(held=True) as pool:
        futures = [pool.submit(abs, -number) for number in range(3)]
        for future in futures:
            future.add_done_callback(called.append)
        threading.Timer(0.05, lambda: [future.cancel() for future in futures]).start()
        assert set(as_completed(futures, SECONDS)) == set(futures)
        assert called == futures


def test_callbacks_are_called_whatever_one_of_them_does(
    cell: LivingCell, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[Any] = []

    def break_down(future: Future[int]) -> None:
        raise KeyError(future.result())

    with cell.executor(held=True) as pool:
        future = pool.submit(abs, -7)
        future.add_done_callback(break_down)
        future.add_done_callback(lambda done: called.append(done.result()))
        cell.job(pool.job).release()
        assert future.result(SECONDS) == 7
        eventually(lambda: called == [7])
        future.add_done_callback(lambda done: called.append("late"))
        assert called == [7, "late"]
        assert pool.submit(abs, -8).result(SECONDS) == 8
    assert "exception calling callback" in caplog.text


def test_a_callback_may_submit_more(cell: LivingCell) -> None:
    found: list[int] = []
    over = threading.Event()

    def go_on(future: Future[int]) -> None:
        found.append(future.result())
        if found[-1] == 5:
            over.set()
        else:
            pool.submit(int, found[-1] + 1).add_done_callback(go_on)

    with cell.executor() as pool:
        pool.submit(int, 0).add_done_callback(go_on)
        assert over.wait(SECONDS)
    assert found == [0, 1, 2, 3, 4, 5]


def test_a_callback_may_shut_the_executor_down(cell: LivingCell) -> None:
    pool = cell.executor()
    pool.submit(abs, -1).add_done_callback(lambda future: pool.shutdown())
    eventually(lambda: closed(pool))


def closed(pool: Executor) -> bool:
    try:
        pool.submit(abs, -1)
    except RuntimeError as error:
        return "after shutdown" in str(error)
    return False


def test_result_times_out(cell: LivingCell) -> None:
    with cell.executor(held=True) as pool:
        future = pool.submit(abs, -1)
        with pytest.raises(TimeoutError):
            future.result(0.01)
        with pytest.raises(TimeoutError):
            future.exception(0)
        pool.shutdown(cancel_futures=True)


def test_wait_knows_its_three_conditions(cell: LivingCell, tmp_path: Path) -> None:
    with cell.executor(held=True) as held, cell.executor() as pool:
        never: Future[Any] = held.submit(abs, -1)
        good, bad = pool.submit(abs, -1), pool.submit(fail)
        assert wait([never, good], SECONDS, FIRST_COMPLETED).done == {good}
        assert bad in wait([never, bad], SECONDS, FIRST_EXCEPTION).done
        assert wait([never, good, bad], 0.01, ALL_COMPLETED).not_done == {never}
        never.cancel()
        assert wait([never, good, bad], SECONDS).not_done == set()


def test_as_completed_gives_futures_as_they_end_and_times_out(cell: LivingCell) -> None:
    with cell.executor(held=True) as held, cell.executor() as pool:
        never, first = held.submit(abs, -1), pool.submit(abs, -2)
        found = as_completed([never, first], 0.5)
        assert next(found) is first
        with pytest.raises(TimeoutError, match=r"1 \(of 2\) futures unfinished"):
            next(found)
        never.cancel()


def test_a_cancellation_that_the_store_does_not_hear_is_none(
    cell: LivingCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(job_id: int, ranges: Any) -> Any:
        raise StoreUnavailable("away, for a test")

    with cell.executor(held=True) as pool:
        future = pool.submit(abs, -1)
        eventually(lambda: cell.job(pool.job).status.task_count == 1)
        with monkeypatch.context() as patched:
            patched.setattr(cell.store, "cancel_tasks", away)
            assert not future.cancel()
        assert future.cancel()
