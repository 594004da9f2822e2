"""Builders for slots of one task or several, and a runner whose reports can be waited for."""

from __future__ import annotations

import itertools
import os
import queue
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle

from omegacell.cellstate.model import NO_HEALTH, Amounts, Ended, Health, Stop, TaskDefinition, TaskKind
from omegacell.workers.environment import base_environment
from omegacell.workers.processes import ProcessRunner
from omegacell.workers.runner import Report, RunnerSettings, Running, Slot, SlotKey, Word

PATIENCE_SECONDS = 20.0
_job_ids = itertools.count(1)


def definition(
    *,
    kind: TaskKind = TaskKind.COMMAND,
    command: Sequence[str] = (),
    payload: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str = "",
    timeout_seconds: float = 0.0,
    cpu_milli: int = 1000,
    memory_bytes: int = 0,
    has_inputs: bool = False,
    ports: Mapping[str, int] | None = None,
    health: Health = NO_HEALTH,
) -> TaskDefinition:
    """A task definition of a job of its own."""
    return TaskDefinition(
        job_id=next(_job_ids),
        name="test",
        kind=kind,
        command=tuple(command),
        payload=payload,
        env=env or {},
        cwd=cwd,
        timeout_seconds=timeout_seconds,
        expected_duration_seconds=0.0,
        amounts=Amounts(cpu_milli=cpu_milli, memory_bytes=memory_bytes),
        task_count=1,
        has_inputs=has_inputs,
        service=False,
        ports=tuple(sorted((ports or {}).items())),
        health=health,
    )


def task(of: TaskDefinition, data: bytes = b"", index: int = 0, attempt: int = 1) -> Slot:
    """A slot of one task of that definition."""
    return slot(of, 1, index=index, attempt=attempt, inputs=(data,) if of.has_inputs else ())


def slot(
    of: TaskDefinition,
    count: int,
    *,
    index: int = 0,
    attempt: int = 1,
    inputs: Sequence[bytes] = (),
    devices: tuple[int, ...] = (),
) -> Slot:
    """A slot of `count` tasks of that definition, from `index` on."""
    key = SlotKey(job_id=of.job_id, first_index=index, attempt=attempt, machine_id=1, epoch=1)
    return Slot(
        key=key,
        machine="m0",
        definition=of,
        count=count,
        inputs=inputs,
        devices=devices,
        host_devices=devices,
    )


def shells(script: str, count: int, *, index: int = 0, **fields: Any) -> Slot:
    """A slot of commands that each run this script."""
    return slot(definition(command=["/bin/sh", "-c", script], **fields), count, index=index)


def calls(function: Callable[..., object], *arguments: object, **fields: Any) -> Slot:
    """A slot of tasks that each call the function with one of these arguments."""
    made = definition(kind=TaskKind.FUNCTION, payload=cloudpickle.dumps(function), has_inputs=True, **fields)
    return slot(made, len(arguments), inputs=[cloudpickle.dumps(((one,), {})) for one in arguments])


def shell(script: str, *, item: str | None = None, **fields: Any) -> Slot:
    """A command task that runs a shell script."""
    made = definition(command=["/bin/sh", "-c", script], has_inputs=item is not None, **fields)
    return task(made, (item or "").encode())


def command(*words: str, item: str | None = None, **fields: Any) -> Slot:
    """A command task of these words."""
    made = definition(command=words, has_inputs=item is not None, **fields)
    return task(made, (item or "").encode())


def call(function: Callable[..., object], *args: object, **fields: Any) -> Slot:
    """A task that calls a function with these arguments, pickled by value."""
    payload = cloudpickle.dumps(function)
    made = definition(kind=TaskKind.FUNCTION, payload=payload, has_inputs=True, **fields)
    return task(made, cloudpickle.dumps((args, {})))


class Bench:
    """A real runner, and what it has reported."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self.running: queue.SimpleQueue[Running] = queue.SimpleQueue()
        self.settings = RunnerSettings(
            log_directory=directory, base_env=base_environment(os.environ), **settings
        )
        self.runner = ProcessRunner("bench", self.settings, self._collect)

    def _collect(self, words: Sequence[Word]) -> None:
        for word in words:
            if isinstance(word, Running):
                self.running.put(word)
            else:
                self.reports.put(word)

    def run(self, *slots: Slot) -> Ended:
        """Run slots of one task, and return the end of the last to end."""
        return self.run_all(*slots)[-1]

    def run_all(self, *slots: Slot) -> list[Ended]:
        """Run slots of one task, and return their ends in the order they came."""
        self.runner.start(slots)
        return [self.next_end() for _ in slots]

    def report(self, slot: Slot) -> Report:
        """Run the slot, and return its first report."""
        self.runner.start([slot])
        return self.next_report()

    def stop(self, slot: Slot, stop: Stop) -> Report:
        """Stop the slot, and return its next report."""
        self.runner.stop(slot.key, stop)
        return self.next_report()

    def next_end(self) -> Ended:
        """The end of the next slot of one task."""
        (end,) = self.next_report().ended
        return end

    def next_running(self) -> Running:
        """The next slot that told its start, or a failure if none does."""
        return self.running.get(timeout=PATIENCE_SECONDS)

    def next_report(self) -> Report:
        """The next report, or a failure if none comes."""
        return self.reports.get(timeout=PATIENCE_SECONDS)


def until(condition: Callable[[], object], what: str | Callable[[], str]) -> None:
    """Return when the condition holds; fail if it does not in good time, with what is so then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        late = time.monotonic() >= deadline
        assert not late, f"not within {PATIENCE_SECONDS} s: {what if isinstance(what, str) else what()}"
        time.sleep(0.005)


def text_of(path: Path) -> str:
    """The file's text, "" while it is not there."""
    return path.read_text() if path.exists() else ""


def runs(pid: int) -> bool:
    """Whether a process of that id runs and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


PYTHON = sys.executable
