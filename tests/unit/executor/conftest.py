"""A cell in memory that places and runs what is submitted: one scheduler and one agent in threads, told by hints."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from omegacell.cellstate.clock import SystemClock
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.model import Amounts, MachineSpec
from omegacell.client.cell import Cell
from omegacell.client.waiting import Pauses
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.loop import Loop
from omegacell.workers.agent import Agent, AgentSettings
from omegacell.workers.environment import base_environment
from omegacell.workers.processes import ProcessRunner
from omegacell.workers.runner import ReportHandler, Runner, RunnerSettings

MACHINE_CPUS = 3
PATIENCE_SECONDS = 20.0


class Bus:
    """Hints between threads."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def send(self, topic: str) -> None:
        """Tell whoever waits for the topic."""
        for one in self._listeners:
            one.hear(topic)

    def listener(self, *topics: str) -> Listener:
        """Somebody who waits for these."""
        self._listeners.append(Listener(topics))
        return self._listeners[-1]


class Listener:
    """As cellstate.hints.Listener, without a database."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics
        self._news = threading.Event()
        self._heard: set[str] = set()

    def hear(self, topic: str) -> None:
        """There is news of a topic."""
        if topic in self._topics:
            self._heard.add(topic)
            self._news.set()

    def wait(self, timeout_seconds: float) -> bool:
        """Whether there is news since the last call."""
        came = self._news.wait(timeout_seconds)
        self._news.clear()
        return came

    def heard(self, topic: str) -> bool:
        """Whether there was news of the topic since this was asked last."""
        found = topic in self._heard
        self._heard.discard(topic)
        return found


class LivingCell(Cell):
    """A cell whose machine can be reached from tests."""

    log_directory: Path


@contextmanager
def living_cell(log_directory: Path) -> Iterator[LivingCell]:
    """The client's side of a cell of one machine, which is found in order afterwards."""
    store, bus = MemoryStore(SystemClock()), Bus()
    loop = Loop(
        store,
        BatchScheduler,
        name="s",
        rng=np.random.default_rng(1),
        wakeup=bus.listener("jobs"),
        announce=bus.send,
    )
    runner = RunnerSettings(
        log_directory=log_directory, base_env=base_environment(os.environ), grace_seconds=0.3
    )

    def make_runner(handler: ReportHandler) -> Runner:
        return ProcessRunner("w", runner, handler)

    capacity = Amounts(cpu_milli=1000 * MACHINE_CPUS, memory_bytes=2**40, disk_bytes=2**40)
    agent = Agent(
        store,
        AgentSettings(
            name="w",
            machines=(MachineSpec(name="m", capacity=capacity),),
            lease_seconds=10.0,
            poll_seconds=0.5,
            log_directory=str(log_directory),
        ),
        make_runner,
        hints=bus,
        listener=bus.listener("placements"),
    )
    threads = [threading.Thread(target=target, daemon=True) for target in (loop.run, agent.run)]
    for thread in threads:
        thread.start()
    try:
        assert agent.wait_ready(PATIENCE_SECONDS)
        assert loop.wait_ready(PATIENCE_SECONDS)
        cell = LivingCell(store, pauses=Pauses(0.02), announce=bus.send)
        cell.log_directory = log_directory
        yield cell
        assert store.check() == ()
    finally:
        loop.stop()
        agent.stop()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)


@pytest.fixture(scope="package")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivingCell]:
    """One for all tests of this folder."""
    with living_cell(tmp_path_factory.mktemp("logs")) as cell:
        yield cell
