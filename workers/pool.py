"""Tasks that are Python callables: warm processes, each running one slot at a time, used again and again.

A process is started when none is free, and serves any job with the same interpreter, environment, working directory
and memory: it has them from its first instruction on, so that what is read at import (OMP_NUM_THREADS) is right. A
job's callable is sent to a process once.
"""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable

from omegacell.cellstate.model import AttemptState, Stop
from omegacell.workers import start_failures
from omegacell.workers.care import Care
from omegacell.workers.environment import Environment, slot_environment, task_variables
from omegacell.workers.interpreters import Interpreters
from omegacell.workers.runner import Slot, SlotKey, Word, stopped_how, stopped_state
from omegacell.workers.slots import SlotRun
from omegacell.workers.warm import WarmProcess
from omegacell.workers.workplace import Workplace

_MAX_IDLE = max(8, 2 * (os.cpu_count() or 1))
"""Of all environments together; beyond it the one idle longest is let go."""

_ENVIRONMENTS_KEPT = 1000


class PoolRunner:
    """Runs each slot in a process that nobody else uses meanwhile. Watcher's thread only."""

    def __init__(self, workplace: Workplace, report: Callable[[Word], None]) -> None:
        self._workplace = workplace
        self._report = report
        self._idle: OrderedDict[WarmProcess, None] = OrderedDict()
        self._runs: dict[SlotKey, SlotRun] = {}
        self._serving: dict[SlotKey, WarmProcess] = {}
        self._cares: dict[SlotKey, Care] = {}
        self._environments: dict[tuple[str, int, tuple[int, ...]], Environment] = {}
        self._interpreters = Interpreters(workplace)
        self._alive: set[WarmProcess] = set()
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def processes(self) -> int:
        """How many there are, idle and ending ones included."""
        return len(self._alive)

    def start(self, slot: Slot) -> None:
        """Give it to a free process or a new one; a task that can have none ends as START_FAILED."""
        run = self._runs[slot.key] = SlotRun(slot, self._report)
        if slot.tells_start:

            def unwell(sentence: str) -> None:
                if slot.key in self._serving:
                    self._serving[slot.key].stop(AttemptState.FAILED, sentence)

            self._cares[slot.key] = Care(self._workplace, slot, self._report, unwell)
        self._begin(run)

    def stop(self, key: SlotKey, stop: Stop) -> None:
        """Terminate its process, then kill it; what follows does not begin."""
        if key in self._serving:
            self._serving[key].stop(stopped_state(stop), f"{stopped_how(stop)} while it ran")
        elif key in self._runs:
            run = self._runs[key]
            run.cut(run.current + 1)
            if not run.over:
                run.ended(stopped_state(stop), error=f"{stopped_how(stop)} before it started")

    def kill(self, keys: Iterable[SlotKey]) -> None:
        """Kill the processes of these at once."""
        for key in keys:
            if key in self._runs:
                self._runs[key].cut(self._runs[key].current)
            if key in self._serving:
                self._serving[key].group.kill()

    def kill_all(self) -> None:
        """Kill every process, idle ones too."""
        self.kill(tuple(self._runs))
        for process in self._alive:
            process.group.kill()

    def over(self, run: SlotRun) -> None:
        """As warm.Pool."""
        self._serving.pop(run.slot.key, None)
        del self._runs[run.slot.key]
        if run.slot.tells_start:
            self._cares.pop(run.slot.key).close()
        run.finish()

    def died(self, run: SlotRun) -> None:
        """As warm.Pool."""
        del self._serving[run.slot.key]
        if run.slot.tells_start:
            self._cares[run.slot.key].task_ended()
        self._go_on(run)

    def free(self, process: WarmProcess) -> None:
        """As warm.Pool."""
        self._idle[process] = None
        process.rest(lambda: self._retire(process))
        if len(self._idle) > _MAX_IDLE:
            self._retire(next(iter(self._idle)))

    def gone(self, process: WarmProcess) -> None:
        """As warm.Pool."""
        self._idle.pop(process, None)
        self._alive.discard(process)

    def _begin(self, run: SlotRun) -> None:
        slot = run.slot
        try:
            python = self._interpreters.of(slot.definition.env, slot.machine)
            if python is None:
                self._interpreters.wait(slot.definition.env, lambda: self._go_on(run))
                return
            environment = self._environment(python, slot)
            care = self._cares.get(slot.key)
            ports = {} if care is None else care.variables()
            process = self._process_for(environment)
        except (OSError, ValueError) as error:
            run.ended(AttemptState.START_FAILED, error=start_failures.of_callable(slot, run.current, error))
            # Not at once: a thousand of them would keep everybody else waiting.
            self._workplace.watcher.later(0.0, lambda: self._go_on(run))
            return
        self._serving[slot.key] = process
        process.run(run, ports)
        if care is not None:
            seen = {**dict(environment.variables), **task_variables(slot, run.current), **ports}
            care.task_began(seen, environment.cwd)

    def _go_on(self, run: SlotRun) -> None:
        if run.over:
            self.over(run)
        else:
            self._begin(run)

    def _environment(self, python: str, slot: Slot) -> Environment:
        # By job, not by slot: a dictionary of a hundred variables is made and sorted once.
        key = (python, slot.key.job_id, slot.host_devices)
        known = self._environments.get(key)
        if known is None:
            if len(self._environments) >= _ENVIRONMENTS_KEPT:
                self._environments.clear()
            cwd = slot.definition.cwd or os.getcwd()
            variables = slot_environment(self._workplace.settings.base_env, slot, cwd)
            known = self._environments[key] = Environment(
                python,
                cwd,
                tuple(sorted(variables.items())),
                memory_bytes=slot.definition.amounts.memory_bytes,
                devices=frozenset(slot.host_devices),
                job_id=slot.key.job_id if slot.host_devices or slot.definition.ports else 0,
            )
        return known

    def _process_for(self, environment: Environment) -> WarmProcess:
        found = None
        for process in tuple(reversed(self._idle)):
            if found is None and process.environment == environment:
                found = process
                del self._idle[process]
            elif process.environment.devices & environment.devices:
                self._retire(process)  # it would hold memory of a device that is another's now
        if found is None:
            found = WarmProcess(self._workplace, environment, next(self._numbers), self)
            self._alive.add(found)
        return found

    def _retire(self, process: WarmProcess) -> None:
        del self._idle[process]
        process.retire()
