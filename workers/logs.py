"""Where a task's output lies: one file each for stdout and stderr of every attempt."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from omegacell.workers.log_files import forget_stream

POOL_FOLDER = "pool"
"""Of the log directory: what warm processes write to."""

_CLOCK_SECONDS = 1.0
"""A file's time comes from a clock of some milliseconds' grain; no cell ends and another begins within a second."""

_TASKS_PER_FOLDER = 1000
"""Keeps a folder of a large array small enough to be listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPaths:
    """The two files of one attempt; one that stayed empty is removed when the attempt ends."""

    stdout: str
    stderr: str


def log_paths(directory: Path | str, job_id: int, task_index: int, attempt: int) -> LogPaths:
    """The files of attempt `attempt` under the worker's log directory; nothing is created."""
    stem = f"{directory}/j{job_id}/{task_index // _TASKS_PER_FOLDER}/{task_index}.{attempt}"
    return LogPaths(stdout=stem + ".stdout", stderr=stem + ".stderr")


def open_log(path: str) -> int:
    """A descriptor to write an attempt's output to, with its folder made where it is missing.

    What stands there is of an attempt of the same number in an earlier cell, and goes.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    while True:
        try:
            return os.open(path, flags, 0o644)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except FileExistsError:
            forget_stream(path)


def take_tail(path: str, limit_bytes: int) -> str:
    """The last bytes of the file as text, "" if there is none; an empty file is removed."""
    try:
        size = os.stat(path).st_size
        if size == 0:
            os.unlink(path)
            return ""
        with open(path, "rb", buffering=0) as file:
            file.seek(max(0, size - limit_bytes))
            return file.read(limit_bytes).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


class PoolOutput:
    """The two files a warm process writes to, whichever task it runs; each task's own are made from them.

    The process moves what a task wrote when that has ended (pool_process.Output); to be followed before, or
    where the process has died, they are linked to the task's names (`linked`): only while no other task can come
    next.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.paths = LogPaths(stdout=str(folder / "stdout"), stderr=str(folder / "stderr"))
        self.linked: LogPaths | None = None

    def link(self, task: LogPaths, since: float) -> None:
        """Show it under the names of the task, which runs since then, too.

        What stands there already is the task's own where the process has moved it at this moment; what is older is of
        an earlier cell, and goes.
        """
        self.linked = task
        for ours, theirs in ((self.paths.stdout, task.stdout), (self.paths.stderr, task.stderr)):
            with contextlib.suppress(OSError):
                os.makedirs(os.path.dirname(theirs), exist_ok=True)
                if os.path.exists(theirs) and os.stat(theirs).st_mtime < since - _CLOCK_SECONDS:
                    forget_stream(theirs)
                os.link(ours, theirs)

    def drop_empty_links(self) -> None:
        """The task has ended: names of what it never wrote do not stay."""
        if self.linked is None:
            return
        for path in (self.linked.stdout, self.linked.stderr):
            with contextlib.suppress(OSError):
                if os.stat(path).st_size == 0:
                    os.unlink(path)
        self.linked = None

    def remove(self) -> None:
        """The process is gone."""
        shutil.rmtree(self._folder, ignore_errors=True)
