"""Asking a running task whether it is well. The decision is Pulse's; HealthWatch asks in time and obeys."""

from __future__ import annotations

import time
from collections.abc import Callable

from omegacell.cellstate.model import Health
from omegacell.workers.questions import CommandQuestion, HttpQuestion, Question, Subject
from omegacell.workers.workplace import Workplace

_FIRST_SECONDS = 0.05
"""Until the first good answer it is asked this soon, then twice as late each time up to the interval: it is not
said to run before, and most start in less than an interval."""


class Pulse:
    """What the answers so far mean."""

    def __init__(self, health: Health, started: float) -> None:
        self._health = health
        self._started = started
        self._failures = 0
        self._pause = _FIRST_SECONDS
        self.well = False

    def failed(self, now: float) -> bool:
        """One more bad answer; whether the task must end."""
        self._failures += 1
        late = self.well or now - self._started >= self._health.start_seconds
        return late and self._failures >= self._health.failures

    def good(self) -> bool:
        """A good answer; whether it is the first."""
        first, self.well, self._failures = not self.well, True, 0
        return first

    def next_pause(self) -> float:
        """How long after this question was asked to ask the next."""
        if self.well:
            return self._health.interval_seconds
        pause = min(self._pause, self._health.interval_seconds)
        self._pause *= 2
        return pause


class HealthWatch:
    """Asks from now on until closed. `well` is called at the first good answer, `unwell` with the sentence.

    Watcher's thread only.
    """

    def __init__(
        self,
        workplace: Workplace,
        health: Health,
        subject: Subject,
        *,
        well: Callable[[], None],
        unwell: Callable[[str], None],
    ) -> None:
        self._workplace = workplace
        self._health = health
        self._subject = subject
        self._well = well
        self._unwell = unwell
        self._pulse = Pulse(health, time.monotonic())
        self._asked_at = 0.0
        self._question: Question | None = None
        self._timer = workplace.watcher.later(_FIRST_SECONDS, self._ask)

    def close(self) -> None:
        """Ask no more."""
        self._timer.cancel()
        if self._question is not None:
            self._question.close()
            self._question = None

    def _ask(self) -> None:
        if self._question is not None:
            self._question.close()
        self._asked_at = time.monotonic()
        seconds = self._health.timeout_seconds
        if self._health.command:
            self._question = CommandQuestion(
                self._workplace, self._health.command, self._subject, seconds, self._answered
            )
        else:
            self._question = HttpQuestion(
                self._workplace.watcher, self._subject.port, self._health.http_path, seconds, self._answered
            )

    def _answered(self, wrong: str) -> None:
        now = time.monotonic()
        if wrong and self._pulse.failed(now):
            self.close()
            times = "once" if self._health.failures == 1 else f"{self._health.failures} times"
            self._unwell(f"health check failed {times}: {wrong}")
            return
        if not wrong and self._pulse.good():
            self._well()
        left = self._asked_at + self._pulse.next_pause() - now
        self._timer = self._workplace.watcher.later(max(0.0, left), self._ask)
