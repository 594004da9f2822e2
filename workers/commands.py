"""Tasks that are operating system commands."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

from omegacell.cellstate.model import AttemptState, Stop
from omegacell.workers import start_failures
from omegacell.workers.care import Care
from omegacell.workers.environment import slot_environment, task_variables
from omegacell.workers.groups import ProcessGroup, describe_exit, exit_code_of
from omegacell.workers.logs import log_paths, open_log
from omegacell.workers.memory import out_of_memory
from omegacell.workers.runner import Slot, SlotKey, Word, stopped_how, stopped_state
from omegacell.workers.slots import SLOT_REPORT_SECONDS, SlotRun
from omegacell.workers.workplace import Workplace


class CommandRunner:
    """Runs each command as a process group with its output in files. Watcher's thread only."""

    def __init__(self, workplace: Workplace, report: Callable[[Word], None]) -> None:
        self._workplace = workplace
        self._report = report
        self._running: dict[SlotKey, _CommandSlot] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, slot: Slot) -> None:
        """Start the first command, and each of the others when the one before it has ended."""
        started = _CommandSlot(self._workplace, SlotRun(slot, self._report), self._report, self._over)
        self._running[slot.key] = started
        started.begin()

    def stop(self, key: SlotKey, stop: Stop) -> None:
        """Terminate, then kill; what follows does not begin."""
        if key in self._running:
            self._running[key].stop(stop)

    def kill(self, keys: Iterable[SlotKey]) -> None:
        """Kill these at once."""
        for key in keys:
            if key in self._running:
                self._running[key].kill()

    def kill_all(self) -> None:
        """Kill every one."""
        self.kill(tuple(self._running))

    def _over(self, key: SlotKey) -> None:
        del self._running[key]


class _CommandSlot:
    """The commands of one slot, one after another."""

    def __init__(
        self,
        workplace: Workplace,
        run: SlotRun,
        report: Callable[[Word], None],
        over: Callable[[SlotKey], None],
    ) -> None:
        self._workplace = workplace
        self._run = run
        self._over = over
        self._command: _Command | None = None
        slot = run.slot
        cwd = slot.definition.cwd or os.getcwd()
        self._environment = slot_environment(workplace.settings.base_env, slot, cwd)
        self._timer = workplace.watcher.later(SLOT_REPORT_SECONDS, self._split)
        self._care = Care(workplace, slot, report, self._unwell) if slot.tells_start else None

    def begin(self) -> None:
        """Start the current command, or report the slot if none is left."""
        if self._run.over:
            self._finish()
            return
        try:
            self._command = self._spawn()
        except (OSError, ValueError) as error:
            sentence = start_failures.of_command(self._run.slot, self._run.current, error)
            self._run.ended(AttemptState.START_FAILED, error=sentence)
            # Not at once: a thousand of them would keep everybody else waiting.
            self._workplace.watcher.later(0.0, self.begin)

    def stop(self, stop: Stop) -> None:
        """End the running command politely, and begin no other."""
        self._timer.cancel()
        self._run.cut(self._run.current + 1)
        if self._command is not None:
            self._command.stop(stopped_state(stop), f"{stopped_how(stop)} while it ran")
        elif not self._run.over:
            self._run.ended(stopped_state(stop), error=f"{stopped_how(stop)} before it started")

    def kill(self) -> None:
        """End it all at once."""
        self._run.cut(self._run.current)
        if self._command is not None:
            self._command.group.kill()

    def _spawn(self) -> _Command:
        slot, index = self._run.slot, self._run.current
        environment = {**self._environment, **task_variables(slot, index)}
        arguments = list(slot.definition.command)
        if slot.definition.has_inputs:
            item = slot.input(index).decode()
            environment["OMEGA_ITEM"] = item
            arguments = [argument.replace("{item}", item) for argument in arguments]
        if self._care is None:
            return _Command(self._workplace, self._run, arguments, environment, self._ended)
        environment |= self._care.variables()
        command = _Command(self._workplace, self._run, arguments, environment, self._ended)
        self._care.task_began(environment, slot.definition.cwd)
        return command

    def _ended(self) -> None:
        self._command = None
        if self._care is not None:
            self._care.task_ended()
        self.begin()

    def _unwell(self, sentence: str) -> None:
        if self._command is not None:
            self._command.stop(AttemptState.FAILED, sentence)

    def _split(self) -> None:
        if self._run.slot.count > 1 and not self._run.over:
            self._run.split()

    def _finish(self) -> None:
        self._timer.cancel()
        if self._care is not None:
            self._care.close()
        self._over(self._run.slot.key)
        self._run.finish()


class _Command:
    """One running command: the current one of its slot."""

    def __init__(
        self,
        workplace: Workplace,
        run: SlotRun,
        arguments: list[str],
        env: dict[str, str],
        ended: Callable[[], None],
    ) -> None:
        self._settings = settings = workplace.settings
        self._run = run
        self._ended = ended
        self._stopped: tuple[AttemptState, str] | None = None
        key, definition = run.slot.key, run.slot.definition
        self._logs = log_paths(settings.log_directory, key.job_id, run.current, key.attempt)
        self._upkeep = workplace.upkeep
        self._started_at = time.time()
        stdout = open_log(self._logs.stdout)
        stderr = -1
        try:
            stderr = open_log(self._logs.stderr)
            self.group = ProcessGroup(
                workplace,
                arguments,
                env=env,
                cwd=definition.cwd,
                stdout=stdout,
                stderr=stderr,
                memory_bytes=definition.amounts.memory_bytes,
                ended=self._exited,
            )
        except (OSError, ValueError):
            self._take_tails()
            raise
        finally:
            os.close(stdout)
            if stderr >= 0:
                os.close(stderr)
        self._upkeep.began(self._logs)
        if definition.timeout_seconds > 0:
            self.group.later(definition.timeout_seconds, self._timed_out)

    def stop(self, state: AttemptState, error: str) -> None:
        """Terminate, then kill; the first reason counts, and none where it has ended by itself."""
        if self._stopped is None and self.group.running():
            self._stopped = (state, error)
            self.group.terminate(self._settings.grace_seconds)

    def _timed_out(self) -> None:
        limit = self._run.slot.definition.timeout_seconds
        self.stop(AttemptState.TIMED_OUT, f"ran longer than its timeout of {limit:g} s")

    def _exited(self, code: int) -> None:
        if self._stopped is not None:
            state, error = self._stopped
        elif code == 0:
            state, error = AttemptState.SUCCEEDED, ""
        elif self.group.out_of_memory:
            limit = self._run.slot.definition.amounts.memory_bytes
            state, error = AttemptState.FAILED, out_of_memory(limit)
        else:
            state, error = AttemptState.FAILED, describe_exit(code)
        stdout_tail, stderr_tail = self._take_tails()
        self._run.ended(
            state,
            exit_code=exit_code_of(code),
            started_at=self._started_at,
            error=error,
            stdout_tail=stdout_tail,
            stderr_tail=stderr_tail,
        )
        self._ended()

    def _take_tails(self) -> tuple[str, str]:
        limit, logs = self._settings.log_tail_bytes, self._logs
        tails = self._upkeep.tail(logs.stdout, limit), self._upkeep.tail(logs.stderr, limit)
        self._upkeep.ended(logs)
        return tails
