"""The cell in the hand of an asynchronous program: Cell's methods as coroutines."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self

from omegacell.cellstate.model import Event, Events
from omegacell.cellstate.spec import Job
from omegacell.client.async_handle import AsyncJobHandle
from omegacell.client.cell import Cell
from omegacell.client.connecting import connect
from omegacell.client.handles import JobHandle
from omegacell.client.in_thread import in_thread, run

P = ParamSpec("P")

_THREADS = 16
"""Calls at the same time; a call takes milliseconds, and waiting for jobs takes none of them."""


def _giving_handle(
    method: Callable[Concatenate[Cell, P], JobHandle],
) -> Callable[Concatenate[AsyncCell, P], Coroutine[Any, Any, AsyncJobHandle]]:
    """As in_thread, for a method that gives a handle."""

    @functools.wraps(method)
    async def call(self: AsyncCell, /, *args: P.args, **kwargs: P.kwargs) -> AsyncJobHandle:
        handle = await run(self.threads, method, self.blocking, *args, **kwargs)
        return AsyncJobHandle(handle, self.threads)

    return call


class AsyncCell:
    """A cell; connect_async() makes it, or AsyncCell(omegacell.local()). Use it with `async with`, or close() it.

    See Cell for what each method promises. Where a caller is cancelled the call that it had begun runs to its end:
    a job may have been stored.
    """

    def __init__(self, blocking: Cell) -> None:
        """The cell is closed with this one."""
        self.blocking = blocking
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="omega-async")

    submit = _giving_handle(Cell.submit)
    call = _giving_handle(Cell.call)
    map = _giving_handle(Cell.map)
    apply = _giving_handle(Cell.apply)
    service = _giving_handle(Cell.service)
    job = _giving_handle(Cell.job)

    async def submit_many(
        self, specs: Iterable[Job | Mapping[str, Any]], *, connection: Any = None
    ) -> list[AsyncJobHandle]:
        """Store jobs, all or none, in one go; handles in the same order."""
        handles = await run(self.threads, self.blocking.submit_many, specs, connection=connection)
        return [AsyncJobHandle(one, self.threads) for one in handles]

    executor = in_thread(Cell.executor)
    services = in_thread(Cell.services)
    jobs = in_thread(Cell.jobs)
    cancel = in_thread(Cell.cancel)
    machines = in_thread(Cell.machines)
    reservations = in_thread(Cell.reservations)
    drain = in_thread(Cell.drain)
    uncordon = in_thread(Cell.uncordon)
    schedulers = in_thread(Cell.schedulers)
    hold_scheduler = in_thread(Cell.hold_scheduler)
    release_scheduler = in_thread(Cell.release_scheduler)
    drain_scheduler = in_thread(Cell.drain_scheduler)
    set_policy = in_thread(Cell.set_policy)
    scale_schedulers = in_thread(Cell.scale_schedulers)
    conflicts = in_thread(Cell.conflicts)
    check = in_thread(Cell.check)
    purge = in_thread(Cell.purge)

    def events(self) -> AsyncGenerator[Event, None]:
        """Everything that happens in the cell from this call on; waits for the next, without end."""
        return self._events(self.threads.submit(self.blocking.store.events, None))

    async def _events(self, beginning: Future[Events]) -> AsyncGenerator[Event, None]:
        watermark = (await asyncio.wrap_future(beginning)).watermark
        intervals = self.blocking.pauses.intervals()
        while True:
            found = await run(self.threads, self.blocking.store.events, watermark)
            watermark = found.watermark
            for event in found.events:
                intervals = self.blocking.pauses.intervals()
                yield event
            await asyncio.sleep(next(intervals))

    @property
    def dsn(self) -> str:
        """Where its database is, with the password; "" for a store without."""
        return self.blocking.dsn

    async def close(self) -> None:
        """Give back the connections once the calls that run have ended; a local cell is stopped."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.threads.shutdown(wait=True)
        self.blocking.close()

    async def __aenter__(self) -> Self:
        """Itself; leaving closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    def __repr__(self) -> str:
        """Where its database is."""
        return f"<Async{repr(self.blocking)[1:]}"


def connect_async(dsn: str | None = None) -> Connecting:
    """As connect(): `cell = await connect_async(dsn)`, or `async with connect_async(dsn) as cell`."""
    return Connecting(dsn)


class Connecting:
    """A cell that is about to be opened: to be awaited, or entered."""

    def __init__(self, dsn: str | None) -> None:
        """Not for callers: connect_async() makes it."""
        self._dsn = dsn
        self._cell: AsyncCell | None = None

    def __await__(self) -> Generator[Any, None, AsyncCell]:
        """The cell, open."""
        return self._open().__await__()

    async def __aenter__(self) -> AsyncCell:
        """The cell, open; leaving closes it."""
        self._cell = await self._open()
        return self._cell

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._cell is not None:
            await self._cell.close()

    async def _open(self) -> AsyncCell:
        opening = asyncio.get_running_loop().run_in_executor(None, connect, self._dsn)
        try:
            return AsyncCell(await asyncio.shield(opening))
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise


def _close_unwanted(opening: asyncio.Future[Cell]) -> None:
    """Close a cell that was opened for a caller who is gone."""
    if not opening.cancelled() and opening.exception() is None:
        opening.get_loop().run_in_executor(None, opening.result().close)
