"""Why a job is where it is, for people; the scheduler's own note comes along for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from omegacell.cellstate.model import JobState, JobStatus
from omegacell.cellstate.store import ClientStore
from omegacell.client.ids import job_text
from omegacell.schedulers.explain import render


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


def explain(store: ClientStore, job_id: int) -> Explanation:
    """The job's explanation now; NotFound if there is no such job."""
    status = store.job(job_id)
    note = json.loads(store.explanation(job_id) or "{}")
    kinds = {one.kind for one in store.schedulers() if one.alive}
    return Explanation(
        job_id=job_id, state=status.state, sentences=tuple(_sentences(status, kinds, note)), note=note
    )


def _sentences(status: JobStatus, live_kinds: set[str], note: Mapping[str, Any]) -> Iterator[str]:
    job = f"Job {job_text(status.job_id)} ({status.name})"
    if status.state.final:
        yield f"{job} {_ended(status)}."
        return
    waiting = status.task_count - status.next_index + status.waiting_retry
    placed = f"{status.placed} of {status.task_count} tasks are placed"
    if status.cancel_requested:
        yield f"{job} is being cancelled; {placed}."
        return
    yield f"{job} is {status.state}: {placed}, {waiting or 'none'} wait{'' if waiting else 's'}."
    if not waiting:
        return
    if status.scheduler not in live_kinds:
        yield (
            f"No live scheduler serves kind {status.scheduler!r}; start one with: "
            f"omega scheduler run {status.scheduler}."
        )
    yield from render(note)


def _ended(status: JobStatus) -> str:
    counts = {"succeeded": status.succeeded, "failed": status.failed, "cancelled": status.cancelled}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    because = f" ({status.reason})" if status.reason else ""
    return f"{status.state}{because}: of {status.task_count} tasks {told or 'none ran'}"
