"""Plain processes that are kept running: started, heard out until ready, started again when they die."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegacell.cellstate.errors import OmegaError

READY_SECONDS = 60.0
"""A busy host takes seconds to start an interpreter; a minute means that something is wrong."""
STOP_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_HEALTHY_SECONDS = 30.0
"""A process that ran so long has recovered: its next death counts as the first."""


class ChildFailed(OmegaError):
    """A process of the local cell did not become ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, and where its standard error goes."""

    name: str
    arguments: Sequence[str]
    env: Mapping[str, str]
    log_file: Path


class Child:
    """One process. It ends when its standard input does, so also when this process is killed."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._failures = 0
        self._start_at = 0.0
        self._launch()

    def _launch(self) -> None:
        with self.program.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.program.arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.program.env,
                start_new_session=True,
            )
        self._started_at = time.monotonic()
        assert self._process.stdout is not None  # asked for above
        os.set_blocking(self._process.stdout.fileno(), False)
        self._heard = b""

    @property
    def pid(self) -> int:
        """The process id now; it changes with a restart."""
        return self._process.pid

    def wait_ready(self) -> dict[str, Any]:
        """The line of JSON that it says when it is ready; ChildFailed with its last words otherwise."""
        deadline = self._started_at + READY_SECONDS
        assert self._process.stdout is not None  # asked for above
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._heard:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left) or not self._hear():
                    break
        try:
            answer: dict[str, Any] = json.loads(self._heard.partition(b"\n")[0])
        except ValueError:
            raise ChildFailed(f"{self.program.name} did not become ready: {self._last_words()}") from None
        return answer

    def _hear(self) -> bool:
        """Take in what it has said; False at its end. Also keeps the pipe from filling up."""
        assert self._process.stdout is not None  # asked for above
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._process.stdout.fileno(), 65536):
                self._heard = (self._heard + piece)[-65536:]
            return False
        return True

    def tend(self) -> None:
        """Start it again if it has ended, after a pause that grows while it keeps ending."""
        if self._process.poll() is None:
            self._hear()
            return
        now = time.monotonic()
        if not self._start_at:
            self._failures = 1 if now - self._started_at > _HEALTHY_SECONDS else self._failures + 1
            pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1))
            self._start_at = now + pause
            self._say(f"{self.program.name} (process {self.pid}) ended, starting it again in {pause:.1f} s")
        elif now >= self._start_at:
            self._start_at = 0.0
            self._give_back()
            self._launch()

    def ask_to_stop(self) -> None:
        """End its standard input, which it obeys."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def wait_stopped(self, deadline: float) -> None:
        """Wait for its end until `deadline` (monotonic), then kill it."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._say(
                f"{self.program.name} (process {self.pid}) did not stop within {STOP_SECONDS:.0f} s, killing it"
            )
            self._process.kill()
            self._process.wait()
        self._give_back()

    def _give_back(self) -> None:
        self.ask_to_stop()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _say(self, message: str) -> None:
        with self.program.log_file.open("a") as log:
            log.write(f"{message}\n")

    def _last_words(self) -> str:
        lines = self.program.log_file.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1].strip() if lines else 'it said nothing'} (all of it: {self.program.log_file})"


def stop_all(children: Sequence[Child]) -> None:
    """Ask all to stop at once, and wait for each."""
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        child.wait_stopped(deadline)
