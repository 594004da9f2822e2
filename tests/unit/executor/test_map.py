"""map(): order, laziness, chunks, timeouts, and what becomes of the rest."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Iterator

import pytest

from tests.processes import eventually
from tests.unit.executor.conftest import LivingCell

SECONDS = 20.0


class Big:
    """Something that a weak reference can follow."""


def divide(number: int, by: int) -> int:
    return number // by


@pytest.mark.parametrize("chunksize", [1, 3, 10, 100])
def test_results_come_in_order_whatever_the_chunks(cell: LivingCell, chunksize: int) -> None:
    with cell.executor() as pool:
        assert list(pool.map(pow, range(10), range(10), chunksize=chunksize)) == list(
            map(pow, range(10), range(10))
        )
        assert list(pool.map(pow, range(5), itertools.count(), chunksize=chunksize)) == [1, 1, 4, 27, 256]
        assert list(pool.map(abs, [], chunksize=chunksize)) == []


def test_chunks_are_tasks(cell: LivingCell) -> None:
    with cell.executor() as pool:
        assert list(pool.map(abs, range(10), chunksize=4)) == list(range(10))
        assert cell.job(pool.job).status.task_count == 3


def test_a_chunksize_below_one_is_refused(cell: LivingCell) -> None:
    with cell.executor() as pool:
        for chunksize in (0, -1):
            with pytest.raises(ValueError, match="chunksize must be >= 1"):
                pool.map(abs, [1], chunksize=chunksize)


def test_an_exception_comes_in_its_place(cell: LivingCell) -> None:
    with cell.executor() as pool:
        found = pool.map(divide, [4, 6, 8], [2, 0, 2])
        assert next(found) == 2
        with pytest.raises(ZeroDivisionError):
            next(found)
        with pytest.raises(StopIteration):
            next(found)


def test_all_is_submitted_before_the_first_result_is_asked_for(cell: LivingCell) -> None:
    with cell.executor() as pool:
        pool.map(abs, range(7))
        eventually(lambda: cell.job(pool.job).status.succeeded == 7)


def test_results_are_there_before_the_last_one_is(cell: LivingCell) -> None:
    with cell.executor(held=True) as held, cell.executor() as pool:
        never = held.submit(abs, -1)
        found = pool.map(abs, [-1, -2])
        assert next(found) == 1
        assert not never.done()
        never.cancel()


def test_a_timeout_counts_from_the_call_and_cancels_what_is_left(cell: LivingCell) -> None:
    with cell.executor(held=True) as pool:
        found = pool.map(abs, range(5), timeout=0.05)
        with pytest.raises(TimeoutError):
            next(found)
        assert cell.job(pool.job).status.cancelled == 5


def test_closing_the_iterator_cancels_what_is_left(cell: LivingCell) -> None:
    with cell.executor(held=True) as pool:
        found = pool.map(abs, range(1000))
        eventually(lambda: cell.job(pool.job).status.task_count == 1000)
        cell.job(pool.job).release()
        assert next(found) == 0
        cell.job(pool.job).hold()
        found.close()  # type: ignore[attr-defined]  # a generator, as the standard library's
        status = cell.job(pool.job).status
        assert status.cancelled + status.succeeded + status.placed == status.task_count


def test_a_buffer_bounds_what_is_submitted_ahead(cell: LivingCell) -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    with cell.executor() as pool:
        found = pool.map(abs, numbers(), buffersize=3)
        assert len(taken) == 3
        assert next(found) == 0
        assert len(taken) == 4
        assert list(found) == list(range(1, 20))
        with pytest.raises(ValueError, match="buffersize"):
            pool.map(abs, [1], buffersize=0)


def test_a_result_that_was_taken_is_kept_by_nobody(cell: LivingCell) -> None:
    with cell.executor() as pool:
        found = pool.map(lambda number: Big(), range(3))
        big = next(found)
        gone = weakref.ref(big)
        del big
        eventually(lambda: gc.collect() >= 0 and gone() is None)
        future = pool.submit(Big)
        gone = weakref.ref(future.result(SECONDS))
        del future
        eventually(lambda: gc.collect() >= 0 and gone() is None)
