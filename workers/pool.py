"""Tasks that are Python callables: warm processes, each running one at a time, used again and again.

A process is started when none is free, and serves any job with the same environment and working directory:
it has them from its first instruction on, so that what is read at import (OMP_NUM_THREADS) is right. A job's
callable is sent to a process once.
"""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable

from omegacell.cellstate.model import AttemptState, Ended, Stop
from omegacell.workers.environment import job_environment
from omegacell.workers.runner import Task, TaskKey, ended, stopped_state
from omegacell.workers.warm import Environment, WarmProcess
from omegacell.workers.workplace import Workplace

_MAX_IDLE = max(8, 2 * (os.cpu_count() or 1))
"""Of all environments together; beyond it the one idle longest is let go."""


class PoolRunner:
    """Runs each callable in a process that nobody else uses meanwhile. Watcher's thread only."""

    def __init__(self, workplace: Workplace, report: Callable[[Ended], None]) -> None:
        self._workplace = workplace
        self._report = report
        self._idle: OrderedDict[WarmProcess, Environment] = OrderedDict()
        self._running: dict[TaskKey, WarmProcess] = {}
        self._environments: dict[int, Environment] = {}
        self._alive: set[WarmProcess] = set()
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._running)

    @property
    def processes(self) -> int:
        """How many there are, idle and ending ones included."""
        return len(self._alive)

    def start(self, task: Task) -> None:
        """Give it to a free process or a new one; its end, or that it could not start, is reported."""
        try:
            process = self._process_for(self._environment(task))
        except (OSError, ValueError) as error:
            cwd = task.definition.cwd
            sentence = f"the process for {task.key} could not start on machine {task.machine}: {error}"
            if cwd and not os.path.isdir(cwd):
                sentence = f"working directory {cwd!r} does not exist on machine {task.machine}"
            self._report(ended(task, AttemptState.START_FAILED, error=sentence))
            return
        self._running[task.key] = process
        process.run(task)

    def stop(self, key: TaskKey, stop: Stop) -> None:
        """Terminate its process, then kill it."""
        process = self._running.get(key)
        if process is not None:
            error = "cancelled while it ran" if stop is Stop.CANCEL else "preempted while it ran"
            process.stop(stopped_state(stop), error)

    def kill(self, keys: Iterable[TaskKey]) -> None:
        """Kill the processes of these at once."""
        for key in keys:
            if key in self._running:
                self._running[key].group.kill()

    def kill_all(self) -> None:
        """Kill every process, idle ones too."""
        for process in self._alive:
            process.group.kill()

    def _environment(self, task: Task) -> Environment:
        # By job, not by task: a dictionary of a hundred variables is made and sorted once.
        known = self._environments.get(task.key.job_id)
        if known is None:
            if len(self._environments) >= 1000:
                self._environments.clear()
            cwd = task.definition.cwd or os.getcwd()
            variables = job_environment(self._workplace.settings.base_env, task, cwd)
            known = self._environments[task.key.job_id] = (cwd, tuple(sorted(variables.items())))
        return known

    def _process_for(self, environment: Environment) -> WarmProcess:
        for process in reversed(self._idle):
            if self._idle[process] == environment:
                del self._idle[process]
                process.busy()
                return process
        number = next(self._numbers)
        made = WarmProcess(self._workplace, environment, number, self._answered, self._gone)
        self._alive.add(made)
        return made

    def _answered(self, process: WarmProcess, key: TaskKey, report: Ended, reusable: bool) -> None:
        del self._running[key]
        self._report(report)
        if reusable:
            self._idle[process] = process.environment
            process.rest(lambda: self._retire(process))
            if len(self._idle) > _MAX_IDLE:
                self._retire(next(iter(self._idle)))

    def _retire(self, process: WarmProcess) -> None:
        del self._idle[process]
        process.retire()

    def _gone(self, process: WarmProcess) -> None:
        self._idle.pop(process, None)
        self._alive.discard(process)
