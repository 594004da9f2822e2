"""What submit() promises: values, exceptions, functions by value and once, processes that die."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import omegacell as omega
from omegacell.cellstate.errors import SpecInvalid
from omegacell.executor import Executor
from tests.processes import eventually
from tests.unit.executor.conftest import MACHINE_CPUS, LivingCell

SECONDS = 20.0


class Odd(Exception):
    """An exception that does not unpickle."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


def divide(number: int, *, by: int = 1) -> float:
    return number / by


def test_a_future_gives_what_the_callable_returned(cell: LivingCell) -> None:
    with cell.executor() as pool:
        assert pool.submit(pow, 2, 5).result(SECONDS) == 32
        assert pool.submit(divide, 9, by=3).result(SECONDS) == 3
        assert pool.submit(dict, self=1, fn=2).result(SECONDS) == {"self": 1, "fn": 2}


def test_an_exception_comes_with_its_traceback_there_as_the_cause(cell: LivingCell) -> None:
    with cell.executor() as pool:
        future = pool.submit(divide, 1, by=0)
        error = future.exception(SECONDS)
        assert isinstance(error, ZeroDivisionError)
        assert "in divide" in str(error.__cause__)
        with pytest.raises(ZeroDivisionError):
            future.result()


def test_an_exception_that_does_not_unpickle_stands_as_text(cell: LivingCell) -> None:
    def fail() -> None:
        raise Odd("one", "other")

    with cell.executor() as pool:
        error = pool.submit(fail).exception(SECONDS)
        assert "Odd: one and other" in str(error)


def test_what_does_not_pickle_is_the_exception_of_its_future_alone(cell: LivingCell) -> None:
    with cell.executor() as pool:
        lock = threading.Lock()
        assert isinstance(pool.submit(id, lock).exception(SECONDS), SpecInvalid)
        assert isinstance(pool.submit(lock.acquire).exception(SECONDS), SpecInvalid)
        assert "does not pickle" in str(pool.submit(threading.Lock).exception(SECONDS))
        assert pool.submit(abs, -1).result(SECONDS) == 1


def test_submit_wants_a_callable_first(cell: LivingCell) -> None:
    with cell.executor() as pool, pytest.raises(TypeError):
        pool.submit()  # type: ignore[call-arg]  # that is the point


def test_submit_returns_before_its_tasks_are_stored(
    cell: LivingCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_store, submit = threading.Event(), cell.store.submit

    def wait_and_submit(*args: Any, **fields: Any) -> Any:
        assert may_store.wait(SECONDS)
        return submit(*args, **fields)

    monkeypatch.setattr(cell.store, "submit", wait_and_submit)
    with cell.executor() as pool:
        futures = [pool.submit(abs, -number) for number in range(3)]
        assert not any(future.done() for future in futures)
        may_store.set()
        assert [future.result(SECONDS) for future in futures] == [0, 1, 2]


def test_many_tasks_are_stored_in_few_calls(cell: LivingCell, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    append = cell.store.append

    def count_and_append(job_id: int, first_index: int, inputs: Any) -> int:
        calls.append(len(inputs))
        return append(job_id, first_index, inputs)

    monkeypatch.setattr(cell.store, "append", count_and_append)
    with cell.executor(held=True) as pool:
        assert pool.job
        list(map(pool.submit, [abs] * 3000, range(3000)))
        eventually(lambda: sum(calls) == 3000)
        assert len(calls) < 300
        pool.shutdown(cancel_futures=True)


def test_a_function_of_many_tasks_is_pickled_once_and_sent_once(
    cell: LivingCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    submit, append = cell.store.submit, cell.store.append

    def note_and_submit(jobs: Any, **more: Any) -> Any:
        sent.extend(jobs[0].inputs)
        return submit(jobs, **more)

    def note_and_append(job_id: int, first_index: int, inputs: Any) -> int:
        sent.extend(inputs)
        return append(job_id, first_index, inputs)

    monkeypatch.setattr(cell.store, "submit", note_and_submit)
    monkeypatch.setattr(cell.store, "append", note_and_append)
    ballast = "x" * 100_000

    def length(_: int) -> int:
        return len(ballast)

    with cell.executor() as pool:
        assert set(pool.map(length, range(100))) == {100_000}
    assert len(sent) == 100
    assert max(map(len, sent)) < 1000


def test_a_function_that_comes_later_is_run_too(cell: LivingCell) -> None:
    def double(number: int) -> int:
        return 2 * number

    with cell.executor() as pool:
        assert pool.submit(abs, -1).result(SECONDS) == 1
        assert list(pool.map(double, range(20))) == list(range(0, 40, 2))


def test_a_function_sees_what_its_names_stand_for_when_submitted(cell: LivingCell) -> None:
    def read() -> int:
        return number

    with cell.executor(held=True) as pool:
        futures = []
        for number in range(3):  # noqa: B007  read() does use it
            futures.append(pool.submit(read))
        cell.job(pool.job).release()
        assert [future.result(SECONDS) for future in futures] == [0, 1, 2]


def test_a_process_that_dies_fails_its_own_task_only(cell: LivingCell) -> None:
    with cell.executor() as pool:
        before = [pool.submit(abs, -number) for number in range(20)]
        dead = pool.submit(os._exit, 3)
        after = [pool.submit(abs, -number) for number in range(20)]
        error = dead.exception(SECONDS)
        assert isinstance(error, omega.TasksFailed)
        assert "its process ended before the callable returned" in str(error)
        assert [future.result(SECONDS) for future in before + after] == [*range(20), *range(20)]


def test_a_future_says_running_while_its_task_does(cell: LivingCell, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    with cell.executor(1) as pool:
        running = pool.submit(_read, tmp_path / "gate")
        waiting = pool.submit(abs, -1)
        eventually(running.running)
        assert not running.cancel()
        assert not running.done()
        assert not waiting.running()
        (tmp_path / "gate").write_text("go")
        assert running.result(SECONDS) == "go"
        assert not running.running()


def _read(path: Path) -> str:
    return path.read_text()


def test_no_more_than_max_workers_run_at_a_time(cell: LivingCell, tmp_path: Path) -> None:
    def overlap(_: int) -> int:
        mark = tmp_path / f"{os.getpid()}"
        mark.touch()
        try:
            return len(list(tmp_path.iterdir()))
        finally:
            mark.unlink()

    with cell.executor(2) as pool:
        assert max(pool.map(overlap, range(40))) <= 2
        assert cell.job(pool.job).status.max_running == 2


def test_fields_of_a_job_hold_for_its_tasks(cell: LivingCell) -> None:
    with cell.executor(name="mine", priority=7, env={"COLOUR": "red"}, resources={"cpu": 2}) as pool:
        assert pool.submit(os.getenv, "COLOUR").result(SECONDS) == "red"
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result(SECONDS) == "2"
        status = cell.job(pool.job).status
        assert (status.name, status.priority) == ("mine", 7)
        assert repr(pool) == f"<Executor mine {pool.job}>"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"max_workers": 0}, ValueError),
        ({"max_workers": -1}, ValueError),
        ({"initializer": 3}, TypeError),
        ({"count": 3}, SpecInvalid),
        ({"command": ["true"]}, SpecInvalid),
        ({"colour": "red"}, SpecInvalid),
        ({"scheduler": "nobody"}, omega.PolicyError),
    ],
)
def test_what_an_executor_cannot_have_is_refused_at_once(
    cell: LivingCell, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Executor(cell=cell, **fields)


def test_submissions_of_many_threads_give_each_its_own(cell: LivingCell) -> None:
    found: dict[int, list[int]] = {}

    def submit_some(thread: int) -> None:
        futures = [pool.submit(abs, -(1000 * thread + number)) for number in range(50)]
        found[thread] = [future.result(SECONDS) for future in futures]

    with cell.executor() as pool:
        threads = [threading.Thread(target=submit_some, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
    assert found == {thread: [1000 * thread + number for number in range(50)] for thread in range(8)}


# Initializers


def _in_main(source: str, *names: str) -> list[Callable[..., Any]]:
    """Functions of a module that workers cannot import, as a program's own are."""
    module = type(sys)("a_program")
    exec(source, module.__dict__)
    sys.modules["a_program"] = module
    cloudpickle.register_pickle_by_value(module)
    return [getattr(module, name) for name in names]


PROGRAM = """
import os
number = None
def begin(first):
    global number
    number = first
def count(step):
    global number
    number += step
    return os.getpid(), number
def look():
    return os.getpid(), number
def fail():
    raise OSError("no licence")
"""


def test_the_initializer_runs_once_in_each_process_before_its_first_task(cell: LivingCell) -> None:
    begin, count, look = _in_main(PROGRAM, "begin", "count", "look")
    with cell.executor(initializer=begin, initargs=(100,)) as pool:
        found = list(pool.map(count, [1] * 60))
        ended = {process: max(n for p, n in found if p == process) for process, _ in found}
        for process in ended:
            numbers = sorted(n for p, n in found if p == process)
            assert numbers == list(range(101, 101 + len(numbers)))
        process, number = pool.submit(look).result(SECONDS)  # another function sees the same module
        assert number == ended.get(process, 100)


def test_another_executor_runs_its_own_initializer_in_the_same_process(cell: LivingCell) -> None:
    begin, look = _in_main(PROGRAM, "begin", "look")
    for number in (1, 2):
        with cell.executor(1, initializer=begin, initargs=(number,)) as pool:
            assert pool.submit(look).result(SECONDS)[1] == number


def test_a_failing_initializer_breaks_the_executor(cell: LivingCell) -> None:
    from concurrent.futures import BrokenExecutor
    from concurrent.futures.process import BrokenProcessPool

    (fail,) = _in_main(PROGRAM, "fail")
    with cell.executor(1, initializer=fail) as pool:
        futures = [pool.submit(abs, -number) for number in range(100)]
        for future in futures:
            with pytest.raises(BrokenProcessPool, match="OSError: no licence"):
                future.result(SECONDS)
        error = futures[0].exception()
        assert error is not None
        assert "in fail" in str(error.__cause__)
        with pytest.raises(BrokenExecutor, match="takes no more"):
            pool.submit(abs, -1)
        job = pool.job
    assert cell.job(job).wait(SECONDS).state in {"cancelled", "failed"}


def test_the_cell_runs_several_at_a_time(cell: LivingCell, tmp_path: Path) -> None:
    def meet(number: int) -> int:
        (tmp_path / str(number)).touch()
        eventually(lambda: len(list(tmp_path.iterdir())) == MACHINE_CPUS)
        return number

    with cell.executor() as pool:
        futures = [pool.submit(meet, number) for number in range(MACHINE_CPUS)]
        assert sorted(future.result(SECONDS) for future in futures) == list(range(MACHINE_CPUS))
