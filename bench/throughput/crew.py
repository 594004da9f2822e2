"""Processes that do their parts at the same time, each with an interpreter of its own."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from omegacell.bench.throughput.figures import Work
from omegacell.bench.throughput.session import GO, READY, Part
from omegacell.cellstate.errors import OmegaError

_LEAVE_SECONDS = 10.0


class CrewFailed(OmegaError):
    """A process of the benchmark ended, or answered what was not asked."""


class Crew:
    """A number of processes, started once; they are gone when it is left, however that happens."""

    def __init__(self, size: int) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._at_work: list[subprocess.Popen[bytes]] = []
        try:
            for _ in range(size):
                self._processes.append(_start())
        except BaseException:
            self._end(kill=True)
            raise

    @property
    def pids(self) -> tuple[int, ...]:
        """Their process ids."""
        return tuple(process.pid for process in self._processes)

    def prepare(self, parts: Sequence[Part]) -> None:
        """Give each process its part; returns once all are ready to go."""
        self._at_work = self._processes[: len(parts)]
        for process, part in zip(self._at_work, parts, strict=True):
            _tell(process, part)
        answers = [_hear(process) for process in self._at_work]
        if answers != [READY] * len(parts):
            raise CrewFailed(f"the benchmark's processes answered {answers}, expected {READY} of each")

    def go(self) -> tuple[Work, ...]:
        """Let all begin; what each did, once all have."""
        for process in self._at_work:
            _tell(process, GO)
        return tuple(_hear(process) for process in self._at_work)

    def __enter__(self) -> Self:
        """Itself; leaving ends the processes."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them: in good order, or at once if something went wrong."""
        self._end(kill=kind is not None)

    def _end(self, *, kill: bool) -> None:
        for process in self._processes:
            assert process.stdin is not None  # asked for in _start
            with contextlib.suppress(OSError):
                process.stdin.close()
            if kill:
                process.kill()
        for process in self._processes:
            try:
                process.wait(_LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None  # asked for in _start
            process.stdout.close()


def _start() -> subprocess.Popen[bytes]:
    """One process, in a session of its own: Ctrl-C in the terminal reaches only the one that gives the parts."""
    return subprocess.Popen(
        [sys.executable, "-m", "omegacell.bench.throughput.session"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def _tell(process: subprocess.Popen[bytes], value: Any) -> None:
    assert process.stdin is not None  # asked for in _start
    try:
        pickle.dump(value, process.stdin)
        process.stdin.flush()
    except BrokenPipeError as error:
        raise _ended(process) from error


def _hear(process: subprocess.Popen[bytes]) -> Any:
    """Its next answer; raises the error that it answered, or CrewFailed if it has ended."""
    assert process.stdout is not None  # asked for in _start
    try:
        answer = pickle.load(process.stdout)
    except EOFError as error:
        raise _ended(process) from error
    if isinstance(answer, OmegaError):
        raise answer
    return answer


def _ended(process: subprocess.Popen[bytes]) -> CrewFailed:
    return CrewFailed(
        f"process {process.pid} of the benchmark ended before its part did; see what it said on standard error"
    )
