"""The end of the interpreter, and copies of its process: what becomes of executors that nobody shut down."""

from __future__ import annotations

import os
import threading
from typing import Protocol

_SENTENCE = "cannot schedule new futures after interpreter shutdown"


class Watched(Protocol):
    """A pool that still has something to do."""

    def close(self, sentence: str, *, cancel: bool = False) -> None:
        """Take nothing more."""
        ...

    def end(self) -> None:
        """Wait until the program may end."""
        ...


_watched: set[Watched] = set()
_ending = False


def check() -> None:
    """RuntimeError once the interpreter is ending."""
    if _ending:
        raise RuntimeError(_SENTENCE)


def watch(pool: Watched) -> None:
    """Let the interpreter not end before this one's work is done."""
    _watched.add(pool)


def forget(pool: Watched) -> None:
    """It has nothing to do any more."""
    _watched.discard(pool)


def _end_all() -> None:
    global _ending  # noqa: PLW0603  the interpreter ends once
    _ending = True
    pools = tuple(_watched)
    for pool in pools:
        pool.close(_SENTENCE)
    for pool in pools:
        pool.end()


# As concurrent.futures does: before threads are joined and atexit's functions are called, while connections still work.
threading._register_atexit(_end_all)  # type: ignore[attr-defined]  # in no stub
# The threads that did the work are not in the copy.
os.register_at_fork(after_in_child=_watched.clear)
