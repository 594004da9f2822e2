"""A child process that leads a process group of its own, watched until it ends."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

from omegacell.workers.watcher import Timer
from omegacell.workers.workplace import Workplace

_SOFT_LIMIT_AT_START, _HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)


def allow_many_descriptors() -> None:
    """Raise the agent's own limit on open files to the hard one: each running task takes a descriptor."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_HARD_LIMIT, _HARD_LIMIT))


class ProcessGroup:
    """A running command and whatever it starts, unless that makes a session of its own.

    When the leader ends, what is left of its group is killed, and `ended` is called with the exit code,
    or minus the signal. Raises OSError or ValueError where it cannot start, as past the guard's deadline.
    With memory_bytes it is confined to so much (memory.py), and `out_of_memory` says from its end on whether the
    kernel killed anything of it for that. Watcher's thread only.
    """

    def __init__(
        self,
        workplace: Workplace,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        stdout: int,
        stderr: int,
        pass_fds: Sequence[int] = (),
        memory_bytes: int = 0,
        ended: Callable[[int], None],
    ) -> None:
        self._watcher = workplace.watcher
        self._guard = workplace.guard
        self._memory = workplace.memory
        self._ended = ended
        self.out_of_memory = False
        self._timers: list[Timer] = []
        if self._guard.expired():
            raise TimeoutError("the worker's lease has ended; it runs where the store places it next")
        self._group = self._memory.group(memory_bytes)
        try:
            self._process = subprocess.Popen(
                self._memory.confined(arguments, env, cwd, memory_bytes, self._group),
                env={**env, "OMEGA_GUARD": self._guard.tag},
                cwd=cwd or None,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except (OSError, ValueError):
            self._leave_group()
            raise
        self._guard.hold(self._process.pid)
        self._restore_descriptor_limit()
        self._watcher.watch_exit(self._process, self._exited)

    @property
    def pid(self) -> int:
        """The leader's process id, and the group's."""
        return self._process.pid

    def running(self) -> bool:
        """Whether the leader still runs; False from its end on, before `ended` is called."""
        if self._process.returncode is not None:
            return False
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, flags) is None

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back after so long, unless the group has ended by then."""
        self._timers.append(self._watcher.later(seconds, callback))

    def terminate(self, grace_seconds: float) -> None:
        """SIGTERM to the whole group now, SIGKILL after the grace."""
        self._signal(signal.SIGTERM)
        self.later(grace_seconds, self.kill)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # Not after the leader is reaped: its number could be somebody else's by then.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _restore_descriptor_limit(self) -> None:
        """Give the task the limit that the agent was started with: some programs close every possible one."""
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] == _SOFT_LIMIT_AT_START:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            limits = (_SOFT_LIMIT_AT_START, _HARD_LIMIT)
            resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, limits)

    def _exited(self) -> None:
        # The leader is a zombie until wait(): its group's number is still its own.
        self.kill()
        code = self._process.wait()
        self._guard.drop(self._process.pid)
        for timer in self._timers:
            timer.cancel()
        self._leave_group()
        self._ended(code)

    def _leave_group(self) -> None:
        if self._group is not None:
            self.out_of_memory = self._group.out_of_memory()
            self._memory.release(self._group)


def exit_code_of(code: int) -> int:
    """As a shell shows it: 128 + the signal for a process that a signal ended."""
    return code if code >= 0 else 128 - code


def describe_exit(code: int) -> str:
    """One clause on how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name} (signal {-code})"
    except ValueError:
        return f"killed by signal {-code}"
