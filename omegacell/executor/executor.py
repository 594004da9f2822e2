"""concurrent.futures.Executor over a cell."""

from __future__ import annotations

import itertools
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from typing import Any, ParamSpec, TypeVar

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.settings import Settings
from omegacell.client import pickling
from omegacell.client.cell import Cell
from omegacell.client.ids import job_text
from omegacell.executor.calls import Functions, Pickle, call, chunk_call
from omegacell.executor.future import TaskFuture
from omegacell.executor.ledger import Entry
from omegacell.executor.open_job import OpenJob, prepared
from omegacell.executor.pool import Pool

_P = ParamSpec("_P")
_T = TypeVar("_T")

_LEASES = 3
"""A client's lease lasts so many times OMEGA_LEASE_SECONDS: a program may well hold its interpreter for a while."""


class Executor(futures.Executor):
    """The standard library's Executor, whose tasks run in the cell: one open job, which grows with every submit.

    `max_workers` tasks run at a time (None: as many as the cell has room for). `fields` are those of a Job:
    resources, retries, priority, env ... `initializer(*initargs)` runs once in each process before its first task.
    Without a `cell` it connects as connect() does. Unless `detach`, the tasks are cancelled when the program dies.
    `mp_context` is accepted for ProcessPoolExecutor's sake.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: object = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        cell: Cell | None = None,
        name: str = "executor",
        detach: bool = False,
        **fields: Any,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        begin = b"" if initializer is None else pickling.dump((initializer, tuple(initargs)))
        own_cell = cell is None
        if cell is None:
            from omegacell.client.connecting import connect

            cell = connect()
        try:
            submission = prepared(
                cell.store,
                {"name": name, **fields},
                max_running=max_workers or 0,
                lease_seconds=0.0 if detach else _LEASES * Settings().lease_seconds,
            )
        except BaseException:
            if own_cell:
                cell.close()
            raise
        job = OpenJob(cell.store, submission, initializer=begin)
        self._functions = Functions()
        self._pool = Pool(cell, job, over=cell.close if own_cell else _nothing)
        # Forgotten without a shutdown, it finishes what it has and ends.
        self._end = weakref.finalize(self, self._pool.close, "cannot schedule new futures after shutdown")
        self._end.atexit = False  # exits.py sees to it, earlier

    @property
    def job(self) -> str:
        """The id of its job, as j7: Cell.job() finds it again from anywhere, also after the program. "" if none was."""
        number = self._pool.make_job()
        return job_text(number) if number else ""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> futures.Future[_T]:
        """As the standard library's: returns at once; what does not pickle is the future's exception."""
        return self.submit_with((), fn, *args, **kwargs)

    def submit_with(
        self, parts: Sequence[Pickle], fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> futures.Future[_T]:
        """As submit(), where the arguments refer to `parts` that many tasks have in common (remote.Part)."""
        future = TaskFuture(self._pool)
        try:
            task = call(self._functions.pickled(fn), args, kwargs, parts)
        except SpecInvalid as error:
            self._pool.put(())
            future.end(None, error)
            return future
        self._pool.put([Entry(future, task)])
        return future

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[_T]:
        """As the standard library's: results in order, as they come; chunksize calls are one task.

        Closing the iterator cancels what is left. With buffersize so many tasks are submitted ahead of their use.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        deadline = None if timeout is None else time.monotonic() + timeout
        entries = self._entries(fn, zip(*iterables, strict=False), chunksize)
        ahead = list(itertools.islice(entries, buffersize))
        self._pool.put(ahead)
        waiting = deque(entry.future for entry in ahead)
        found = _in_order(self._pool, waiting, entries if buffersize else iter(()), deadline)
        return found if chunksize == 1 else itertools.chain.from_iterable(found)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As the standard library's: take no more, and wait for what there is; cancel_futures: what runs already."""
        self._pool.close("cannot schedule new futures after shutdown", cancel=cancel_futures)
        self._functions.clear()
        if wait:
            self._pool.join()

    def __repr__(self) -> str:
        """The name, and the job if there is one."""
        number = self._pool.job.job_id
        return f"<Executor {self._pool.job.name}{f' {job_text(number)}' if number else ''}>"

    def _entries(
        self, fn: Callable[..., Any], calls: Iterator[tuple[Any, ...]], chunksize: int
    ) -> Iterator[Entry]:
        function = self._functions.pickled(fn)
        if chunksize == 1:
            return (Entry(TaskFuture(self._pool), call(function, args, {})) for args in calls)
        chunks = iter(lambda: tuple(itertools.islice(calls, chunksize)), ())
        return (Entry(TaskFuture(self._pool), chunk_call(function, chunk)) for chunk in chunks)


def _nothing() -> None:
    """Of a cell that somebody else closes."""


def _in_order(
    pool: Pool, waiting: deque[TaskFuture], more: Iterator[Entry], deadline: float | None
) -> Iterator[Any]:
    """The results of these, and of more, of which one is submitted for each that is taken."""
    try:
        while waiting:
            if entry := next(more, None):
                pool.put([entry])
                waiting.append(entry.future)
            waiting[0].exception(None if deadline is None else deadline - time.monotonic())
            yield waiting.popleft().result()
    finally:
        pool.withdraw(waiting)
