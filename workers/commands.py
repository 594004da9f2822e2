"""Tasks that are operating system commands."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable

from omegacell.cellstate.model import AttemptState, Ended, Stop
from omegacell.workers.environment import job_environment, task_variables
from omegacell.workers.groups import ProcessGroup, describe_exit, exit_code_of
from omegacell.workers.logs import log_paths, open_log, take_tail
from omegacell.workers.runner import Task, TaskKey, ended, stopped_state
from omegacell.workers.workplace import Workplace


class CommandRunner:
    """Runs each command as a process group with its output in files. Watcher's thread only."""

    def __init__(self, workplace: Workplace, report: Callable[[Ended], None]) -> None:
        self._workplace = workplace
        self._report = report
        self._running: dict[TaskKey, _Command] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, task: Task) -> None:
        """Start the command; its end, or that it could not start, is reported."""
        try:
            item = task.input.decode()
            self._running[task.key] = self._spawn(task, item)
        except (OSError, ValueError) as error:
            sentence = describe_start_failure(task, error)
            self._report(ended(task, AttemptState.START_FAILED, error=sentence))

    def stop(self, key: TaskKey, stop: Stop) -> None:
        """Terminate, then kill."""
        command = self._running.get(key)
        if command is not None:
            error = "cancelled while it ran" if stop is Stop.CANCEL else "preempted while it ran"
            command.stop(stopped_state(stop), error)

    def kill(self, keys: Iterable[TaskKey]) -> None:
        """Kill these at once."""
        for key in keys:
            if key in self._running:
                self._running[key].group.kill()

    def kill_all(self) -> None:
        """Kill every one."""
        self.kill(self._running)

    def _spawn(self, task: Task, item: str) -> _Command:
        definition = task.definition
        base_env = self._workplace.settings.base_env
        env = {**job_environment(base_env, task, definition.cwd or os.getcwd()), **task_variables(task)}
        arguments = list(definition.command)
        if definition.has_inputs:
            env["OMEGA_ITEM"] = item
            arguments = [argument.replace("{item}", item) for argument in arguments]
        return _Command(self._workplace, task, arguments, env, self._ended)

    def _ended(self, key: TaskKey, report: Ended) -> None:
        del self._running[key]
        self._report(report)


class _Command:
    """One running command."""

    def __init__(
        self,
        workplace: Workplace,
        task: Task,
        arguments: list[str],
        env: dict[str, str],
        ended: Callable[[TaskKey, Ended], None],
    ) -> None:
        self._settings = settings = workplace.settings
        self._task = task
        self._ended = ended
        self._stopped: tuple[AttemptState, str] | None = None
        key = task.key
        self._logs = log_paths(settings.log_directory, key.job_id, key.first_index, key.attempt)
        self._started_at = time.time()
        stdout = open_log(self._logs.stdout)
        stderr = -1
        try:
            stderr = open_log(self._logs.stderr)
            self.group = ProcessGroup(
                workplace,
                arguments,
                env=env,
                cwd=task.definition.cwd,
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
        if task.definition.timeout_seconds > 0:
            self.group.later(task.definition.timeout_seconds, self._timed_out)

    def stop(self, state: AttemptState, error: str) -> None:
        """Terminate, then kill; the first reason counts, and none where it has ended by itself."""
        if self._stopped is None and self.group.running():
            self._stopped = (state, error)
            self.group.terminate(self._settings.grace_seconds)

    def _timed_out(self) -> None:
        limit = self._task.definition.timeout_seconds
        self.stop(AttemptState.TIMED_OUT, f"ran longer than its timeout of {limit:g} s")

    def _exited(self, code: int) -> None:
        if self._stopped is not None:
            state, error = self._stopped
        elif code == 0:
            state, error = AttemptState.SUCCEEDED, ""
        else:
            state, error = AttemptState.FAILED, describe_exit(code)
        stdout_tail, stderr_tail = self._take_tails()
        report = ended(
            self._task,
            state,
            exit_code=exit_code_of(code),
            started_at=self._started_at,
            error=error,
            stdout_tail=stdout_tail,
            stderr_tail=stderr_tail,
        )
        self._ended(self._task.key, report)

    def _take_tails(self) -> tuple[str, str]:
        limit = self._settings.log_tail_bytes
        return take_tail(self._logs.stdout, limit), take_tail(self._logs.stderr, limit)


def _is_anywhere(task: Task, program: str) -> bool:
    """Whether there is such a file to execute. The kernel's word is not enough.

    With a folder on PATH that this user may not enter, it says "permission denied" of any missing program.
    """
    if "/" in program:
        return os.path.lexists(os.path.join(task.definition.cwd, program))
    path = task.definition.env.get("PATH") or os.environ.get("PATH")
    return shutil.which(program, mode=os.F_OK, path=path) is not None


def describe_start_failure(task: Task, error: OSError | ValueError) -> str:
    """One sentence on why a task could not start."""
    cwd, program = task.definition.cwd, (*task.definition.command, "")[0]
    if isinstance(error, UnicodeDecodeError):
        return f"the item of {task.key} is not UTF-8 text, as a command's must be ({error.reason})"
    if isinstance(error, ValueError):
        return f"an argument or variable of {task.key} cannot be passed to a process: {error}"
    if cwd and not os.path.isdir(cwd):
        return f"working directory {cwd!r} does not exist on machine {task.machine}; create it or set cwd"
    if error.filename == program and not _is_anywhere(task, program):
        return (
            f"command {program!r} was not found on machine {task.machine}; give its path or set PATH in env"
        )
    if isinstance(error, PermissionError) and error.filename == program:
        return f"command {program!r} may not be executed on machine {task.machine}; check its mode bits"
    return f"{task.key} could not start on machine {task.machine}: {error}"
