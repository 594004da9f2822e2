"""What the agent knows about each placement: running, ended and not yet reported, or lately reported.

Shared by the thread that pulls, the thread that reports and the runner's thread; everything under one lock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from omegacell.cellstate.model import Ended, Holdings, Started, Stop
from omegacell.workers.reconcile import Decision, reconcile
from omegacell.workers.runner import TaskKey, key_of

REPORT_WINDOW_SECONDS = 0.05
"""A task that ends within it is reported once, as ended; its start is written only if it lasts longer."""

_BATCH_ENDS = 2000
_BATCH_BYTES = 32 * 2**20
"""One report's size: large enough that its cost is per task, small enough not to hold the locks for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the next report says."""

    ended: tuple[Ended, ...]
    started: tuple[Started, ...]


class Ledger:
    """The records of one registration. Keys of an earlier one are not in it, so their ends are ignored."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[int, dict[TaskKey, Stop]] = {}
        self._unstarted: deque[tuple[float, TaskKey]] = deque()
        self._unreported: deque[Ended] = deque()
        self._ended: set[TaskKey] = set()
        self._reported: dict[TaskKey, float] = {}
        self._closed = False

    def decide(self, holdings: Sequence[Holdings], asked_at: float) -> Decision:
        """What to do about an answer that was asked for at `asked_at` (monotonic); it is noted as done.

        Keys reported before the question was asked can be in no answer any more, and are forgotten.
        """
        with self._changed:
            finished = self._ended | self._reported.keys() if self._reported else self._ended
            decision = reconcile(holdings, self._running, finished)
            self._reported = {key: at for key, at in self._reported.items() if at >= asked_at}
            now = time.monotonic()
            for placement in (*decision.start, *decision.refuse):
                key = key_of(placement)
                self._running.setdefault(key.machine_id, {})[key] = placement.stop
                self._unstarted.append((now, key))
            for key, stop in decision.stop:
                self._running[key.machine_id][key] = stop
            for key in decision.kill:
                self._drop(key)
            if decision.start:
                self._changed.notify_all()
            return decision

    def forget(self, keys: Sequence[TaskKey]) -> None:
        """These were not started after all; the next answer brings them again."""
        with self._changed:
            for key in keys:
                self._drop(key)

    def ended(self, ends: Sequence[Ended]) -> None:
        """Note ends to be reported; those of unknown keys are nobody's concern."""
        with self._changed:
            for end in ends:
                key = key_of(end)
                if self._drop(key):
                    self._ended.add(key)
                    self._unreported.append(end)
            self._changed.notify_all()

    def next_batch(self) -> Batch | None:
        """Wait for something to report, and take it; None once closed with nothing left."""
        with self._changed:
            while not self._unreported:
                now = time.monotonic()
                started = self._take_started(now)
                if started:
                    return Batch(ended=(), started=started)
                if self._closed:
                    return None
                self._changed.wait(self._seconds_to_next_start(now))
            ended: list[Ended] = []
            size = 0
            while self._unreported and len(ended) < _BATCH_ENDS and size < _BATCH_BYTES:
                ended.append(self._unreported.popleft())
                size += len(ended[-1].result)
            return Batch(ended=tuple(ended), started=self._take_started(time.monotonic()))

    def put_back(self, batch: Batch) -> None:
        """The ends could not be delivered; they come first in the next batch. Starts are let go."""
        with self._changed:
            self._unreported.extendleft(reversed(batch.ended))

    def delivered(self, batch: Batch) -> None:
        """The store has answered for these ends, whatever it said."""
        now = time.monotonic()
        with self._changed:
            for end in batch.ended:
                key = key_of(end)
                self._ended.discard(key)
                self._reported[key] = now

    def clear_running(self) -> tuple[TaskKey, ...]:
        """Forget what runs, whose ends are then ignored; what it was."""
        with self._changed:
            keys = tuple(key for keys in self._running.values() for key in keys)
            self._running.clear()
            return keys

    def close(self) -> None:
        """Nothing more will come: let the reporter finish."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _drop(self, key: TaskKey) -> bool:
        return self._running.get(key.machine_id, {}).pop(key, None) is not None

    def _take_started(self, now: float) -> tuple[Started, ...]:
        started: list[Started] = []
        due = now - REPORT_WINDOW_SECONDS
        while self._unstarted and self._unstarted[0][0] <= due and len(started) < _BATCH_ENDS:
            since, key = self._unstarted.popleft()
            if key in self._running.get(key.machine_id, {}):
                started.append(
                    Started(
                        job_id=key.job_id,
                        first_index=key.first_index,
                        attempt=key.attempt,
                        machine_id=key.machine_id,
                        epoch=key.epoch,
                        started_at=time.time() - (now - since),
                    )
                )
        return tuple(started)

    def _seconds_to_next_start(self, now: float) -> float | None:
        if not self._unstarted:
            return None
        return max(0.0, self._unstarted[0][0] + REPORT_WINDOW_SECONDS - now)
