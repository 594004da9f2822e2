"""How a scheduler goes about its work, as plain values; `PRESETS` holds the named ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

UNLIMITED = 2**31 - 1
"""More tasks than a job may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """When a job that was not fully placed is tried again, and when no more.

    After progress and after a conflict: so many seconds later. After an attempt that found no room: the first
    back-off, doubled with each fruitless attempt in a row up to the maximum, of which the share `jitter` is
    random. The two limits give up beyond so many attempts with nothing ever placed, or in all; 0: never.
    """

    progress_seconds: float = 0.0
    conflict_seconds: float = 0.0
    backoff_first_seconds: float = 0.1
    backoff_max_seconds: float = 2.0
    jitter: float = 0.5
    max_attempts_unplaced: int = 0
    max_attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfig:
    """One scheduler's configuration; the kinds have defaults of their own (`Scheduler.default_config`).

    `max_slots_per_attempt` is shared out evenly among the jobs of an attempt. `ranges` lets a slot hold
    several very short tasks (ranges.py). Think time is slept live, and an event in virtual time:
    think_job_seconds a job plus think_task_seconds per task still unplaced. `explain` off leaves explanations
    empty and saves a pass over the cell per job without room. A policy that thinks for longer than
    `stall_seconds` is taken for hung: the lease is not renewed any more.

    Progress among rivals: `losers_first` plans, and has judged, jobs that just conflicted before others of
    their priority; `widen` chooses among the more machines, the more claims conflicted lately
    (contention.py); `split` asks for half as much of an all-or-nothing job after each conflict in a row.
    After `alternatives_after_conflicts` attempts in a row with a conflict (0: never) a job's claims carry up
    to `alternatives_at_most` other machines (alternatives.py).

    `preemption`: jobs without room may end placements of lower priority, `max_victims_per_attempt` of them; a
    gang that would need more takes none. A gang without room gets machines reserved for `reserve_seconds` after
    `reserve_after_attempts` fruitless attempts in a row (0: never) and a wait of `reserve_after_seconds`; then ages
    anew (reserve.py).
    """

    jobs_per_attempt: int = 16
    max_slots_per_attempt: int = 4_000
    ranges: bool = True
    retry: RetryRule = field(default_factory=RetryRule)
    losers_first: bool = True
    widen: bool = True
    split: bool = True
    alternatives_after_conflicts: int = 3
    alternatives_at_most: int = 1_000
    preemption: bool = True
    max_victims_per_attempt: int = 1_000
    reserve_after_attempts: int = 5
    reserve_after_seconds: float = 5.0
    reserve_seconds: float = 20.0
    think_job_seconds: float = 0.0
    think_task_seconds: float = 0.0
    explain: bool = True
    lease_seconds: float = 10.0
    stall_seconds: float = 300.0
    poll_seconds: float = 1.0


REFERENCE = SchedulerConfig(
    jobs_per_attempt=1,
    max_slots_per_attempt=UNLIMITED,
    ranges=False,
    retry=RetryRule(
        progress_seconds=1.0,
        conflict_seconds=1.0,
        backoff_first_seconds=1.0,
        backoff_max_seconds=1.0,
        jitter=0.0,
        max_attempts_unplaced=100,
        max_attempts=1_000,
    ),
    losers_first=False,
    widen=False,
    split=False,
    alternatives_after_conflicts=0,
    preemption=False,
    reserve_after_attempts=0,
    think_job_seconds=0.1,
    think_task_seconds=0.005,
)
"""Omega's lightweight simulator: a job at a time, t_job 0.1 s, t_task 5 ms, again after 1.0 s, given up after
more than 100 attempts with nothing placed or more than 1,000. What Omega does not have is off. Use it with the
policy random_first_fit."""

PRESETS: Mapping[str, SchedulerConfig] = MappingProxyType({"reference": REFERENCE})
"""By name; "default" is not among them, as it is the kind's own."""
