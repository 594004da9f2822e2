"""A live loop on a memory store: in a thread, with a bell, on a store that fails on demand."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.loop import Loop
from omegacell.schedulers.policies.first_fit import FirstFit
from omegacell.schedulers.policy import CellView, Plan, Request
from tests.unit.schedulers.builders import MemoryCell

PATIENCE_SECONDS = 20.0
SLOW_POLL = SchedulerConfig(poll_seconds=60.0)


class Bell:
    """A Wakeup that rings when told to."""

    def __init__(self) -> None:
        self._rung: queue.Queue[str] = queue.Queue()
        self._heard: set[str] = set()

    def ring(self, topic: str = "jobs") -> None:
        self._rung.put(topic)

    def wait(self, timeout_seconds: float) -> bool:
        try:
            self._heard.add(self._rung.get(timeout=timeout_seconds))
        except queue.Empty:
            return False
        return True

    def heard(self, topic: str) -> bool:
        met = topic in self._heard
        self._heard.discard(topic)
        return met


class Flaky:
    """A store that raises on demand, or lets something happen `after` a call; all else is the store's own."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.failing: dict[str, Exception] = {}
        self.after: dict[str, Callable[[], None]] = {}
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any, **named: Any) -> Any:
            self.called.append(name)
            if name in self.failing:
                raise self.failing[name]
            answer = method(*args, **named)
            self.after.pop(name, lambda: None)()
            return answer

        return call


@contextmanager
def running(cell: MemoryCell, store: Any = None, name: str = "s-1", **more: Any) -> Iterator[Loop]:
    """A loop in a thread, stopped in the end."""
    loop = Loop(
        store or cell.store, BatchScheduler, name=name, rng=np.random.default_rng(1), clock=cell.clock, **more
    )
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact, with a deadline."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not fact():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


class Slow:
    """A policy that thinks until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        assert self.go_on.wait(PATIENCE_SECONDS)
        return FirstFit().place(request, cell, rng)
