"""What jobs took from each other and what is reserved for them, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from omegacell.cellstate.model import Preemption
from omegacell.cellstate.store import ClientStore
from omegacell.client.ids import job_text

_NAMED = 3
"""So many other jobs are named, those with most tasks first."""


def sentences(store: ClientStore, job_id: int) -> Iterator[str]:
    """What the job took and what it gave; nothing where it did neither."""
    records = store.preemptions(job_id)
    if taken := taken_from(records, job_id):
        yield f"It took the place of {_tasks(taken.total())} of lower priority: {by_job(taken, 'of')}."
    if given := given_to(records, job_id):
        times = "once" if given.total() == 1 else f"{given.total()} times"
        yield f"Tasks of it gave way to jobs of higher priority {times}: {by_job(given, 'to')}."


def reserved(store: ClientStore, job_id: int, *, now: float) -> Iterator[str]:
    """How many machines are kept for the job, and for how long; nothing where none is."""
    kept = [one for one in store.reservations() if one.job_id == job_id and one.until > now]
    if kept:
        machines = "1 machine is" if len(kept) == 1 else f"{len(kept)} machines are"
        left = max(one.until for one in kept) - now
        yield f"{machines} reserved for it, for {left:.0f} s at most."


def taken_from(records: Iterable[Preemption], job_id: int) -> Counter[int]:
    """How many tasks made room for the job, by the job that they are of."""
    counts: Counter[int] = Counter()
    for one in records:
        if one.winner_job == job_id:
            counts[one.victim_job] += one.count
    return counts


def given_to(records: Iterable[Preemption], job_id: int) -> Counter[int]:
    """How many tasks of the job made room for another, by the job that took their place."""
    counts: Counter[int] = Counter()
    for one in records:
        if one.victim_job == job_id:
            counts[one.winner_job] += one.count
    return counts


def by_job(counts: Counter[int], preposition: str) -> str:
    """Such as "3 of j1, 2 of j7", the largest first; "" where there are none."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    told = [f"{count} {preposition} {job_text(job_id)}" for job_id, count in ordered[:_NAMED]]
    if rest := ordered[_NAMED:]:
        told.append(f"{sum(count for _, count in rest)} {preposition} {len(rest)} other jobs")
    return ", ".join(told)


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"
