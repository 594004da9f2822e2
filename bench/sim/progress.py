"""How far a long command is: a bar on a terminal, a line now and then elsewhere, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_SECONDS_BETWEEN_LINES = 5.0
"""Rare enough for a log file, often enough that nobody thinks it hangs."""


class Advance(Protocol):
    """Called with how many are done."""

    def __call__(self, done: int) -> None: ...


@contextmanager
def progress(what: str, total: int, *, shown: bool) -> Iterator[Advance]:
    """Show how many of `total` are done for as long as the block runs."""
    if not shown:
        yield lambda done: None
    elif sys.stderr.isatty():
        with _bar(what, total) as advance:
            yield advance
    else:
        yield _Lines(what, total)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


class _Lines:
    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._told = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if done == self._total or now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            print(f"{self._what}: {done} of {self._total}", file=sys.stderr, flush=True)
