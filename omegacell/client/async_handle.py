"""A job in the hand of an asynchronous program: JobHandle's methods as coroutines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Literal, overload

from omegacell.cellstate.model import JobStatus
from omegacell.client import following, results
from omegacell.client.handles import JobHandle, Show
from omegacell.client.in_thread import in_thread, run
from omegacell.client.logs import Logs
from omegacell.client.progress import Progress

_PIECES = 8
"""So many pieces of a log come from a thread at a time: 2 MiB."""


class AsyncJobHandle:
    """One job of a cell; `await handle` is `await handle.wait()`. See JobHandle for what each method promises."""

    def __init__(self, blocking: JobHandle, threads: ThreadPoolExecutor) -> None:
        """Not for callers: AsyncCell makes it."""
        self.blocking = blocking
        self.threads = threads
        self.job_id, self.id, self.created = blocking.job_id, blocking.id, blocking.created

    async def status(self) -> JobStatus:
        """Where the job stands now."""
        return await run(self.threads, self.blocking.store.job, self.job_id)

    specification = in_thread(JobHandle.specification)
    dependencies = in_thread(JobHandle.dependencies)
    outcomes = in_thread(JobHandle.outcomes)
    placements = in_thread(JobHandle.placements)
    endpoints = in_thread(JobHandle.endpoints)
    preemptions = in_thread(JobHandle.preemptions)
    explain = in_thread(JobHandle.explain)
    check_task = in_thread(JobHandle.check_task)
    cancel = in_thread(JobHandle.cancel)
    hold = in_thread(JobHandle.hold)
    release = in_thread(JobHandle.release)
    retry_failed = in_thread(JobHandle.retry_failed)
    scale = in_thread(JobHandle.scale)

    async def wait(self, timeout: float | None = None, progress: Show = False) -> JobStatus:
        """The status once the job has ended; TimeoutError after `timeout` seconds. Holds no thread meanwhile."""
        shown = _Shown(progress) if progress else None
        ending = self.blocking.ending(shown.from_thread if shown else None)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(ending), timeout)
        except TimeoutError:
            status = await self.status()  # a timeout of 0 looks too
            if status.state.final:
                return status
            raise results.not_ended(status, timeout) from None
        finally:
            if shown:
                shown.close()

    def __await__(self) -> Generator[Any, None, JobStatus]:
        """wait()."""
        return self.wait().__await__()

    async def results(self, errors: results.Errors = "raise", timeout: float | None = None) -> list[Any]:
        """What the tasks gave, in index order, once the job has ended."""
        results.check_mode(errors)
        status = await self.wait(timeout)
        return await run(self.threads, lambda: results.collect(status, self.blocking.outcomes(), errors))

    async def result(self, timeout: float | None = None) -> Any:
        """What the only task gave; raises what it raised, with its traceback there as the cause."""
        status = await self.wait(timeout)
        return await run(self.threads, results.only, status, self.blocking.outcomes)

    @overload
    def logs(self, task: int = 0, follow: Literal[False] = False) -> Coroutine[Any, Any, Logs]: ...

    @overload
    def logs(
        self, task: int = 0, *, follow: Literal[True], say: Callable[[str], None] = lambda message: None
    ) -> AsyncGenerator[following.Piece, None]: ...

    @overload
    def logs(self, task: int, follow: Literal[True]) -> AsyncGenerator[following.Piece, None]: ...

    def logs(
        self, task: int = 0, follow: bool = False, *, say: Callable[[str], None] = lambda message: None
    ) -> Coroutine[Any, Any, Logs] | AsyncGenerator[following.Piece, None]:
        """`await` it for the end of what a task wrote; with follow=True `async for` gives (stream, bytes)."""
        return self._follow(task, say) if follow else run(self.threads, self.blocking.logs, task)

    async def _follow(self, task: int, say: Callable[[str], None]) -> AsyncGenerator[following.Piece, None]:
        await self.check_task(task)
        loop = asyncio.get_running_loop()
        reader = self.blocking.log_reader
        followed = following.Following(
            reader, self.job_id, task, lambda message: _on_loop(loop, say, message)
        )
        intervals = reader.pauses.intervals()
        while not followed.ended:
            look = followed.look()
            while pieces := await run(self.threads, _some, look):
                intervals = reader.pauses.intervals()
                for piece in pieces:
                    yield piece
            if not followed.ended:
                await asyncio.sleep(next(intervals))

    def __repr__(self) -> str:
        """The id; the state would cost a look into the store."""
        return f"<AsyncJobHandle {self.id}>"


class _Shown:
    """Shows on the event loop what the watcher's thread sees."""

    def __init__(self, progress: Show) -> None:
        self._loop = asyncio.get_running_loop()
        self._show = progress if callable(progress) else None
        self._bar: Progress | None = None

    def from_thread(self, status: JobStatus) -> None:
        """Have a status shown."""
        _on_loop(self._loop, self._seen, status)

    def _seen(self, status: JobStatus) -> None:
        if self._show is None:
            self._show = self._bar = Progress(status)
        self._show(status)

    def close(self) -> None:
        """Leave the last state on the screen."""
        if self._bar is not None:
            self._bar.close()


def _some(pieces: Iterator[following.Piece]) -> list[following.Piece]:
    return list(islice(pieces, _PIECES))


def _on_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody looks any more
        loop.call_soon_threadsafe(function, *args)
