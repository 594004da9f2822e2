"""An agent whose host is taken away at a time that is known: it takes no new work a while before, and ends in time."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from omegacell.workers.agent import Agent

log = logging.getLogger(__name__)

_DRAIN_FRACTION = 0.1
_LONGEST_DRAIN_SECONDS = 300.0
"""What runs may end by itself meanwhile; machines that take nothing new for longer are waste."""

_ENDING_SECONDS = 5.0
"""Beside the grace: to kill, report and give the machines back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """When to drain and when to stop, in seconds from the beginning."""

    drain_at: float
    stop_at: float


def stages_of(limit_seconds: float, grace_seconds: float) -> Stages:
    """So that all is over at the limit; of a short one at least half is used."""
    stop_at = max(limit_seconds / 2, limit_seconds - grace_seconds - _ENDING_SECONDS)
    drain = min(_DRAIN_FRACTION * limit_seconds, _LONGEST_DRAIN_SECONDS)
    return Stages(drain_at=max(0.0, stop_at - drain), stop_at=stop_at)


class TimeLimit:
    """Follows the stages in a thread, for as long as the agent lives."""

    def __init__(self, agent: Agent, stages: Stages) -> None:
        self._agent = agent
        self._stages = stages
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="time limit", daemon=True)

    def __enter__(self) -> TimeLimit:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        if self._over.wait(self._stages.drain_at):
            return
        log.info("the time limit is near: no new tasks from here on")
        self._agent.take_no_more()
        if not self._over.wait(self._stages.stop_at - self._stages.drain_at):
            self._agent.stop()
