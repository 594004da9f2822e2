"""The end of an executor: shutdown, forgotten executors, jobs ended by others, stores that are away."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import BrokenExecutor, CancelledError, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest

from omegacell.cellstate.errors import NotFound, SpecInvalid, StoreUnavailable
from omegacell.cellstate.model import JobState
from omegacell.executor import Executor
from tests.processes import eventually
from tests.unit.executor.conftest import LivingCell

SECONDS = 20.0


def threads_of_executors() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("omega-executor")]


def test_nothing_is_taken_after_shutdown(cell: LivingCell) -> None:
    pool = cell.executor()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(abs, -1)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.map(abs, [1])
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(threading.Lock)
    pool.shutdown()
    assert pool.job == ""
    assert not threads_of_executors()


def test_shutdown_waits_for_what_there_is(cell: LivingCell) -> None:
    pool = cell.executor()
    futures = [pool.submit(abs, -number) for number in range(50)]
    pool.shutdown()
    assert all(future.done() for future in futures)
    assert not threads_of_executors()
    assert cell.job(pool.job).wait(SECONDS).state is JobState.SUCCEEDED


def test_shutdown_without_waiting_lets_the_work_end(cell: LivingCell) -> None:
    pool = cell.executor(held=True)
    futures = [pool.submit(abs, -number) for number in range(5)]
    job = cell.job(pool.job)
    pool.shutdown(wait=False)
    assert not any(future.done() for future in futures)
    job.release()
    assert [future.result(SECONDS) for future in futures] == list(range(5))
    assert job.wait(SECONDS).state is JobState.SUCCEEDED
    eventually(lambda: not threads_of_executors())


def test_shutdown_may_cancel_what_has_no_place(cell: LivingCell) -> None:
    pool = cell.executor(held=True)
    futures = [pool.submit(abs, -number) for number in range(1000)]
    pool.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in futures)
    assert cell.job(pool.job).wait(SECONDS).state is JobState.CANCELLED


def test_leaving_the_block_waits(cell: LivingCell) -> None:
    with cell.executor() as pool:
        future = pool.submit(abs, -1)
    assert future.done()


def test_a_job_that_was_made_without_tasks_ends_with_its_executor(cell: LivingCell) -> None:
    with cell.executor() as pool:
        job = cell.job(pool.job)
        assert job.status.open
    assert job.wait(SECONDS).state is JobState.SUCCEEDED


def test_an_executor_that_is_forgotten_finishes_and_ends(cell: LivingCell) -> None:
    pool = cell.executor()
    gone, future = weakref.ref(pool), pool.submit(abs, -1)
    job = cell.job(pool.job)
    del pool
    gc.collect()
    assert gone() is None
    assert future.result(SECONDS) == 1
    assert job.wait(SECONDS).state is JobState.SUCCEEDED
    eventually(lambda: not threads_of_executors())


def test_the_client_holds_a_lease_unless_detached(cell: LivingCell, monkeypatch: pytest.MonkeyPatch) -> None:
    renewals: dict[int, threading.Event] = {}
    renew = cell.store.renew_job

    def note_and_renew(job_id: int, lease_seconds: float) -> bool:
        renewals.setdefault(job_id, threading.Event()).set()
        return renew(job_id, lease_seconds)

    monkeypatch.setattr(cell.store, "renew_job", note_and_renew)
    monkeypatch.setenv("OMEGA_LEASE_SECONDS", "0.02")
    with cell.executor(held=True) as held, cell.executor(held=True, detach=True) as detached:
        for pool in (held, detached):
            pool.submit(abs, -1)
        leased, unleased = (int(pool.job[1:]) for pool in (held, detached))
        eventually(lambda: leased in renewals)
        held.shutdown(wait=False)
        renewals[leased].clear()
        assert renewals[leased].wait(SECONDS), "a closed job with tasks is still wanted"
        assert unleased not in renewals
        held.shutdown(cancel_futures=True)
        detached.shutdown(cancel_futures=True)


def test_results_of_a_detached_executor_are_found_by_its_job(cell: LivingCell) -> None:
    pool = cell.executor(detach=True)
    for number in range(5):
        pool.submit(pow, number, 2)
    pool.shutdown(wait=False)
    assert cell.job(pool.job).results(timeout=SECONDS) == [0, 1, 4, 9, 16]


# Ended by others


def test_a_job_cancelled_by_others_cancels_its_futures(cell: LivingCell) -> None:
    with cell.executor(held=True) as pool:
        futures = [pool.submit(abs, -number) for number in range(5)]
        eventually(lambda: cell.job(pool.job).status.task_count == 5)
        cell.cancel(pool.job)
        assert wait(futures, SECONDS).not_done == set()
        for future in futures:
            assert future.cancelled()
            with pytest.raises(CancelledError):
                future.result()
        with pytest.raises(BrokenExecutor, match=f"job {pool.job} .* was ended, .* make a new executor"):
            pool.submit(abs, -1)


def test_tasks_submitted_to_a_job_cancelled_by_others_are_cancelled(cell: LivingCell) -> None:
    with cell.executor() as pool:
        cell.cancel(pool.job)
        future = pool.submit(abs, -1)
        with pytest.raises(CancelledError):
            future.result(SECONDS)
        with pytest.raises(RuntimeError, match="was ended"):
            pool.submit(abs, -1)


def test_a_job_closed_by_others_runs_what_it_has_and_takes_no_more(cell: LivingCell) -> None:
    with cell.executor() as pool:
        assert pool.submit(abs, -1).result(SECONDS) == 1
        cell.store.close_job(int(pool.job[1:]))
        with pytest.raises(CancelledError):
            pool.submit(abs, -1).result(SECONDS)
        with pytest.raises(RuntimeError, match="was ended"):
            pool.submit(abs, -1)


def test_a_running_task_of_a_cancelled_job_ends_cancelled(cell: LivingCell) -> None:
    with cell.executor() as pool:
        future = pool.submit(_for_ever)
        eventually(future.running)
        cell.cancel(pool.job)
        with pytest.raises(CancelledError):
            future.result(SECONDS)
        assert future.cancelled()


def _for_ever() -> None:
    threading.Event().wait()


def test_a_job_that_was_forgotten_cancels_its_futures(
    cell: LivingCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgotten(job_id: int) -> Any:
        raise NotFound(f"job j{job_id} does not exist")

    with cell.executor(held=True) as pool:
        future = pool.submit(abs, -1)
        job = cell.job(pool.job)
        with monkeypatch.context() as patched:
            patched.setattr(cell.store, "job", forgotten)
            with pytest.raises(CancelledError):
                future.result(SECONDS)
    job.cancel()


@pytest.mark.parametrize("call", ["submit", "append", "ended"])
def test_a_store_that_stays_away_breaks_the_executor(
    cell: LivingCell, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def away(*args: Any, **fields: Any) -> Any:
        raise StoreUnavailable("the store is away, for a test")

    pool = cell.executor(held=True)
    job = "" if call == "submit" else pool.job
    with monkeypatch.context() as patched:
        patched.setattr(cell.store, call, away)
        future = pool.submit(abs, -1)
        with pytest.raises(BrokenProcessPool, match=r"cannot go on: .*the store is away") as raised:
            future.result(SECONDS)
        assert isinstance(raised.value.__cause__, StoreUnavailable)
        with pytest.raises(BrokenExecutor, match="cannot go on"):
            pool.submit(abs, -1)
        pool.shutdown()
    if job:
        cell.cancel(job)


def test_a_job_that_cannot_be_made_says_why(cell: LivingCell) -> None:
    with cell.executor(after=[999_999]) as pool, pytest.raises(BrokenExecutor, match="999999"):
        pool.submit(abs, -1).result(SECONDS)


def test_an_executor_of_its_own_cell_closes_it(cell: LivingCell, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    class Connected(LivingCell):
        def close(self) -> None:
            closed.append(threading.current_thread().name)

    own = Connected(cell.store, pauses=cell.pauses, announce=cell.announce)
    monkeypatch.setattr("omegacell.client.connecting.connect", lambda: own)
    with Executor() as pool:
        assert pool.submit(abs, -1).result(SECONDS) == 1
        assert not closed
    assert len(closed) == 1
    Executor().shutdown()
    assert len(closed) == 2
    with pytest.raises(SpecInvalid):
        Executor(colour="red")
    assert len(closed) == 3
