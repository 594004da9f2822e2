"""What becomes of a job after an attempt: done, again at some time, or given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omegacell.cellstate.model import ClaimedJob
from omegacell.cellstate.record import record
from omegacell.schedulers.config import RetryRule


@record(eq=True)
class Done:
    """Nothing is left for this scheduler to do: all is placed, or the job is no longer its own."""


DONE = Done()


@record(eq=True)
class RetryAt:
    """Back to the queue, to be taken again from this time on."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """What is not placed will not be; after so many attempts."""

    attempts: int


Next = Done | RetryAt | GiveUp


@record(eq=True)
class Tally:
    """What an attempt brought a job; `withdrawn`: it was no longer the caller's, or had nothing to place."""

    accepted: int
    conflicts: int
    withdrawn: bool


def decide(rule: RetryRule, job: ClaimedJob, tally: Tally, *, now: float, rng: np.random.Generator) -> Next:
    """The next step of a job as it was claimed, after an attempt that went as tallied."""
    if tally.withdrawn or (job.pending and tally.accepted >= job.pending):
        return DONE
    if not job.pending:
        return RetryAt(at=now)  # its retries are not due: the store knows when
    attempts = job.attempts + 1
    never_placed = not tally.accepted and job.pending == job.task_count
    if _beyond(attempts, rule.max_attempts) or (
        never_placed and _beyond(attempts, rule.max_attempts_unplaced)
    ):
        return GiveUp(attempts=attempts)
    if tally.accepted:
        return RetryAt(at=now + rule.progress_seconds)
    if tally.conflicts:
        # A rival got what this job wanted, so the cell as a whole moved on; the verdict's rows are fresh.
        return RetryAt(at=now + rule.conflict_seconds)
    return RetryAt(at=now + backoff_seconds(rule, job.fruitless, rng))


def backoff_seconds(rule: RetryRule, fruitless: int, rng: np.random.Generator) -> float:
    """How long to wait after no room was found, having found none `fruitless` times in a row before."""
    ceiling = min(rule.backoff_max_seconds, rule.backoff_first_seconds * 2.0 ** min(fruitless, 30))
    if not rule.jitter:
        return ceiling
    return ceiling * (1.0 - rule.jitter * float(rng.random()))


def _beyond(attempts: int, limit: int) -> bool:
    return limit > 0 and attempts > limit
