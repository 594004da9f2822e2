"""The runner of hollow machines: tasks that take time and nothing else, on as many machines as one likes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from omegacell.cellstate.model import AttemptState, Ended, Stop
from omegacell.workers.runner import EndedHandler, Task, TaskKey, ended, stopped_state
from omegacell.workers.watcher import Timer, Watcher


class HollowRunner:
    """Each task "runs" for its job's expected duration, then succeeds (see runner.Runner).

    `default_seconds` is for jobs that expect none: 0 ends at once, math.inf only when stopped.
    """

    def __init__(self, default_seconds: float, handler: EndedHandler) -> None:
        self._default_seconds = default_seconds
        self._handler = handler
        self._watcher = Watcher("hollow")
        self._running: dict[TaskKey, tuple[Task, float, Timer | None]] = {}
        self._round: list[Ended] = []
        self._watcher.post(lambda: self._watcher.after_each_round(self._hand_over))

    def start(self, tasks: Sequence[Task]) -> None:
        """Let them begin, all at one time."""

        def begin() -> None:
            now = time.time()
            for task in tasks:
                self._begin(task, now)

        self._watcher.post(begin)

    def stop(self, key: TaskKey, stop: Stop) -> None:
        """It ends at once."""
        self._watcher.post(lambda: self._end(key, stopped_state(stop)))

    def kill(self, keys: Sequence[TaskKey]) -> None:
        """They are forgotten."""

        def forget() -> None:
            for key in keys:
                self._forget(key)

        self._watcher.post(forget)

    def kill_all(self) -> None:
        """All are forgotten."""

        def forget() -> None:
            for key in tuple(self._running):
                self._forget(key)

        self._watcher.post(forget)

    def lease_until(self, boottime: float) -> None:
        """Nothing runs outside this process: there is nothing to guard."""

    def idle(self, timeout_seconds: float) -> bool:
        """Wait until what was posted is done; what runs for long is only a number here."""
        reached = threading.Event()
        self._watcher.post(reached.set)
        return reached.wait(timeout_seconds)

    def close(self) -> None:
        """Forget everything."""
        self._watcher.close()

    def _begin(self, task: Task, now: float) -> None:
        seconds = task.definition.expected_duration_seconds or self._default_seconds
        timer = None
        if 0 < seconds < math.inf:
            timer = self._watcher.later(seconds, lambda: self._end(task.key, AttemptState.SUCCEEDED))
        self._running[task.key] = (task, now, timer)
        if seconds <= 0:
            self._end(task.key, AttemptState.SUCCEEDED)

    def _forget(self, key: TaskKey) -> tuple[Task, float, Timer | None] | None:
        found = self._running.pop(key, None)
        if found is not None and found[2] is not None:
            found[2].cancel()
        return found

    def _end(self, key: TaskKey, state: AttemptState) -> None:
        found = self._forget(key)
        if found is not None:
            exit_code = 0 if state is AttemptState.SUCCEEDED else -1
            self._round.append(ended(found[0], state, exit_code=exit_code, started_at=found[1]))

    def _hand_over(self) -> None:
        if self._round:
            ends = tuple(self._round)
            self._round.clear()
            self._handler(ends)
