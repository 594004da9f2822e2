"""Why a job is where it is, for people; the scheduler's own note comes along for programs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from omegacell.cellstate.model import AttemptState, JobState, JobStatus, Outcome
from omegacell.cellstate.store import ClientStore
from omegacell.client import holding_back, preemptions
from omegacell.client.ids import job_text, task_text
from omegacell.client.waiting import Pauses
from omegacell.schedulers.explain import render

_FIRST_NOTE_SECONDS = 1.0
"""So long a job that was just submitted is given: some ten times what a scheduler takes to look at it."""
_NAMED = 3
"""So many tasks are named, those in most trouble first; the rest is counted in the first sentence."""
_LONGEST_LINE = 200
"""So much of a task's own words fits a sentence; omega logs has the rest."""


_HOW = {
    AttemptState.START_FAILED: "could not start",
    AttemptState.TIMED_OUT: "timed out",
    AttemptState.PREEMPTED: "gave way",
    AttemptState.LOST: "was lost",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Sentences, the most telling first, and the note that its scheduler left at its last attempt."""

    job_id: int
    state: JobState
    sentences: tuple[str, ...]
    note: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The sentences, one a line."""
        return "\n".join(self.sentences)


def explain(store: ClientStore, job_id: int, pauses: Pauses) -> Explanation:
    """The job's explanation now; NotFound if there is no such job.

    A job that nobody has attempted yet, although a scheduler of its kind lives, is given a second first.
    """
    status = store.job(job_id)
    live_kinds = {one.kind for one in store.schedulers() if one.alive}

    def attempted() -> bool:
        nonlocal status
        status = store.job(job_id)
        return status.state is not JobState.PENDING or _attempted(status) or bool(_note(store, job_id))

    if status.scheduler in live_kinds and not (status.held or status.blocked_by):
        pauses.until(attempted, _FIRST_NOTE_SECONDS)
    note = _note(store, job_id)
    now = time.time()
    sentences = [*_standing(status), *preemptions.sentences(store, job_id)]
    if "reserved" not in note:  # what its scheduler said of it says more
        sentences += preemptions.reserved(store, job_id, now=now)
    sentences += holding_back.sentences(store, status, now=now)
    sentences += _troubles(store, status, now=now)
    sentences += _waiting(status, live_kinds, note)
    return Explanation(job_id=job_id, state=status.state, sentences=tuple(sentences), note=note)


def _note(store: ClientStore, job_id: int) -> dict[str, Any]:
    note: dict[str, Any] = json.loads(store.explanation(job_id) or "{}")
    return note


def _attempted(status: JobStatus) -> bool:
    return status.first_placed_at > 0 or status.attempts > 0


def _standing(status: JobStatus) -> Iterator[str]:
    job = f"Job {job_text(status.job_id)} ({status.name})"
    wanted = f"{status.replicas} replicas" if status.service else f"{status.task_count} tasks"
    placed = f"{status.placed} of {wanted} are placed"
    waiting = status.waiting + status.waiting_retry
    if status.state.final:
        yield f"{job} {_ended(status)}."
    elif status.cancel_requested:
        yield f"{job} is being cancelled; {placed}."
    else:
        yield f"{job} is {status.state}: {placed}, {waiting or 'none'} wait{'' if waiting > 1 else 's'}."


def _waiting(status: JobStatus, live_kinds: set[str], note: Mapping[str, Any]) -> Iterator[str]:
    """Why what waits is not placed."""
    if status.state.final or status.cancel_requested or status.held or status.blocked_by:
        return
    if not status.waiting + status.waiting_retry:
        return
    if status.scheduler not in live_kinds:
        yield (
            f"No live scheduler serves kind {status.scheduler!r}; start one with: "
            f"omega scheduler run {status.scheduler}."
        )
    if note or not _attempted(status):
        yield from render(note)


def _ended(status: JobStatus) -> str:
    counts = {"succeeded": status.succeeded, "failed": status.failed, "cancelled": status.cancelled}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    because = f" ({status.reason})" if status.reason else ""
    return f"{status.state}{because}: of {status.task_count} tasks {told or 'none ran'}"


def _troubles(store: ClientStore, status: JobStatus, *, now: float) -> Iterator[str]:
    """What went wrong in the tasks: those of an ended job that failed, those of another that run again."""
    if status.state.final:
        if status.failed:
            yield from _failed(store, status.job_id)
    elif status.waiting_retry and not status.cancel_requested:
        yield from _running_again(store, status.job_id, now=now)


def _failed(store: ClientStore, job_id: int) -> Iterator[str]:
    fine = (AttemptState.SUCCEEDED, AttemptState.CANCELLED)
    failed = [one for one in store.outcomes(job_id, final_only=True) if one.state not in fine]
    for outcome in failed[:_NAMED]:
        task = task_text(job_id, outcome.task_index)
        yield f"Task {outcome.task_index} {_how(outcome)}{_used_up(outcome)}; see: omega logs {task}."


def _running_again(store: ClientStore, job_id: int, *, now: float) -> Iterator[str]:
    retries = sorted(store.retries(job_id), key=lambda one: (-one.attempt, one.first_index))[:_NAMED]
    outcomes = store.outcomes(job_id, task_indexes=[one.first_index for one in retries]) if retries else ()
    last = {one.task_index: one for one in outcomes}  # by attempt: the last one stays
    for retry in retries:
        if retry.first_index not in last:
            continue
        outcome = last[retry.first_index]
        left = retry.not_before - now
        when = f"runs again in {math.ceil(left)} s" if left > 0 else "may run again now"
        yield f"Attempt {outcome.attempt} of task {outcome.task_index} {_how(outcome)}; it {when}."


def _used_up(outcome: Outcome) -> str:
    """Why it did not run again, where that is not plain from how it ended."""
    if outcome.state in (AttemptState.LOST, AttemptState.PREEMPTED):
        return ", and may not run again (max_lost is used up, or on_lost is 'fail')"
    return ""


def _how(outcome: Outcome) -> str:
    """How an attempt ended, its exit code, and what it said itself."""
    how = _HOW.get(outcome.state, outcome.state.value)
    if outcome.state is AttemptState.PREEMPTED and not outcome.error.startswith("preempted by"):
        return "was stopped to run again (its machine is drained, or its gang starts again together)"
    if outcome.exit_code > 0:  # -1 where nothing ran to an end
        how += f" with exit code {outcome.exit_code}"
    error = "" if outcome.error == f"exit code {outcome.exit_code}" else outcome.error
    lines = error.strip().splitlines()[:1] or outcome.stderr_tail.strip().splitlines()[-1:]
    if not lines:
        return how
    said = lines[0].strip()
    return f"{how} ({said if len(said) <= _LONGEST_LINE else said[: _LONGEST_LINE - 3] + '...'})"
