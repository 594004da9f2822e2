"""A cell in memory with real agents in threads, and a scheduler of three lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from omegacell.cellstate.clock import SystemClock
from omegacell.cellstate.errors import StoreUnavailable
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.model import (
    Amounts,
    Ended,
    Holdings,
    JobSpec,
    JobStatus,
    Kept,
    MachineSpec,
    Outcome,
    Placement,
    Submission,
    TaskKind,
    Transaction,
    Victims,
)
from omegacell.workers.agent import Agent, AgentSettings
from omegacell.workers.environment import base_environment
from omegacell.workers.processes import ProcessRunner
from omegacell.workers.runner import ReportHandler, Runner, RunnerSettings
from tests.unit.workers.tasks import PATIENCE_SECONDS, until


class Hint:
    """Wakes the agent at once: both ends of a hint, in memory."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.sent: list[str] = []

    def send(self, topic: str) -> None:
        """Note what the agent tells others."""
        self.sent.append(topic)

    def announce(self) -> None:
        """Tell the agent that placements were made."""
        self._event.set()

    def wait(self, timeout_seconds: float) -> bool:
        """As a Listener's."""
        came = self._event.wait(timeout_seconds)
        self._event.clear()
        return came

    def heard(self, topic: str) -> bool:
        """As a Listener's."""
        return topic in ("placements", "logs")


class FlakyStore(MemoryStore):
    """A cell in memory that can be made to seem away."""

    away = False

    def _meet(self) -> None:
        if self.away:
            raise StoreUnavailable("the store is away, for a test; bring it back")

    def renew_worker(self, worker_id: int, token: int) -> float:
        """As the store's."""
        self._meet()
        return super().renew_worker(worker_id, token)

    def pull(self, worker_id: int, token: int, known: Any) -> tuple[Holdings, ...]:
        """As the store's."""
        self._meet()
        return super().pull(worker_id, token, known)

    def report_ended(
        self, worker_id: int, token: int, ended: Sequence[Ended], *, kept: Sequence[Kept] = ()
    ) -> tuple[bool, ...]:
        """As the store's."""
        self._meet()
        return super().report_ended(worker_id, token, ended, kept=kept)


class SmallCell:
    """A store, its agents, and what a test wants to do with them."""

    def __init__(self, log_directory: Path) -> None:
        self.store = FlakyStore(SystemClock())
        self.hint = Hint()
        self.log_directory = log_directory
        self.agents: list[tuple[Agent, threading.Thread]] = []
        self._scheduler = self.store.register_scheduler("s", "batch", lease_seconds=3600)

    def start_agent(
        self, name: str = "w", *, lease_seconds: float = 5.0, machines: int = 1, make_runner: Any = None
    ) -> Agent:
        """An agent that serves machines of 100 CPUs and 4 devices, ready."""
        capacity = Amounts(cpu_milli=100_000, memory_bytes=2**40, disk_bytes=2**40, gpu_milli=4000)
        specs = tuple(MachineSpec(name=f"{name}-{n}", capacity=capacity) for n in range(machines))
        settings = AgentSettings(
            name=name,
            machines=specs,
            lease_seconds=lease_seconds,
            poll_seconds=0.05,
            log_directory=str(self.log_directory),
        )
        agent = Agent(
            self.store,
            settings,
            make_runner or self._process_runner(name),
            hints=self.hint,
            listener=self.hint,
        )
        thread = threading.Thread(target=agent.run, name=f"agent {name}")
        self.agents.append((agent, thread))
        thread.start()
        assert agent.wait_ready(PATIENCE_SECONDS)
        return agent

    def _process_runner(self, name: str) -> Any:
        settings = RunnerSettings(
            log_directory=self.log_directory, base_env=base_environment(os.environ), grace_seconds=0.3
        )

        def make(handler: ReportHandler) -> Runner:
            return ProcessRunner(name, settings, handler)

        return make

    def submit(self, *command: str, tasks: int = 1, inputs: tuple[bytes, ...] = (), **fields: Any) -> int:
        """A job of commands (unless `fields` say otherwise), not yet placed."""
        kind = fields.pop("kind", TaskKind.COMMAND)
        amounts = fields.pop("amounts", Amounts(cpu_milli=100))
        spec = JobSpec(
            name="job",
            kind=kind,
            command=command,
            task_count=tasks,
            amounts=amounts,
            **fields,
        )
        submission = Submission(submission_id=uuid4(), spec=spec, inputs=inputs)
        return self.store.submit([submission])[0].job_id

    def place(
        self,
        job_id: int,
        machine_id: int = 0,
        *,
        tasks: int = 1,
        slots: int = 0,
        victims: Sequence[Placement] = (),
    ) -> None:
        """Place everything the job has to place on one machine (the first), and wake the agent.

        In slots of `tasks` each; only `slots` of them if that is said; in the place of these victims.
        """
        lease = self._scheduler
        claimed = self.store.claim_jobs(lease.holder_id, lease.token, limit=100)
        pending = next(job.pending for job in claimed if job.job_id == job_id)
        machine = machine_id or self.store.machines()[0].machine_id
        wanted = slots or -(-pending // tasks)
        verdict = self.store.commit(
            Transaction(
                txn_id=uuid4(),
                scheduler_id=lease.holder_id,
                token=lease.token,
                job_id=np.array([job_id], dtype=np.int64),
                machine_id=np.array([machine], dtype=np.int64),
                slots=np.array([wanted], dtype=np.int64),
                claim_sequence=np.array([0], dtype=np.int64),
                tasks=np.array([tasks], dtype=np.int64),
                victims=Victims(
                    claim=np.zeros(len(victims), dtype=np.int64),
                    job_id=np.array([victim.job_id for victim in victims], dtype=np.int64),
                    first_index=np.array([victim.first_index for victim in victims], dtype=np.int64),
                    attempt=np.array([victim.attempt for victim in victims], dtype=np.int64),
                ),
            )
        )
        assert int(verdict.accepted[0]) == wanted
        self.hint.announce()

    def run(self, *command: str, **fields: Any) -> JobStatus:
        """Submit, place (in slots of `slot` tasks), and wait for the end.

        What a slow host makes a slot give back is placed again, as a scheduler would.
        """
        slot = fields.pop("slot", 1)
        job_id = self.submit(*command, **fields)
        self.place(job_id, tasks=slot)

        def ended() -> bool:
            status = self.store.job(job_id)
            if status.waiting_retry:
                self.place(job_id)
            return status.state.final

        until(ended, lambda: f"end of {self.store.job(job_id)}")
        return self.store.job(job_id)

    def end_of(self, job_id: int) -> JobStatus:
        """Wait for the job's end."""
        until(lambda: self.store.job(job_id).state.final, lambda: f"end of {self.store.job(job_id)}")
        return self.store.job(job_id)

    def outcome(self, job_id: int, index: int = 0) -> Outcome:
        """How the last attempt of a task ended; waits for the first."""
        until(lambda: self.store.outcomes(job_id, task_indexes=[index]), f"an outcome of job {job_id}")
        return self.store.outcomes(job_id, task_indexes=[index])[-1]

    def close(self) -> None:
        """Stop the agents, and find the cell in order."""
        self.store.away = False
        for agent, _ in self.agents:
            agent.stop()
        for _, thread in self.agents:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), f"{thread.name} did not stop"
        assert self.store.check() == ()
