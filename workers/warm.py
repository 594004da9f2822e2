"""One warm process of the pool, as the agent sees it: pool_process.py at the other end of a socket."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable

from omegacell.cellstate.model import AttemptState, Ended
from omegacell.workers import pool_process
from omegacell.workers.environment import task_variables
from omegacell.workers.groups import ProcessGroup, describe_exit, exit_code_of
from omegacell.workers.logs import LogPaths, log_paths, open_log, take_tail
from omegacell.workers.runner import Task, TaskKey, ended
from omegacell.workers.watcher import READ, WRITE, Timer
from omegacell.workers.workplace import Workplace

_IDLE_SECONDS = 30.0
"""A process that had nothing to do for this long is let go; the next task pays its start, about 50 ms."""

_CALLABLES_KEPT = 16
"""Per process: a callable may hold a model of hundreds of megabytes."""

_LINK_SECONDS = 0.05
"""From then on the output of a running callable is found under the task's own name, to be followed."""

Environment = tuple[str, tuple[tuple[str, str], ...]]
"""Working directory and sorted variables: tasks with equal ones share processes."""


class WarmProcess:
    """One process: at most one task at a time, and what it has been told."""

    def __init__(
        self,
        workplace: Workplace,
        environment: Environment,
        number: int,
        answered: Callable[[WarmProcess, TaskKey, Ended, bool], None],
        gone: Callable[[WarmProcess], None],
    ) -> None:
        self.environment = environment
        self._watcher = workplace.watcher
        self._settings = workplace.settings
        self._answered = answered
        self._gone = gone
        self._folder = folder = self._settings.log_directory / "pool" / f"{os.getpid()}-{number}"
        self._output = LogPaths(stdout=str(folder / "stdout"), stderr=str(folder / "stderr"))
        self._known: OrderedDict[int, None] = OrderedDict()
        self._number = 0
        self._task: Task | None = None
        self._task_logs = self._output
        self._started_at = 0.0
        self._stopped: tuple[AttemptState, str] | None = None
        self._linked = False
        self._timers: list[Timer] = []
        self._received = bytearray()
        self._unsent = bytearray()
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        with theirs:
            self.group = self._start(workplace, theirs)
        self._watcher.watch(self._socket.fileno(), READ, self._ready)

    def _start(self, workplace: Workplace, theirs: socket.socket) -> ProcessGroup:
        cwd, variables = self.environment
        settings = self._settings
        sizes = [str(theirs.fileno()), str(settings.result_limit_bytes), str(settings.log_tail_bytes)]
        command = [sys.executable, "-P", pool_process.__file__, *sizes]
        descriptors = [open_log(self._output.stdout), open_log(self._output.stderr)]
        try:
            return ProcessGroup(
                workplace,
                [*command, self._output.stdout, self._output.stderr],
                env=dict(variables),
                cwd=cwd,
                stdout=descriptors[0],
                stderr=descriptors[1],
                pass_fds=[theirs.fileno()],
                ended=self._exited,
            )
        except (OSError, ValueError):
            self._socket.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def run(self, task: Task) -> None:
        """Send the task; it has none now."""
        self._task = task
        self._number += 1
        self._started_at = time.time()
        key, definition = task.key, task.definition
        self._task_logs = log_paths(self._settings.log_directory, key.job_id, key.first_index, key.attempt)
        data = task.input if definition.has_inputs else None
        paths = (self._task_logs.stdout, self._task_logs.stderr)
        run = ("run", self._number, key.job_id, data, task_variables(task), *paths)
        self._unsent += pool_process.frame([*self._teach(key.job_id, definition.payload), run])
        self._send()
        self._timers = [self._watcher.later(_LINK_SECONDS, self._link_output)]
        if definition.timeout_seconds > 0:
            self._timers.append(self._watcher.later(definition.timeout_seconds, self._timed_out))

    def stop(self, state: AttemptState, error: str) -> None:
        """Terminate the process, then kill it; the first reason counts."""
        if self._stopped is None and self.group.running():
            self._stopped = (state, error)
            self.group.terminate(self._settings.grace_seconds)

    def rest(self, tired: Callable[[], None]) -> None:
        """Wait for the next task, but not for ever: `tired` is called if none comes."""
        self._timers = [self._watcher.later(_IDLE_SECONDS, tired)]

    def busy(self) -> None:
        """A task is about to come."""
        self._cancel_timers()

    def retire(self) -> None:
        """Let an idle process end by itself, and see to it that it does."""
        self._hang_up()
        self.group.later(self._settings.grace_seconds, self.group.kill)

    def _teach(self, job: int, payload: bytes) -> list[tuple[object, ...]]:
        if job in self._known:
            self._known.move_to_end(job)
            return []
        messages: list[tuple[object, ...]] = [("define", job, payload)]
        if len(self._known) >= _CALLABLES_KEPT:
            messages.append(("forget", self._known.popitem(last=False)[0]))
        self._known[job] = None
        return messages

    def _timed_out(self) -> None:
        if self._task is not None:
            limit = self._task.definition.timeout_seconds
            self.stop(AttemptState.TIMED_OUT, f"ran longer than its timeout of {limit:g} s")

    def _link_output(self) -> None:
        self._linked = True
        for ours, theirs in (
            (self._output.stdout, self._task_logs.stdout),
            (self._output.stderr, self._task_logs.stderr),
        ):
            with contextlib.suppress(OSError):
                os.makedirs(os.path.dirname(theirs), exist_ok=True)
                os.link(ours, theirs)

    def _ready(self) -> None:
        """The socket can be read, written, or is at its end."""
        if self._unsent:
            self._send()
        try:
            data = self._socket.recv(2**18)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._hang_up()
            return
        self._received += data
        for answer in pool_process.split_frames(self._received):
            self._take_answer(answer)

    def _send(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # it has died; its exit tells the rest
        del self._unsent[:sent]
        self._watcher.watch(self._socket.fileno(), READ | WRITE if self._unsent else READ, self._ready)

    def _take_answer(self, answer: pool_process.Answer) -> None:
        number, state, result, error, stdout_tail, stderr_tail, started_at, ended_at = answer
        task = self._task
        if task is None or number != self._number:
            return
        self._cancel_timers()
        if self._linked:
            self._drop_empty_links()
        report = ended(
            task,
            AttemptState(state),
            started_at=started_at,
            ended_at=ended_at,
            result=result,
            error=error,
            stdout_tail=stdout_tail,
            stderr_tail=stderr_tail,
        )
        self._task = None
        self._answered(self, task.key, report, self._stopped is None)

    def _drop_empty_links(self) -> None:
        self._linked = False
        for path in (self._task_logs.stdout, self._task_logs.stderr):
            with contextlib.suppress(OSError):
                if os.stat(path).st_size == 0:
                    os.unlink(path)

    def _exited(self, code: int) -> None:
        # What it said before it died is still in the socket.
        with contextlib.suppress(OSError):
            while self._socket.fileno() >= 0 and (data := self._socket.recv(2**18)):
                self._received += data
        self._stopped = self._stopped or (
            AttemptState.FAILED,
            f"its process ended before the callable returned: {describe_exit(code)}",
        )
        for answer in pool_process.split_frames(self._received):
            self._take_answer(answer)
        self._hang_up()
        self._cancel_timers()
        if self._task is not None:
            self._report_death(self._task, code, *self._stopped)
        self._gone(self)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _report_death(self, task: Task, code: int, state: AttemptState, error: str) -> None:
        limit = self._settings.log_tail_bytes
        self._link_output()
        self._task = None
        report = ended(
            task,
            state,
            exit_code=exit_code_of(code),
            started_at=self._started_at,
            error=error,
            stdout_tail=take_tail(self._task_logs.stdout, limit),
            stderr_tail=take_tail(self._task_logs.stderr, limit),
        )
        self._answered(self, task.key, report, False)

    def _hang_up(self) -> None:
        if self._socket.fileno() >= 0:
            self._watcher.forget(self._socket.fileno())
            self._socket.close()

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []
