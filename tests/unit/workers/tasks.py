"""Builders for tasks, and a runner whose ends can be waited for."""

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

from omegacell.cellstate.model import Amounts, Ended, TaskDefinition, TaskKind
from omegacell.workers.environment import base_environment
from omegacell.workers.processes import ProcessRunner
from omegacell.workers.runner import RunnerSettings, Task, TaskKey

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
    has_inputs: bool = False,
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
        amounts=Amounts(cpu_milli=cpu_milli),
        task_count=1,
        has_inputs=has_inputs,
        service=False,
    )


def task(of: TaskDefinition, data: bytes = b"", index: int = 0, attempt: int = 1) -> Task:
    """One task of that definition."""
    key = TaskKey(job_id=of.job_id, first_index=index, attempt=attempt, machine_id=1, epoch=1)
    return Task(key=key, machine="m0", definition=of, input=data)


def shell(script: str, *, item: str | None = None, **fields: Any) -> Task:
    """A command task that runs a shell script."""
    made = definition(command=["/bin/sh", "-c", script], has_inputs=item is not None, **fields)
    return task(made, (item or "").encode())


def command(*words: str, item: str | None = None, **fields: Any) -> Task:
    """A command task of these words."""
    made = definition(command=words, has_inputs=item is not None, **fields)
    return task(made, (item or "").encode())


def call(function: Callable[..., object], *args: object, **fields: Any) -> Task:
    """A task that calls a function with these arguments, pickled by value."""
    payload = cloudpickle.dumps(function)
    made = definition(kind=TaskKind.FUNCTION, payload=payload, has_inputs=True, **fields)
    return task(made, cloudpickle.dumps((args, {})))


class Bench:
    """A real runner, and the ends it has reported."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.ends: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self.settings = RunnerSettings(
            log_directory=directory, base_env=base_environment(os.environ), **settings
        )
        self.runner = ProcessRunner("bench", self.settings, self._collect)

    def _collect(self, ends: Sequence[Ended]) -> None:
        for end in ends:
            self.ends.put(end)

    def run(self, *tasks: Task) -> Ended:
        """Run the tasks, and return the end of the last to end."""
        return self.run_all(*tasks)[-1]

    def run_all(self, *tasks: Task) -> list[Ended]:
        """Run the tasks, and return their ends in the order they came."""
        self.runner.start(tasks)
        return [self.next_end() for _ in tasks]

    def next_end(self) -> Ended:
        """The next end, or a failure if none comes."""
        return self.ends.get(timeout=PATIENCE_SECONDS)


def until(condition: Callable[[], object], what: str) -> None:
    """Return when the condition holds; fail if it does not in good time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
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
