"""Real processes for tests: started, waited for until they say ready, and ended by pid whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any


class Running:
    """One process of ours that says `ready` on its standard output."""

    def __init__(self, module: str, *words: str) -> None:
        self._folder = TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words, "--stop-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": self._folder.name},  # what it leaves there goes with it
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ready(self) -> dict[str, Any]:
        """Wait for the ready line and return it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate(timeout=10)
            raise AssertionError(f"process ended before it was ready: {errors}")
        told: dict[str, Any] = json.loads(line)
        return told

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._process.kill()
        self._process.communicate(timeout=10)

    def stop(self) -> None:
        """Close its standard input, and kill it if that does not end it in 10 s."""
        if self._process.poll() is None:
            try:
                self._process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()
        elif self._process.stdin is not None and not self._process.stdin.closed:
            self._process.communicate(timeout=10)
        self._folder.cleanup()


@contextmanager
def running(*processes: Running) -> Iterator[tuple[Running, ...]]:
    """The processes once all are ready; ended afterwards."""
    try:
        for process in processes:
            process.ready()
        yield processes
    finally:
        for process in processes:
            process.stop()


def scheduler(dsn: str, name: str, *words: str, kind: str = "batch") -> Running:
    """A scheduler process."""
    return Running("omegacell.schedulers.cli", "--dsn", dsn, "--kind", kind, "--name", name, *words)


def worker(dsn: str, name: str, *words: str) -> Running:
    """A worker process."""
    return Running("omegacell.workers.cli", "--dsn", dsn, "--name", name, *words)


def eventually(condition: Callable[[], bool], *, seconds: float = 30.0, what: str = "") -> None:
    """Wait until the condition holds; fail loudly once the time is over."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
