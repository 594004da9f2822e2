"""What the agent knows about each slot: running, ended and not yet reported, or lately reported.

Shared by the thread that pulls, the thread that reports and the runner's thread; everything under one lock.
A slot is known here by the key it was started under; where it was split, the store knows it by another since.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omegacell.cellstate.model import AttemptState, Ended, Holdings, Kept, Started, Stop
from omegacell.workers.reconcile import Decision, reconcile
from omegacell.workers.runner import Report, Running, SlotKey, Word, key_of

REPORT_WINDOW_SECONDS = 0.05
"""A slot that ends within it is reported once, as ended; its start is written only if it lasts longer."""

_BATCH_ENDS = 2000
_BATCH_BYTES = 32 * 2**20
"""One report's size: large enough that its cost is per task, small enough not to hold the locks for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the next report says, each slot as a whole and at most once."""

    reports: tuple[Report, ...]
    started: tuple[Started, ...]

    @property
    def ended(self) -> tuple[Ended, ...]:
        """Every task that ended, slot by slot."""
        return tuple(end for report in self.reports for end in report.ended)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """Every task with which a slot goes on."""
        return tuple(kept for report in self.reports for kept in report.kept)


class Ledger:
    """The records of one registration. Keys of an earlier one are not in it, so their ends are ignored."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[int, dict[SlotKey, Stop]] = {}
        self._unstarted: deque[tuple[float, SlotKey]] = deque()
        self._told: deque[Started] = deque()
        self._unreported: deque[Report] = deque()
        self._ended: set[SlotKey] = set()
        self._reported: dict[SlotKey, float] = {}
        self._goes_by: dict[SlotKey, SlotKey] = {}
        self._started_as: dict[SlotKey, SlotKey] = {}
        self._waiting: set[int] = set()
        self._leaving = False
        self._closed = False

    def decide(self, holdings: Sequence[Holdings], asked_at: float) -> Decision:
        """What to do about an answer that was asked for at `asked_at` (monotonic); it is noted as done.

        Keys reported before the question was asked can be in no answer any more, and are forgotten.
        """
        with self._changed:
            finished = self._ended | self._reported.keys() if self._reported else self._ended
            decision = reconcile(holdings, self._running, finished, self._started_as)
            self._forget_reported(asked_at)
            self._waiting.difference_update(held.machine_id for held in holdings)
            self._waiting |= decision.waiting
            for placement in (*decision.start, *decision.refuse):
                key = key_of(placement)
                self._running.setdefault(key.machine_id, {})[key] = placement.stop
            for key, stop in decision.stop:
                self._running[key.machine_id][key] = stop
            for key in decision.kill:
                self._drop(key)
                self._forget_name(key)
            return decision

    def began(self, keys: Sequence[SlotKey]) -> None:
        """These were handed to the runner; that they run is told after the window. (Others tell it themselves.)"""
        now = time.monotonic()
        with self._changed:
            self._unstarted.extend((now, key) for key in keys)
            self._changed.notify_all()

    def overtaken(self, decision: Decision) -> bool:
        """Whether a report reached the store while the answer was on its way that may let waiting slots start."""
        with self._changed:
            return any(key.machine_id in decision.waiting for key in self._reported)

    def forget(self, keys: Sequence[SlotKey]) -> None:
        """These were not started after all; the next answer brings them again."""
        with self._changed:
            for key in keys:
                self._drop(key)

    def note(self, words: Sequence[Word]) -> None:
        """Note what is to be reported; what is said of unknown keys is nobody's concern."""
        with self._changed:
            for word in words:
                if word.key not in self._running.get(word.key.machine_id, {}):
                    continue
                if isinstance(word, Running):
                    self._told.append(self._started(word.key, time.time(), word.ports))
                else:
                    self._note_report(_on_leaving(word) if self._leaving else word)
            self._changed.notify_all()

    def next_batch(self) -> Batch | None:
        """Wait for something to report, and take it; None once closed with nothing left."""
        with self._changed:
            while not self._unreported:
                now = time.monotonic()
                started = self._take_started(now)
                if started:
                    return Batch(reports=(), started=started)
                if self._closed:
                    return None
                self._changed.wait(self._seconds_to_next_start(now))
            reports = self._take_reports()
            return Batch(reports=reports, started=self._take_started(time.monotonic()))

    def put_back(self, batch: Batch) -> None:
        """The ends could not be delivered; they come first in the next batch. Starts are let go."""
        with self._changed:
            self._unreported.extendleft(reversed(batch.reports))

    def delivered(self, batch: Batch) -> bool:
        """The store has answered for these, whatever it said; whether a slot may have waited for it."""
        now = time.monotonic()
        with self._changed:
            for report in batch.reports:
                if not report.kept:
                    self._ended.discard(report.key)
                    self._reported[report.key] = now
            return any(report.key.machine_id in self._waiting for report in batch.reports)

    def leave(self) -> tuple[SlotKey, ...]:
        """What runs, all of which is now to be stopped because the machines are given back.

        From here on a task that was stopped is not reported: it is the store's to say that it was lost. Those
        of its slot that had ended, or did not begin, are not lost with it.
        """
        with self._changed:
            self._leaving = True
            return tuple(key for keys in self._running.values() for key in keys)

    def close(self) -> None:
        """Nothing more will come: let the reporter finish."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _note_report(self, report: Report) -> None:
        if report.kept:
            self._rename(report.key, report.kept[0].task_index)
        else:
            self._drop(report.key)
            self._ended.add(report.key)
        if report.ended or report.kept:
            self._unreported.append(report)

    def _drop(self, key: SlotKey) -> bool:
        return self._running.get(key.machine_id, {}).pop(key, None) is not None

    def _rename(self, key: SlotKey, index: int) -> None:
        """Until the slot is over and no answer can hold it, it is found by either key."""
        name = key._replace(first_index=index)
        if name != key:
            self._goes_by[key] = name
            self._started_as[name] = key

    def _forget_name(self, key: SlotKey) -> None:
        if key in self._goes_by:
            del self._started_as[self._goes_by.pop(key)]

    def _forget_reported(self, asked_at: float) -> None:
        for key in [key for key, at in self._reported.items() if at < asked_at]:
            del self._reported[key]
            self._forget_name(key)

    def _take_reports(self) -> tuple[Report, ...]:
        """As many as one call should carry; of a slot that was split only the first, on which the next builds."""
        taken: dict[SlotKey, Report] = {}
        ends = size = 0
        while self._unreported and ends < _BATCH_ENDS and size < _BATCH_BYTES:
            if self._unreported[0].key in taken:
                break
            report = self._unreported.popleft()
            taken[report.key] = report
            ends += len(report.ended)
            size += sum(len(end.result) for end in report.ended)
        return tuple(taken.values())

    def _take_started(self, now: float) -> tuple[Started, ...]:
        started = [*self._told]
        self._told.clear()
        due = now - REPORT_WINDOW_SECONDS
        while self._unstarted and self._unstarted[0][0] <= due and len(started) < _BATCH_ENDS:
            since, key = self._unstarted.popleft()
            if key in self._running.get(key.machine_id, {}):
                started.append(self._started(key, time.time() - (now - since)))
        return tuple(started)

    def _started(self, key: SlotKey, at: float, ports: tuple[tuple[str, int], ...] = ()) -> Started:
        name = self._goes_by.get(key, key)
        return Started(
            job_id=name.job_id,
            first_index=name.first_index,
            attempt=name.attempt,
            machine_id=name.machine_id,
            epoch=name.epoch,
            started_at=at,
            ports=ports,
        )

    def _seconds_to_next_start(self, now: float) -> float | None:
        if not self._unstarted:
            return None
        return max(0.0, self._unstarted[0][0] + REPORT_WINDOW_SECONDS - now)


def _on_leaving(report: Report) -> Report:
    """The report without the task that was stopped (of a slot the last one, if any), which is left to be lost."""
    if report.kept or not report.ended or report.ended[-1].state is not AttemptState.PREEMPTED:
        return report
    *before, stopped = report.ended
    if not before and not report.given_back:
        return replace(report, ended=())
    kept = Kept(
        job_id=stopped.job_id,
        first_index=stopped.first_index,
        task_index=stopped.task_index,
        attempt=stopped.attempt,
        machine_id=stopped.machine_id,
        epoch=stopped.epoch,
    )
    return replace(report, ended=tuple(before), kept=(kept,))
