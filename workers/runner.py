"""What runs tasks, as the agent sees it: hand over tasks, ask them to stop, hear how they ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from omegacell.cellstate.model import AttemptState, Ended, Placement, Stop, TaskDefinition


class TaskKey(NamedTuple):
    """One attempt of one task on one machine's epoch: what a report is compared with, never used twice."""

    job_id: int
    first_index: int
    attempt: int
    machine_id: int
    epoch: int

    def __str__(self) -> str:
        """As users write it: j7.3#1."""
        return f"j{self.job_id}.{self.first_index}#{self.attempt}"


def key_of(report: Placement | Ended) -> TaskKey:
    """The key that a placement or a report is about."""
    return TaskKey(report.job_id, report.first_index, report.attempt, report.machine_id, report.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task ready to run. `input` is its own data; meaningful if definition.has_inputs."""

    key: TaskKey
    machine: str
    definition: TaskDefinition
    input: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettings:
    """Where and how tasks run on this host.

    `base_env` is what every task's environment starts from. `grace_seconds` lies between the polite
    signal and the one that cannot be ignored.
    """

    log_directory: Path
    base_env: dict[str, str]
    log_tail_bytes: int = 16 * 2**10
    result_limit_bytes: int = 16 * 2**20
    grace_seconds: float = 5.0


EndedHandler = Callable[[Sequence[Ended]], None]
"""Called from the runner's own thread, with everything that ended in one round."""


class Runner(Protocol):
    """Runs tasks until they end or are stopped. Every method returns at once; ends come by the handler."""

    def start(self, tasks: Sequence[Task]) -> None:
        """Run these. One that cannot start ends as START_FAILED."""
        ...

    def stop(self, key: TaskKey, stop: Stop) -> None:
        """Terminate, then kill after the grace; it ends as CANCELLED or PREEMPTED. No effect if unknown."""
        ...

    def kill(self, keys: Sequence[TaskKey]) -> None:
        """Kill at once, without grace; how they end is nobody's concern any more."""
        ...

    def kill_all(self) -> None:
        """Kill whatever was handed over before, and what is kept warm."""
        ...

    def lease_until(self, boottime: float) -> None:
        """Nothing may run past this time of CLOCK_BOOTTIME unless a later one is told before."""
        ...

    def idle(self, timeout_seconds: float) -> bool:
        """Wait until nothing runs; False if something still does after the timeout."""
        ...

    def close(self) -> None:
        """Kill what runs and give everything back."""
        ...


def ended(
    task: Task,
    state: AttemptState,
    *,
    exit_code: int = -1,
    started_at: float = 0.0,
    ended_at: float = 0.0,
    result: bytes = b"",
    error: str = "",
    stdout_tail: str = "",
    stderr_tail: str = "",
) -> Ended:
    """The report of a task's end; a time of 0 means now."""
    now = ended_at or time.time()
    return Ended(
        job_id=task.key.job_id,
        first_index=task.key.first_index,
        attempt=task.key.attempt,
        machine_id=task.key.machine_id,
        epoch=task.key.epoch,
        state=state,
        exit_code=exit_code,
        started_at=started_at or now,
        ended_at=now,
        result=result,
        error=printable(error),
        stdout_tail=printable(stdout_tail),
        stderr_tail=printable(stderr_tail),
    )


def stopped_state(stop: Stop) -> AttemptState:
    """How a task that was asked to stop ends."""
    return AttemptState.PREEMPTED if stop is Stop.PREEMPT else AttemptState.CANCELLED


def printable(text: str) -> str:
    """Text that the store can keep: no NUL characters and no lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
