"""A slot under way: which of its tasks is on, which still follow, and what there is to report of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypedDict, Unpack

from omegacell.cellstate.model import AttemptState, Ended, Kept
from omegacell.workers.runner import Report, Slot, SlotKey, printable

SLOT_REPORT_SECONDS = 0.2
"""A slot is meant to last some 30 ms. One that lasts so much longer was misjudged, and holds back results that
are there and tasks that could run elsewhere."""


class How(TypedDict, total=False):
    """Of an end what Ended says of it; a time that is not given is now."""

    exit_code: int
    started_at: float
    ended_at: float
    result: bytes
    error: str
    stdout_tail: str
    stderr_tail: str


def ended_of(key: SlotKey, task_index: int, state: AttemptState, **how: Unpack[How]) -> Ended:
    """The end of one task of the slot that the store knows by `key`, in words that it can keep."""
    ended_at = how.get("ended_at") or time.time()
    return Ended(
        job_id=key.job_id,
        first_index=key.first_index,
        task_index=task_index,
        attempt=key.attempt,
        machine_id=key.machine_id,
        epoch=key.epoch,
        state=state,
        exit_code=how.get("exit_code", -1),
        started_at=how.get("started_at") or ended_at,
        ended_at=ended_at,
        result=how.get("result", b""),
        error=printable(how.get("error", "")),
        stdout_tail=printable(how.get("stdout_tail", "")),
        stderr_tail=printable(how.get("stderr_tail", "")),
    )


class SlotRun:
    """The tasks of a slot, which end in the order of their indexes. For one thread.

    `current` is the task that runs, or runs next; those from `end` on will not begin here.
    """

    def __init__(self, slot: Slot, report: Callable[[Report], None]) -> None:
        self.slot = slot
        self.current = slot.key.first_index
        self.end = self._reported_end = slot.key.first_index + slot.count
        self._began = time.monotonic()
        self._report = report
        self._known_as = slot.key
        self._ends: list[Ended] = []

    @property
    def over(self) -> bool:
        """Whether nothing is left to run or to end."""
        return self.current >= self.end

    def seconds_to_split(self) -> float:
        """How much longer the slot may take before it is split, if it has several tasks."""
        return max(0.0, self._began + SLOT_REPORT_SECONDS - time.monotonic())

    def cut(self, end: int) -> None:
        """Begin none from index `end` on."""
        self.end = min(self.end, end)

    def ended(self, state: AttemptState, **how: Unpack[How]) -> None:
        """The current task ended; the next one is on."""
        self._ends.append(ended_of(self._known_as, self.current, state, **how))
        self.current += 1

    def split(self) -> None:
        """Report the ends so far, and go on with the current task alone."""
        self.cut(self.current + 1)
        kept = Kept(
            job_id=self._known_as.job_id,
            first_index=self._known_as.first_index,
            task_index=self.current,
            attempt=self._known_as.attempt,
            machine_id=self._known_as.machine_id,
            epoch=self._known_as.epoch,
        )
        self._hand_over(kept)
        self._known_as = self._known_as._replace(first_index=self.current)

    def finish(self) -> None:
        """Report the ends there are; nothing more will come."""
        self._hand_over()

    def _hand_over(self, *kept: Kept) -> None:
        given_back = self._reported_end - self.end
        self._report(Report(key=self.slot.key, ended=tuple(self._ends), kept=kept, given_back=given_back))
        self._reported_end = self.end
        self._ends.clear()
