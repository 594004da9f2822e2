"""The thread that keeps what tasks write within bounds: long streams are cut, old files removed."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from omegacell.workers.log_files import cut_stream, read_stream
from omegacell.workers.logs import POOL_FOLDER, LogPaths, take_tail

log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
"""How often streams are looked at: a task that writes 100 MB a second is 200 MB over the limit at most."""
_CLEAN_SECONDS = 3600.0
_FOLDER_SECONDS = 3600.0
"""An empty folder that was changed lately may be one that is about to be written to."""
_BREATH_FILES = 100
_BREATH_SECONDS = 0.001
"""A million old files are no reason to keep the agent waiting."""


class LogUpkeep:
    """Knows what is being written; `began`, `ended` and `tail` belong to the watcher's thread."""

    def __init__(self, directory: Path, *, limit_bytes: int, retention_seconds: float) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._retention_seconds = retention_seconds
        self._written: dict[LogPaths, None] = {}
        self._cut: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def began(self, paths: LogPaths) -> None:
        """A task writes there from now on."""
        self._written[paths] = None

    def ended(self, paths: LogPaths) -> None:
        """It does not any more."""
        self._written.pop(paths, None)
        if self._cut:
            self._cut -= {paths.stdout, paths.stderr}

    def was_cut(self, paths: LogPaths) -> bool:
        """Whether more was written there than its file holds."""
        return bool(self._cut) and not self._cut.isdisjoint((paths.stdout, paths.stderr))

    def tail(self, path: str, limit_bytes: int) -> str:
        """The last bytes of a stream whose task has ended; an empty file is removed."""
        if path not in self._cut:
            return take_tail(path, limit_bytes)
        found = read_stream(path, -limit_bytes, limit_bytes) if limit_bytes else None
        return "" if found is None else found[0].decode("utf-8", "replace")

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def cut_long_streams(self) -> None:
        """Cut what has grown beyond the limit."""
        for paths in tuple(self._written):
            for path in (paths.stdout, paths.stderr):
                try:
                    if os.stat(path).st_size > self._limit_bytes:
                        self._cut.add(path)  # before: whoever wants its tail must not find it empty
                        cut_stream(path)
                except FileNotFoundError:
                    pass  # its task has ended without a word
                except OSError as error:
                    log.warning(
                        "%s is %d bytes or more and cannot be cut: %s", path, self._limit_bytes, error
                    )

    def remove_old(self, now: float) -> None:
        """Remove the files of tasks that were last written to longer ago than the retention.

        What is written now counts as new, also to another worker with the same folder, however silent its task is.
        """
        for paths in tuple(self._written):
            for path in (paths.stdout, paths.stderr):
                with contextlib.suppress(OSError):
                    os.utime(path)
        for folder, names in _folders(self._directory):
            if self._stopping.is_set():
                return
            with contextlib.suppress(OSError):
                changed = os.stat(folder).st_mtime
                self._remove_in(folder, names, now)
                if now - changed > _FOLDER_SECONDS:
                    os.rmdir(folder)

    def _remove_in(self, folder: str, names: list[str], now: float) -> None:
        for number, name in enumerate(names):
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                if now - os.stat(path).st_mtime > self._retention_seconds:
                    os.unlink(path)
            if number % _BREATH_FILES == 0 and self._stopping.wait(_BREATH_SECONDS):
                return

    def _run(self) -> None:
        clean_at = time.monotonic()
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                self.cut_long_streams()
                if time.monotonic() >= clean_at:
                    clean_at = time.monotonic() + _CLEAN_SECONDS
                    self.remove_old(time.time())
            except Exception:
                log.exception("the files of tasks could not be looked after")


def _folders(directory: Path) -> Iterator[tuple[str, list[str]]]:
    """The folders of tasks and what files are in each, the innermost first; nothing that is not the worker's."""
    with contextlib.suppress(OSError):
        ours = [one.path for one in os.scandir(directory) if _is_ours(one.name)]
        for path in ours:
            for folder, _, names in os.walk(path, topdown=False):
                yield folder, names


def _is_ours(name: str) -> bool:
    """Whether the log directory's entry is a job's folder, or the warm processes'."""
    return name == POOL_FOLDER or (name.startswith("j") and name[1:].isdecimal())
