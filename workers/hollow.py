"""The runner of hollow machines: tasks that take time and nothing else, on as many machines as one likes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from omegacell.cellstate.model import AttemptState, Stop
from omegacell.workers.runner import ReportHandler, Running, Slot, SlotKey, Word, stopped_state
from omegacell.workers.slots import SLOT_REPORT_SECONDS, SlotRun
from omegacell.workers.watcher import Timer, Watcher


class HollowRunner:
    """Each task "runs" for its job's expected duration, then succeeds (see runner.Runner).

    `default_seconds` is for jobs that expect none: 0 ends at once, math.inf only when stopped. A slot needs
    a timer for its end, and one more if it lasts.
    """

    def __init__(self, default_seconds: float, handler: ReportHandler) -> None:
        self._default_seconds = default_seconds
        self._handler = handler
        self._watcher = Watcher("hollow")
        self._running: dict[SlotKey, _HollowSlot] = {}
        self._round: list[Word] = []
        self._watcher.post(lambda: self._watcher.after_each_round(self._hand_over))

    def start(self, slots: Sequence[Slot]) -> None:
        """Let them begin, all at one time."""

        def begin() -> None:
            now = time.time()
            for slot in slots:
                self._begin(slot, now)

        self._watcher.post(begin)

    def stop(self, key: SlotKey, stop: Stop) -> None:
        """The current task ends at once, and no other begins."""

        def end() -> None:
            found = self._forget(key)
            if found is not None:
                found.stop(stopped_state(stop), time.time())

        self._watcher.post(end)

    def kill(self, keys: Sequence[SlotKey]) -> None:
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

    def _begin(self, slot: Slot, now: float) -> None:
        seconds = slot.definition.expected_duration_seconds or self._default_seconds
        begun = self._running[slot.key] = _HollowSlot(SlotRun(slot, self._round.append), seconds, now)
        if slot.tells_start:
            self._round.append(Running(key=slot.key))
        whole = slot.count * seconds
        if whole <= 0:
            self._end(slot.key)
        elif slot.count > 1 and whole > SLOT_REPORT_SECONDS:
            begun.timer = self._watcher.later(SLOT_REPORT_SECONDS, lambda: self._split(begun))
        elif whole < math.inf:
            begun.timer = self._watcher.later(whole, lambda: self._end(slot.key))

    def _split(self, slot: _HollowSlot) -> None:
        key = slot.run.slot.key
        now = time.time()
        slot.succeed_until(now)
        if slot.run.over:
            self._end(key)
            return
        slot.run.split()
        left = slot.current_ends_at - now
        if left < math.inf:
            slot.timer = self._watcher.later(left, lambda: self._end(key))

    def _end(self, key: SlotKey) -> None:
        found = self._forget(key)
        if found is not None:
            found.succeed_until(math.inf)
            found.run.finish()

    def _forget(self, key: SlotKey) -> _HollowSlot | None:
        found = self._running.pop(key, None)
        if found is not None and found.timer is not None:
            found.timer.cancel()
        return found

    def _hand_over(self) -> None:
        if self._round:
            reports = tuple(self._round)
            self._round.clear()
            self._handler(reports)


class _HollowSlot:
    """A slot and how long each of its tasks takes."""

    def __init__(self, run: SlotRun, seconds: float, now: float) -> None:
        self.run = run
        self.timer: Timer | None = None
        self._seconds = seconds
        self._started_at = now

    @property
    def current_ends_at(self) -> float:
        """When the current task ends by itself."""
        return self._started_at + self._seconds

    def succeed_until(self, now: float) -> None:
        """End what is to end by then."""
        while not self.run.over and self.current_ends_at <= now:
            self._end(AttemptState.SUCCEEDED, self.current_ends_at, exit_code=0)

    def stop(self, state: AttemptState, now: float) -> None:
        """End the current task so."""
        self.succeed_until(now)
        self.run.cut(self.run.current + 1)
        if not self.run.over:
            self._end(state, now, exit_code=-1)
        self.run.finish()

    def _end(self, state: AttemptState, now: float, *, exit_code: int) -> None:
        self.run.ended(state, exit_code=exit_code, started_at=self._started_at, ended_at=now)
        self._started_at = now
