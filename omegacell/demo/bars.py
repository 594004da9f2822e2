"""The demo's progress on standard error: bars on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

_LINE_EVERY_SECONDS = 5.0


class Bars:
    """One bar for each part, by name."""

    def __init__(self, totals: dict[str, int]) -> None:
        self._totals = totals
        self._seen = dict.fromkeys(totals, (0, ""))
        self._line_due = 0.0
        self._drawn = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._drawn = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[detail]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._tasks = {
                name: self._drawn.add_task(name, total=total, detail="") for name, total in totals.items()
            }

    def show(self, name: str, done: int, detail: str) -> None:
        """Where one part stands."""
        self._seen[name] = (done, detail)
        if self._drawn is not None:
            self._drawn.update(self._tasks[name], completed=done, detail=detail)

    def line(self, *, now: bool = False) -> None:
        """All parts on one line, where there are no bars and some time has passed."""
        if self._drawn is not None or (not now and time.monotonic() < self._line_due):
            return
        self._line_due = time.monotonic() + _LINE_EVERY_SECONDS
        parts = [
            f"{name} {done}/{self._totals[name]} {detail}".rstrip()
            for name, (done, detail) in self._seen.items()
        ]
        print(f"demo: {'; '.join(parts)}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        """Draw them."""
        if self._drawn is not None:
            self._drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave their last state on the screen."""
        self.line(now=True)
        if self._drawn is not None:
            self._drawn.stop()
