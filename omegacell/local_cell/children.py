"""Processes that are kept running: started, heard out until ready, started again when they die."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import time
from collections.abc import Callable, Sequence
from typing import Any

from omegacell.cellstate.errors import OmegaError
from omegacell.local_cell.forking import Forked, Program

READY_SECONDS = 60.0
"""On a busy host this takes seconds; a minute means that something is wrong."""
STOP_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_HEALTHY_SECONDS = 30.0
"""A process that ran so long has recovered: its next death counts as the first."""


class ChildFailed(OmegaError):
    """A process of the local cell did not become ready."""


class Child:
    """One process. It ends when its standard input does, so also when this process is killed."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._failures = 0
        self._leave_by = 0.0
        self._launch()

    def _launch(self) -> None:
        self._process = Forked(self.program)
        self._started_at = time.monotonic()
        self._ended_at = self._start_at = 0.0
        self._heard = b""

    @property
    def pid(self) -> int:
        """The process id now; it changes with a restart."""
        return self._process.pid

    def wait_ready(self) -> dict[str, Any]:
        """The line of JSON that it says when it is ready; ChildFailed with its last words otherwise."""
        deadline = self._started_at + READY_SECONDS
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
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._process.stdout, 65536):
                self._heard = (self._heard + piece)[-65536:]
            return False
        return True

    def tend(self, *, is_over: Callable[[float], bool] = lambda ended_at: False) -> None:
        """Start it again if it has ended, after a pause that grows while it keeps ending.

        But not while it `is_over`, which is told when (monotonic) it was found to have ended.
        """
        if self._process.poll() is None:
            self._hear()
            return
        now = time.monotonic()
        if not self._ended_at:
            self._ended_at = now
            self._failures = 1 if now - self._started_at > _HEALTHY_SECONDS else self._failures + 1
            pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1))
            self._start_at = now + pause
            self._say(f"{self.program.name} (process {self.pid}) ended, to be started again in {pause:.1f} s")
        elif now >= self._start_at and not is_over(self._ended_at):
            self._process.close()
            self._launch()

    def ask_to_stop(self) -> None:
        """End its standard input, which it obeys."""
        self._process.close_input()

    def leave(self) -> bool:
        """Let it end without waiting for it; to be called until that is so. By force once STOP_SECONDS are over."""
        now = time.monotonic()
        self._leave_by = self._leave_by or now + STOP_SECONDS
        self.ask_to_stop()
        if self._process.poll() is None and now < self._leave_by:
            self._hear()
            return False
        self.wait_stopped(now)
        return True

    def wait_stopped(self, deadline: float) -> None:
        """Wait for its end until `deadline` (monotonic), then kill it."""
        if not self._process.wait(max(0.0, deadline - time.monotonic())):
            self._say(
                f"{self.program.name} (process {self.pid}) did not stop within {STOP_SECONDS:.0f} s, killing it"
            )
            self._process.kill()
        self._process.close()

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
