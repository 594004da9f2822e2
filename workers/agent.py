"""The agent: one process that serves one machine or several, or thousands of hollow ones.

The pipeline, one file each: registration (the lease, an earlier incarnation proven dead or waited for) ->
session (one registration's life) -> lease (renewed in its own thread) -> pull -> reconcile (what to start
and stop) -> runner (processes, or hollow; slots: one task after another) -> ledger (what ended) -> report.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from omegacell.cellstate.model import MachineSpec, RegisteredMachine, WorkerSpec
from omegacell.workers.cordon import Cordon
from omegacell.workers.host import boot_id, host_name
from omegacell.workers.registration import AgentStore, register
from omegacell.workers.report import HintSender, NoHints
from omegacell.workers.runner import ReportHandler, Runner, Word
from omegacell.workers.session import Session

log = logging.getLogger(__name__)


class HintListener(Protocol):
    """Waits for the hint that placements were made, or that somebody wants to read a log."""

    def wait(self, timeout_seconds: float) -> bool:
        """Whether a hint came before the timeout."""
        ...

    def heard(self, topic: str) -> bool:
        """Whether it was on this topic, among others; once."""
        ...


class NoListener:
    """For poll-only cells: only the poll interval wakes the agent."""

    def wait(self, timeout_seconds: float) -> bool:
        """No hint ever comes."""
        threading.Event().wait(timeout_seconds)
        return False

    def heard(self, topic: str) -> bool:
        """Nothing ever is."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What one agent is: its name, machines and times. `log_directory` and `address` are told to the store."""

    name: str
    machines: tuple[MachineSpec, ...]
    lease_seconds: float = 10.0
    poll_seconds: float = 1.0
    log_directory: str = ""
    address: str = ""


@dataclass(slots=True)
class _Current:
    """What the runner's thread and callers may ask for at any time."""

    machines: tuple[RegisteredMachine, ...] = ()
    worker_id: int = 0
    report: ReportHandler = field(default=lambda words: None)


class Agent:
    """Registers, serves, and registers again after a lost lease, until stopped."""

    def __init__(
        self,
        store: AgentStore,
        settings: AgentSettings,
        make_runner: Callable[[ReportHandler], Runner],
        *,
        hints: HintSender | None = None,
        listener: HintListener | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._hints = hints or NoHints()
        self._listener = listener or NoListener()
        self._current = _Current()
        self._ready = threading.Event()
        self._wake = threading.Event()
        self._asked = threading.Event()
        self._stopping = threading.Event()
        self._cordon = Cordon(store)
        self._runner = make_runner(self._report)

    @property
    def runner(self) -> Runner:
        """What runs the tasks."""
        return self._runner

    @property
    def machines(self) -> tuple[RegisteredMachine, ...]:
        """As last registered; empty before."""
        return self._current.machines

    @property
    def worker_id(self) -> int:
        """As last registered; 0 before."""
        return self._current.worker_id

    def wait_ready(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the machines are up."""
        return self._ready.wait(timeout_seconds)

    def stop(self) -> None:
        """End in good order: tasks are terminated, the machines given back. Returns at once."""
        self._stopping.set()
        self._wake.set()

    def take_no_more(self) -> None:
        """Have nothing more placed on its machines until it ends; what runs runs on."""
        self._cordon.put_up({machine.machine_id for machine in self._current.machines})

    def run(self) -> None:
        """Serve until stopped; nothing runs afterwards."""
        threading.Thread(target=self._listen, name="hints", daemon=True).start()
        try:
            while not self._stopping.is_set():
                self._serve_one_registration()
        finally:
            self._stopping.set()
            self._ready.clear()
            self._cordon.take_down()
            self._runner.close()

    def _serve_one_registration(self) -> None:
        settings = self._settings
        spec = WorkerSpec(
            name=settings.name,
            host=host_name(),
            boot_id=boot_id(),
            pid=os.getpid(),
            log_directory=settings.log_directory,
            address=settings.address,
        )
        registration = register(
            self._store,
            spec,
            settings.machines,
            lease_seconds=settings.lease_seconds,
            stopping=self._stopping,
        )
        if registration is None:
            return
        session = Session(
            self._store,
            registration,
            self._runner,
            self._hints,
            wake=self._wake,
            asked=self._asked,
            stopping=self._stopping,
            poll_seconds=settings.poll_seconds,
            log_directory=settings.log_directory,
        )
        self._current = _Current(
            machines=registration.machines, worker_id=registration.lease.holder_id, report=session.report
        )
        log.info("worker %s serves %d machines", settings.name, len(registration.machines))
        self._ready.set()
        session.run()

    def _report(self, words: Sequence[Word]) -> None:
        self._current.report(words)

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                hinted = self._listener.wait(self._settings.poll_seconds)
            except Exception as error:
                # Without hints the poll interval still finds everything.
                log.warning("waiting for hints failed: %s", error)
                self._stopping.wait(self._settings.poll_seconds)
            else:
                if hinted and self._listener.heard("logs"):
                    self._asked.set()
                if hinted and self._listener.heard("placements"):
                    self._wake.set()
