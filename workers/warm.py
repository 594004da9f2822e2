"""One warm process of the pool, as the agent sees it: pool_process.py at the other end of a channel."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from omegacell.cellstate.model import AttemptState
from omegacell.workers import pool_process
from omegacell.workers.channel import Channel
from omegacell.workers.environment import Environment, task_variables
from omegacell.workers.groups import ProcessGroup, describe_exit, exit_code_of
from omegacell.workers.logs import POOL_FOLDER, LogPaths, PoolOutput, log_paths, open_log
from omegacell.workers.memory import out_of_memory
from omegacell.workers.slots import SLOT_REPORT_SECONDS, SlotRun
from omegacell.workers.watcher import Timer
from omegacell.workers.workplace import Workplace

_IDLE_SECONDS = 30.0
"""A process that had nothing to do for this long is let go; the next task pays its start, about 50 ms."""

_START_SECONDS = 10.0
"""For so long at most a process's own start is not counted against its first task's timeout."""

_CALLABLES_KEPT = 16
"""Per process: a callable may hold a model of hundreds of megabytes."""

_LINK_SECONDS = 0.05
"""From then on the output of a running callable is found under the task's own name, to be followed."""


class Pool(Protocol):
    """Whom a process tells."""

    def over(self, run: SlotRun) -> None:
        """All of the slot that will run has ended."""
        ...

    def died(self, run: SlotRun) -> None:
        """The slot's process has ended, and more of it is to run."""
        ...

    def free(self, process: WarmProcess) -> None:
        """The process can be given another slot."""
        ...

    def gone(self, process: WarmProcess) -> None:
        """The process has ended."""
        ...


class WarmProcess:
    """One process: at most one slot at a time, and what it has been told."""

    def __init__(self, workplace: Workplace, environment: Environment, number: int, pool: Pool) -> None:
        self.environment = environment
        self._watcher = workplace.watcher
        self._settings = workplace.settings
        self._upkeep = workplace.upkeep
        self._pool = pool
        self._output = PoolOutput(self._settings.log_directory / POOL_FOLDER / f"{os.getpid()}-{number}")
        self._known: OrderedDict[int, None] = OrderedDict()
        self._run: SlotRun | None = None
        self._ports: dict[str, str] = {}
        self._permitted = 0
        self._since = 0.0
        self._started_at = 0.0
        self._stopped: tuple[AttemptState, str] | None = None
        self._timers: dict[str, Timer] = {}
        self._lent = False
        self._channel = Channel(self._watcher, self._look)
        try:
            self.group = self._start(workplace)
        except (OSError, ValueError):
            self._channel.hang_up()
            self._output.remove()
            raise
        finally:
            self._channel.close_theirs()

    def _start(self, workplace: Workplace) -> ProcessGroup:
        settings = self._settings
        passed = self._channel.theirs
        numbers = map(str, (*passed, settings.result_limit_bytes, settings.log_tail_bytes))
        command = [self.environment.python, "-P", pool_process.__file__, *numbers]
        paths = self._output.paths
        descriptors = [open_log(paths.stdout), open_log(paths.stderr)]
        try:
            return ProcessGroup(
                workplace,
                [*command, paths.stdout, paths.stderr],
                env=dict(self.environment.variables),
                cwd=self.environment.cwd,
                stdout=descriptors[0],
                stderr=descriptors[1],
                pass_fds=passed,
                memory_bytes=self.environment.memory_bytes,
                ended=self._exited,
            )
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def run(self, run: SlotRun, ports: dict[str, str]) -> None:
        """Run what is left of the slot, which has these variables of ports; the process is free now."""
        self._cancel_timers()
        self._run, self._ports = run, ports
        self._lent = True
        if run.slot.count > 1:
            self._timers["split"] = self._watcher.later(run.seconds_to_split(), self._split)
        else:
            self._timers["link"] = self._watcher.later(_LINK_SECONDS, self._link_output)
        self._hand_over(run)

    def stop(self, state: AttemptState, error: str) -> None:
        """Begin nothing more, terminate the process, then kill it; the first reason counts."""
        if self._cut() is not None:
            self._cancel_timers()
            self._terminate(state, error)

    def rest(self, tired: Callable[[], None]) -> None:
        """Wait for the next slot, but not for ever: `tired` is called if none comes."""
        self._timers["rest"] = self._watcher.later(_IDLE_SECONDS, tired)

    def retire(self) -> None:
        """Let an idle process end by itself, and see to it that it does."""
        self._cancel_timers()
        self._channel.hang_up()
        self.group.later(self._settings.grace_seconds, self.group.kill)

    def _hand_over(self, run: SlotRun) -> None:
        slot, definition, job = run.slot, run.slot.definition, run.slot.key.job_id
        tasks = []
        for index in range(run.current, run.end):
            logs = self._logs_of(run, index)
            data = slot.input(index) if definition.has_inputs else None
            tasks.append((index, data, logs.stdout, logs.stderr))
        message = ("run", job, {**task_variables(slot, run.current), **self._ports}, tasks)
        self._permitted = run.end
        self._task_begins(time.monotonic(), time.time())
        self._channel.send([*self._teach(job, definition.payload), message], len(tasks))
        if definition.timeout_seconds > 0:
            self._look_again(definition.timeout_seconds)

    def _teach(self, job: int, payload: bytes) -> list[tuple[object, ...]]:
        if job in self._known:
            self._known.move_to_end(job)
            return []
        messages: list[tuple[object, ...]] = [("define", job, payload)]
        if len(self._known) >= _CALLABLES_KEPT:
            messages.append(("forget", self._known.popitem(last=False)[0]))
        self._known[job] = None
        return messages

    def _cut(self) -> SlotRun | None:
        """Give up what has not begun; the slot, if its current task still runs."""
        run = self._run
        if run is None:
            return None
        self._permitted -= self._channel.take_back()
        run.cut(self._permitted)
        self._look()
        if self._run is run and run.over:
            self._over(run)
        return self._run

    def _split(self) -> None:
        """The slot lasts: report what has ended, and let others have what has not begun."""
        if self._run is None or self._run.over:
            return
        # What a new process needs to come up says nothing of the tasks.
        early = self._channel.up_at + SLOT_REPORT_SECONDS - time.monotonic()
        if early > 0:
            self._timers["split"] = self._watcher.later(min(early, SLOT_REPORT_SECONDS), self._split)
        elif (run := self._cut()) is not None:
            self._channel.attend()
            run.split()
            self._link_output()

    def _look_again(self, seconds: float) -> None:
        if "limit" in self._timers:
            self._timers["limit"].cancel()
        self._timers["limit"] = self._watcher.later(seconds, self._check_time)

    def _check_time(self) -> None:
        """Stop the current task if it has run for too long; those after it run on in another process."""
        self._look()
        run = self._run
        if run is None:
            return
        limit, current = run.slot.definition.timeout_seconds, run.current
        began = max(self._since, min(self._channel.up_at, self._since + _START_SECONDS))
        left = began + limit - time.monotonic()
        if left > 0:
            self._look_again(left)
            return
        self._permitted -= self._channel.take_back()
        self._look()
        if self._run is run and run.current == current:
            self._terminate(AttemptState.TIMED_OUT, f"ran longer than its timeout of {limit:g} s")
        elif self._run is run:
            self._look_again(limit)

    def _terminate(self, state: AttemptState, error: str) -> None:
        if self._stopped is None and self.group.running():
            self._stopped = (state, error)
            self.group.terminate(self._settings.grace_seconds)

    def _link_output(self) -> None:
        if self._run is not None:
            logs = self._logs_of(self._run, self._run.current)
            self._output.link(logs, self._started_at)
            self._upkeep.began(logs)

    def _logs_of(self, run: SlotRun, index: int) -> LogPaths:
        key = run.slot.key
        return log_paths(self._settings.log_directory, key.job_id, index, key.attempt)

    def _look(self) -> None:
        """Take the answers that have come, and see whether the process is done with what it was sent."""
        for answer in self._channel.answers():
            self._take_answer(answer)
        if not self._lent or self._stopped is not None or not self._channel.free:
            return
        if self._run is None:
            self._lent = False
            self._pool.free(self)
        elif self._run.current >= self._permitted:
            self._hand_over(self._run)

    def _take_answer(self, answer: pool_process.Answer) -> None:
        index, state, result, error, stdout_tail, stderr_tail, started_at, ended_at, ended = answer
        run = self._run
        if run is None or run.over or index != run.current:
            return  # of a copy that the callable made of its process
        if (linked := self._output.linked) is not None:
            if self._upkeep.was_cut(linked):
                stdout_tail, stderr_tail = self._tails(linked)
            self._upkeep.ended(linked)
            self._output.drop_empty_links()
        run.ended(
            AttemptState(state),
            started_at=started_at,
            ended_at=ended_at,
            result=result,
            error=error,
            stdout_tail=stdout_tail,
            stderr_tail=stderr_tail,
        )
        self._task_begins(ended, ended_at)
        if run.over:
            self._over(run)

    def _task_begins(self, since: float, started_at: float) -> None:
        self._since, self._started_at = since, started_at

    def _over(self, run: SlotRun) -> None:
        self._cancel_timers()
        self._run = None
        self._pool.over(run)

    def _exited(self, code: int) -> None:
        sentence = f"its process ended before the callable returned: {describe_exit(code)}"
        if self.group.out_of_memory:
            sentence = out_of_memory(self.environment.memory_bytes)
        self._stopped = self._stopped or (AttemptState.FAILED, sentence)
        self._permitted -= self._channel.take_back()
        self._look()  # what it said before it died is still there
        self._cancel_timers()
        self._channel.hang_up()
        run, self._run = self._run, None
        if run is not None:
            if run.current < self._permitted:
                self._report_death(run, code, *self._stopped)
            if run.over:
                self._pool.over(run)
            else:
                self._pool.died(run)
        if self._output.linked is not None:
            self._upkeep.ended(self._output.linked)
        self._pool.gone(self)
        self._output.remove()

    def _report_death(self, run: SlotRun, code: int, state: AttemptState, error: str) -> None:
        logs = self._logs_of(run, run.current)
        self._output.link(logs, self._started_at)
        stdout_tail, stderr_tail = self._tails(logs)
        run.ended(
            state,
            exit_code=exit_code_of(code),
            started_at=self._started_at,
            error=error,
            stdout_tail=stdout_tail,
            stderr_tail=stderr_tail,
        )

    def _tails(self, logs: LogPaths) -> tuple[str, str]:
        limit = self._settings.log_tail_bytes
        return self._upkeep.tail(logs.stdout, limit), self._upkeep.tail(logs.stderr, limit)

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
