"""The runner of real tasks on this host: commands, callables, and the guard that outlives the agent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from omegacell.cellstate.model import Stop, TaskKind
from omegacell.workers.commands import CommandRunner
from omegacell.workers.guard import Guard, lock_path
from omegacell.workers.log_upkeep import LogUpkeep
from omegacell.workers.memory import MemoryLimits
from omegacell.workers.pool import PoolRunner
from omegacell.workers.ports import Ports
from omegacell.workers.runner import ReportHandler, RunnerSettings, Slot, SlotKey, Word
from omegacell.workers.watcher import Watcher
from omegacell.workers.workplace import Workplace

_LONGEST_CLOSE_SECONDS = 10.0
"""A killed process that is still there after this long hangs in the kernel; nothing more can be done."""


class ProcessRunner:
    """Runs tasks as processes of this host (see runner.Runner)."""

    def __init__(self, name: str, settings: RunnerSettings, handler: ReportHandler) -> None:
        settings.log_directory.mkdir(parents=True, exist_ok=True)
        self._handler = handler
        self._watcher = Watcher("tasks")
        self._guard = Guard(self._watcher, lock_path(settings.log_directory, name))
        self._memory = MemoryLimits(self._watcher, self._guard, settings.groups_in)
        self._upkeep = LogUpkeep(
            settings.log_directory,
            limit_bytes=settings.log_file_bytes,
            retention_seconds=settings.log_file_retention_seconds,
        )
        self._round: list[Word] = []
        workplace = Workplace(
            watcher=self._watcher,
            guard=self._guard,
            memory=self._memory,
            ports=Ports(),
            upkeep=self._upkeep,
            settings=settings,
        )
        self._commands = CommandRunner(workplace, self._round.append)
        self._callables = PoolRunner(workplace, self._round.append)
        self._watcher.post(lambda: self._watcher.after_each_round(self._hand_over))

    @property
    def guard_pid(self) -> int:
        """The process id of the guard."""
        return self._guard.pid

    def start(self, slots: Sequence[Slot]) -> None:
        """Start each in turn; each is a callback of its own, so that ends are seen in between."""
        for slot in slots:
            self._watcher.post(lambda slot=slot: self._runner_of(slot).start(slot))  # type: ignore[misc]  # lambda defaults

    def stop(self, key: SlotKey, stop: Stop) -> None:
        """Begin nothing more; terminate, then kill."""

        def both() -> None:
            self._commands.stop(key, stop)
            self._callables.stop(key, stop)

        self._watcher.post(both)

    def kill(self, keys: Sequence[SlotKey]) -> None:
        """Kill at once."""

        def both() -> None:
            self._commands.kill(keys)
            self._callables.kill(keys)

        self._watcher.post(both)

    def kill_all(self) -> None:
        """Kill every task and every warm process."""

        def both() -> None:
            self._commands.kill_all()
            self._callables.kill_all()

        self._watcher.post(both)

    def lease_until(self, boottime: float) -> None:
        """The guard's deadline."""
        self._guard.deadline(boottime)

    def idle(self, timeout_seconds: float) -> bool:
        """Wait until no task runs."""
        return self._wait_until(lambda: not self._commands and not self._callables, timeout_seconds)

    def _wait_until(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait for something that holds in the watcher's thread."""
        emptied = threading.Event()

        def look() -> None:
            if condition():
                emptied.set()
            else:
                self._watcher.later(0.01, look)

        self._watcher.post(look)
        return emptied.wait(timeout_seconds)

    def close(self) -> None:
        """Kill everything, then end the thread and the guard, which kills what had left its group."""
        self.kill_all()
        self._wait_until(lambda: not self._commands and not self._callables.processes, _LONGEST_CLOSE_SECONDS)
        self._watcher.close()
        self._upkeep.close()
        self._memory.close()
        self._guard.close()

    def _runner_of(self, slot: Slot) -> CommandRunner | PoolRunner:
        return self._commands if slot.definition.kind is TaskKind.COMMAND else self._callables

    def _hand_over(self) -> None:
        if self._round:
            reports = tuple(self._round)
            self._round.clear()
            self._handler(reports)
