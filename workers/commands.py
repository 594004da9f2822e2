"""Tasks that are operating system commands."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable

from omegacell.cellstate.model import AttemptState, Stop
from omegacell.workers.environment import slot_environment, task_variables
from omegacell.workers.groups import ProcessGroup, describe_exit, exit_code_of
from omegacell.workers.logs import log_paths, open_log, take_tail
from omegacell.workers.runner import Report, Slot, SlotKey, stopped_how, stopped_state
from omegacell.workers.slots import SLOT_REPORT_SECONDS, SlotRun
from omegacell.workers.workplace import Workplace


class CommandRunner:
    """Runs each command as a process group with its output in files. Watcher's thread only."""

    def __init__(self, workplace: Workplace, report: Callable[[Report], None]) -> None:
        self._workplace = workplace
        self._report = report
        self._running: dict[SlotKey, _CommandSlot] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, slot: Slot) -> None:
        """Start the first command, and each of the others when the one before it has ended."""
        started = _CommandSlot(self._workplace, SlotRun(slot, self._report), self._over)
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

    def __init__(self, workplace: Workplace, run: SlotRun, over: Callable[[SlotKey], None]) -> None:
        self._workplace = workplace
        self._run = run
        self._over = over
        self._command: _Command | None = None
        slot = run.slot
        cwd = slot.definition.cwd or os.getcwd()
        self._environment = slot_environment(workplace.settings.base_env, slot, cwd)
        self._timer = workplace.watcher.later(SLOT_REPORT_SECONDS, self._split)

    def begin(self) -> None:
        """Start the current command, or report the slot if none is left."""
        if self._run.over:
            self._finish()
            return
        try:
            self._command = self._spawn()
        except (OSError, ValueError) as error:
            sentence = describe_start_failure(self._run.slot, self._run.current, error)
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
        return _Command(self._workplace, self._run, arguments, environment, self._ended)

    def _ended(self) -> None:
        self._command = None
        self.begin()

    def _split(self) -> None:
        if self._run.slot.count > 1 and not self._run.over:
            self._run.split()

    def _finish(self) -> None:
        self._timer.cancel()
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
                ended=self._exited,
            )
        except (OSError, ValueError):
            self._take_tails()
            raise
        finally:
            os.close(stdout)
            if stderr >= 0:
                os.close(stderr)
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
        limit = self._settings.log_tail_bytes
        return take_tail(self._logs.stdout, limit), take_tail(self._logs.stderr, limit)


def _is_anywhere(slot: Slot, program: str) -> bool:
    """Whether there is such a file to execute. The kernel's word is not enough.

    With a folder on PATH that this user may not enter, it says "permission denied" of any missing program.
    """
    if "/" in program:
        return os.path.lexists(os.path.join(slot.definition.cwd, program))
    path = slot.definition.env.get("PATH") or os.environ.get("PATH")
    return shutil.which(program, mode=os.F_OK, path=path) is not None


def describe_start_failure(slot: Slot, index: int, error: OSError | ValueError) -> str:
    """One sentence on why a task could not start."""
    task = slot.key._replace(first_index=index)
    cwd, program = slot.definition.cwd, (*slot.definition.command, "")[0]
    if isinstance(error, UnicodeDecodeError):
        return f"the item of {task} is not UTF-8 text, as a command's must be ({error.reason})"
    if isinstance(error, ValueError):
        return f"an argument or variable of {task} cannot be passed to a process: {error}"
    if cwd and not os.path.isdir(cwd):
        return f"working directory {cwd!r} does not exist on machine {slot.machine}; create it or set cwd"
    if error.filename == program and not _is_anywhere(slot, program):
        return (
            f"command {program!r} was not found on machine {slot.machine}; give its path or set PATH in env"
        )
    if isinstance(error, PermissionError) and error.filename == program:
        return f"command {program!r} may not be executed on machine {slot.machine}; check its mode bits"
    return f"{task} could not start on machine {slot.machine}: {error}"
