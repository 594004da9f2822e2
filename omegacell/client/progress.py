"""A job's progress on standard error: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time

from omegacell.cellstate.model import JobStatus
from omegacell.client.ids import job_text

_LINE_EVERY_SECONDS = 5.0


class Progress:
    """Shows each status it is called with."""

    def __init__(self, status: JobStatus) -> None:
        self._name = f"{job_text(status.job_id)} {status.name}"
        self._shown = ""
        self._line_due = 0.0
        if not sys.stderr.isatty():
            self._bar = None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(self._name, total=status.task_count, detail="")
        self._bar.start()

    def __call__(self, status: JobStatus) -> None:
        """Show where the job stands."""
        if self._bar is not None:
            ended, total = ended_tasks(status), status.task_count  # an open job grows
            self._bar.update(self._task, completed=ended, total=total, detail=detail(status))
            return
        line = f"{self._name}: {ended_tasks(status)}/{status.task_count} ended: {detail(status)}"
        now = time.monotonic()
        if line != self._shown and (status.state.final or now >= self._line_due):
            print(line, file=sys.stderr, flush=True)
            self._shown, self._line_due = line, now + _LINE_EVERY_SECONDS

    def close(self) -> None:
        """Leave the last state on the screen."""
        if self._bar is not None:
            self._bar.stop()


def ended_tasks(status: JobStatus) -> int:
    """Tasks that are through, however they ended."""
    return status.succeeded + status.failed + status.cancelled


def detail(status: JobStatus) -> str:
    """The counts that are not zero; the state while all are."""
    counts = {
        "succeeded": status.succeeded,
        "failed": status.failed,
        "cancelled": status.cancelled,
        "placed": status.placed,
        "to run again": status.waiting_retry,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or status.state.value
