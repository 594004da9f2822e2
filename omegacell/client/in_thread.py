"""The store's calls block; here each runs in a thread, and a coroutine awaits it.

`in_thread(Cell.machines)` is a method of AsyncCell with the same parameters and the same result, for the type checker
too: there is no second definition to keep in step.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Blocking_co = TypeVar("Blocking_co", covariant=True)


class Behind(Protocol[Blocking_co]):
    """An asynchronous object that stands before a blocking one, and the threads in which that one is called."""

    @property
    def blocking(self) -> Blocking_co:
        """What it stands before."""
        ...

    @property
    def threads(self) -> ThreadPoolExecutor:
        """Where its calls run."""
        ...


async def run(threads: ThreadPoolExecutor, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The function's result, from a thread. Cancelled, the caller goes on at once and the call runs to its end."""
    call = functools.partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(threads, call)


def in_thread(
    method: Callable[Concatenate[Blocking_co, P], R],
) -> Callable[Concatenate[Behind[Blocking_co], P], Coroutine[Any, Any, R]]:
    """The coroutine method that calls `method` of the blocking object in a thread."""

    @functools.wraps(method)
    async def call(self: Behind[Blocking_co], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await run(self.threads, method, self.blocking, *args, **kwargs)

    return call
