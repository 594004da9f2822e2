"""What connects the agent with one warm process: frames both ways, permissions to begin, and a bell.

The naive way, one socket that wakes the agent at every answer, costs as much as a short task. So the process
sends each answer at once, before it begins the next task, and the agent does not look: a bell of its own
wakes it when a slot is over. Nothing that has ended can be lost then, however the process dies. To look
earlier, and to take tasks back that have not begun, must not race with the process beginning one: for each
task but a slot's first lies one byte in a pipe, which either the process takes or the agent takes back. The
process rings once for all it was sent in one go; before, nothing more must be sent.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Sequence

from omegacell.workers import pool_process
from omegacell.workers.watcher import READ, WRITE, Watcher

_READ_BYTES = 2**18


class Channel:
    """The agent's end. `heard` is called when there is something to look at. Watcher's thread only.

    `theirs` are the descriptors of the process's end, in the order of its arguments; close_theirs() once
    it has them.
    """

    def __init__(self, watcher: Watcher, heard: Callable[[], None]) -> None:
        self._watcher = watcher
        self._heard = heard
        self._received = bytearray()
        self._unsent = bytearray()
        self._attentive = False
        self._unfinished = 0
        self._up_at = math.inf
        self._socket, theirs = socket.socketpair()
        self._permits, self._permit = os.pipe()
        self._bell, bell = os.pipe()
        for descriptor in (self._socket.fileno(), self._permits, self._permit, self._bell):
            os.set_blocking(descriptor, False)
        self._closed = False
        self._to_close = (theirs.detach(), bell)
        self.theirs = (self._to_close[0], self._permits, bell)
        watcher.watch(self._bell, READ, self._rung)

    @property
    def up_at(self) -> float:
        """When the process began to listen (CLOCK_MONOTONIC), math.inf before."""
        return self._up_at

    @property
    def free(self) -> bool:
        """Whether the process is done with everything it was sent, and will take no permission meant for more."""
        return self._unfinished <= 0

    def close_theirs(self) -> None:
        """The process has its own copies."""
        for descriptor in self._to_close:
            os.close(descriptor)

    def send(self, messages: Sequence[tuple[object, ...]], tasks: int) -> None:
        """Send a frame that asks for so many tasks, with the permissions to run them all."""
        self._attentive = False
        self._unfinished += 1
        os.write(self._permit, b"\0" * (tasks - 1))
        self._unsent += pool_process.frame(list(messages))
        self._flush()

    def take_back(self) -> int:
        """How many tasks have not begun, and will not."""
        if self._closed:
            return 0
        try:
            return len(os.read(self._permits, _READ_BYTES))
        except BlockingIOError:
            return 0

    def attend(self) -> None:
        """From now on hear each answer as it comes, until more is sent."""
        self._attentive = True
        self._watch()

    def answers(self) -> list[pool_process.Answer]:
        """Everything that was answered and not yet taken."""
        while not self._closed:
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except ConnectionError:
                data = b""
            if not data:
                self._attentive = False  # nothing will come, and the end can be read for ever
                self._watch()
                break
            self._received += data
        answers: list[pool_process.Answer] = pool_process.split_frames(self._received)
        return answers

    def hang_up(self) -> None:
        """Close it; the process ends when it next looks."""
        if self._closed:
            return
        self._closed = True
        for descriptor in (self._bell, self._socket.fileno()):
            self._watcher.forget(descriptor)
        self._socket.close()
        for descriptor in (self._bell, self._permits, self._permit):
            os.close(descriptor)

    def _rung(self) -> None:
        rings = os.read(self._bell, _READ_BYTES)
        if not rings:
            # The process has closed its end or is gone; its exit tells the rest.
            self._watcher.forget(self._bell)
            return
        if pool_process.READY in rings:
            self._up_at = time.monotonic()
        self._unfinished = max(0, self._unfinished - rings.count(pool_process.OVER))
        if pool_process.FULL in rings:
            self.attend()
        self._heard()

    def _ready(self) -> None:
        if self._unsent:
            self._flush()
        if self._attentive:
            self._heard()

    def _flush(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(self._unsent)  # it has died; its exit tells the rest
        del self._unsent[:sent]
        self._watch()

    def _watch(self) -> None:
        events = (READ if self._attentive else 0) | (WRITE if self._unsent else 0)
        if events:
            self._watcher.watch(self._socket.fileno(), events, self._ready)
        else:
            self._watcher.forget(self._socket.fileno())
