"""The questions of a health check: a command and an HTTP GET, neither of which anybody waits for."""

from __future__ import annotations

import errno
import os
import shlex
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from omegacell.workers.groups import describe_exit
from omegacell.workers.short_command import ShortCommand
from omegacell.workers.watcher import READ, WRITE, Timer, Watcher
from omegacell.workers.workplace import Workplace

_HEAD_BYTES = 4096
_ANSWER_BYTES = 2**16
_LINE_CHARACTERS = 500
_GOOD = range(200, 400)

Answered = Callable[[str], None]
"""Called once with "" for a good answer, else with what was wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The task that is asked: its environment and directory, and the port it is asked at (0: by command)."""

    environment: Mapping[str, str]
    cwd: str
    port: int


class Question(Protocol):
    """One that was asked."""

    def close(self) -> None:
        """Give it up, or what is left of its answer; nothing is called back any more."""
        ...


class CommandQuestion:
    """A command that says by its exit code 0 that all is well."""

    def __init__(
        self,
        workplace: Workplace,
        command: tuple[str, ...],
        subject: Subject,
        timeout_seconds: float,
        answered: Answered,
    ) -> None:
        self._words = shlex.join(command)
        self._timeout_seconds = timeout_seconds
        self._answered = answered
        self._timer: Timer | None = None
        self._command: ShortCommand | None = None
        try:
            self._command = ShortCommand(
                workplace,
                command,
                env=subject.environment,
                cwd=subject.cwd,
                timeout_seconds=timeout_seconds,
                ended=self._ended,
            )
        except (OSError, ValueError) as error:
            sentence = f"{self._words} could not be started: {error}"
            # Not from within the constructor: whoever asks does not hold the question yet.
            self._timer = workplace.watcher.later(0.0, lambda: answered(sentence))

    def close(self) -> None:
        """As Question."""
        if self._timer is not None:
            self._timer.cancel()
        if self._command is not None:
            self._command.kill()

    def _ended(self, code: int, said: str) -> None:
        if self._command is not None and self._command.late:
            self._answered(f"no answer within {self._timeout_seconds:g} s from {self._words}")
        elif code == 0:
            self._answered("")
        else:
            lines = said.strip().splitlines()
            last = f": {lines[-1].strip()[:_LINE_CHARACTERS]}" if lines else ""
            self._answered(f"{describe_exit(code)} from {self._words}{last}")


class HttpQuestion:
    """A GET whose status says it. The answer counts with its status line; what follows is read and dropped."""

    def __init__(
        self, watcher: Watcher, port: int, path: str, timeout_seconds: float, answered: Answered
    ) -> None:
        self._watcher = watcher
        self._url = f"http://127.0.0.1:{port}{path}"
        self._timeout_seconds = timeout_seconds
        self._answered: Answered | None = answered
        self._unsent = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: omegacell\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n"
        ).encode()
        self._head = bytearray()
        self._received = 0
        self._timer: Timer = watcher.later(timeout_seconds, self._timed_out)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        failed = self._socket.connect_ex(("127.0.0.1", port))
        if failed not in {0, errno.EINPROGRESS}:
            watcher.later(0.0, lambda: self._end(f"{os.strerror(failed)} at {self._url}"))
        else:
            watcher.watch(self._socket.fileno(), WRITE, self._send)

    def close(self) -> None:
        """As Question."""
        self._answered = None
        self._hang_up()

    def _send(self) -> None:
        failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            self._end(f"{os.strerror(failed)} at {self._url}")
            return
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except OSError as error:
            self._end(f"{error.strerror} at {self._url}")
            return
        if not self._unsent:
            self._watcher.watch(self._socket.fileno(), READ, self._receive)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_ANSWER_BYTES)
        except OSError as error:
            self._end(f"{error.strerror} at {self._url}")
            return
        self._received += len(data)
        if self._answered is not None:
            self._head += data
            if b"\n" in self._head or len(self._head) > _HEAD_BYTES or not data:
                self._say(_judged(bytes(self._head), self._url))
        if not data or self._received > _ANSWER_BYTES:
            self._hang_up()

    def _timed_out(self) -> None:
        self._end(f"no answer within {self._timeout_seconds:g} s from {self._url}")

    def _end(self, wrong: str) -> None:
        self._hang_up()
        self._say(wrong)

    def _say(self, wrong: str) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(wrong)

    def _hang_up(self) -> None:
        self._timer.cancel()
        if self._socket.fileno() >= 0:
            self._watcher.forget(self._socket.fileno())
            self._socket.close()


def _judged(head: bytes, url: str) -> str:
    """What is wrong with an answer that begins so; "" if nothing is."""
    words = head.split(b"\n", 1)[0].split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return f"no HTTP answer from {url}"
    status = int(words[1])
    return "" if status in _GOOD else f"HTTP {status} from {url}"
