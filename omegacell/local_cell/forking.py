"""Processes forked from this one, which has imported what they need: ready in a tenth of a new interpreter's time.

Only for a process with one thread, and never from a user's program: the keeper is ours alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from omegacell.embedded_postgres.linux import open_pidfd, show_as

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LOOK_SECONDS = 0.02
_DESCRIPTORS = 2**16
"""More than the keeper ever has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a forked process does, what lists of processes show of it, and where its standard error goes."""

    name: str
    title: str
    main: Callable[[], int]
    env: Mapping[str, str]
    log_file: Path


class Forked:
    """One process in a session of its own, with pipes to its standard input and from its standard output."""

    def __init__(self, program: Program) -> None:
        """Start it. Unlike an exec'd one it sees this process's memory as it is now."""
        its_input, self.stdin = os.pipe()
        self.stdout, its_output = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become(program, its_input, its_output)
        os.close(its_input)
        os.close(its_output)
        os.set_blocking(self.stdout, False)
        self._code: int | None = None
        self._pidfd = open_pidfd(self.pid)

    def poll(self) -> int | None:
        """Its exit code once it has ended (minus the signal's number where that ended it); reaps it."""
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # reaped by another's hand
                pid, status = self.pid, 0
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within that time."""
        if self._pidfd >= 0 and self.poll() is None:
            select.select([self._pidfd], [], [], seconds)
        else:
            left = seconds
            while self.poll() is None and left > 0:
                select.select([], [], [], _LOOK_SECONDS)
                left -= _LOOK_SECONDS
        return self.poll() is not None

    def kill(self) -> None:
        """End it by force, and wait until it is gone."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait(10.0)

    def close_input(self) -> None:
        """End its standard input; again, nothing happens."""
        self.stdin = _closed(self.stdin)

    def close(self) -> None:
        """Give back the pipes."""
        self.close_input()
        self.stdout = _closed(self.stdout)
        self._pidfd = _closed(self._pidfd)


def _closed(descriptor: int) -> int:
    if descriptor >= 0:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    return -1


def _become(program: Program, standard_input: int, standard_output: int) -> NoReturn:
    """Be the program, from the frames of the process that was forked, into which nothing returns.

    They keep alive what would otherwise be collected here and close descriptors that by then are others'.
    """
    code = 1
    try:
        os.setsid()
        for signum in _SIGNALS:
            signal.signal(signum, signal.SIG_DFL)
        log = os.open(program.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor, place in ((standard_input, 0), (standard_output, 1), (log, 2)):
            os.dup2(descriptor, place)
        os.closerange(3, _DESCRIPTORS)  # the others' pipes: they end when all ends are closed
        sys.stdout, sys.stderr = (open(place, "w", closefd=False) for place in (1, 2))  # noqa: SIM115 - for ever
        os.environ.clear()
        os.environ.update(program.env)
        logging.root.handlers.clear()
        show_as(program.title)
        code = program.main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
