"""What keeps a live job from being placed, beside the want of room: in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omegacell.cellstate.model import CommitMode, Dependency, JobSpec, JobStatus
from omegacell.cellstate.store import ClientStore
from omegacell.client import gangs
from omegacell.client.ids import job_text


def sentences(store: ClientStore, status: JobStatus, *, now: float) -> Iterator[str]:
    """Everything that holds the job back, the firmest first; nothing of a job that has ended or is being cancelled."""
    if status.state.final or status.cancel_requested:
        return
    spec = store.specification(status.job_id)
    if status.blocked_by:
        yield from _of_parents(store, store.dependencies(status.job_id))
    if status.held:
        job = job_text(status.job_id)
        yield f"It is held: nothing more of it is placed; let it go on with: omega release {job}."
    if status.open and not status.service:
        yield "It is open: its program may add tasks to it, and it does not end before that closes it."
    waiting = status.waiting + status.waiting_retry
    if status.max_running and waiting and status.placed >= status.max_running:
        yield f"No more than {_tasks(status.max_running)} of it may be placed at once (max_running)."
    if spec.max_failures and status.failed:
        yield f"{status.failed} of its tasks failed for good; with {spec.max_failures} it ends (max_failures)."
    if spec.deadline_seconds:
        left = status.submitted_at + spec.deadline_seconds - now
        yield f"Its deadline {f'passes in {left:.0f} s' if left > 0 else 'has passed: it is about to end'}."
    if status.service:
        yield from _of_replicas(store, status, spec)
    if spec.commit is CommitMode.GANG:
        yield from _of_gang(store, status, spec)


def _of_parents(store: ClientStore, parents: Sequence[Dependency]) -> Iterator[str]:
    """Such as "It waits for j3 (prepare) to succeed, and for 2 others."."""
    if not parents:  # the last one has ended just now
        return
    first, others = parents[0], len(parents) - 1
    found = store.statuses([first.parent_job])
    name = f" ({found[0].name})" if found else ""
    what = "to end" if first.any_end else "to succeed"
    rest = f", and for {others} other{'' if others == 1 else 's'}" if others else ""
    yield f"It waits for {job_text(first.parent_job)}{name} {what}{rest}."


def _of_replicas(store: ClientStore, status: JobStatus, spec: JobSpec) -> Iterator[str]:
    """How many replicas do not answer yet, or not any more."""
    placements = store.placements(status.job_id)
    running = sum(one.count for one in placements if one.running and not one.stop)
    if running >= status.replicas:
        return
    silent = sum(one.count for one in placements if not one.running and not one.stop)
    told = f"{running} of {status.replicas} replicas run"
    if silent:
        are, have = ("is", "has") if silent == 1 else ("are", "have")
        lacking = "passed the health check" if spec.health.checked else "started"
        told += f"; {silent} {are} placed and {have} not {lacking} yet"
    yield f"{told}."


def _of_gang(store: ClientStore, status: JobStatus, spec: JobSpec) -> Iterator[str]:
    """That the gang does not fit, however empty the cell becomes."""
    together = (spec.gang_min or spec.task_count) - status.succeeded - status.failed - status.cancelled
    if status.placed >= together:
        return
    room = gangs.most_slots(spec, store.machines())
    if room < together:
        yield (
            f"It is a gang of which {_tasks(together)} must run at once, and the machines that it may use hold "
            f"{room} even when they are empty: it starts when machines join."
        )


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"
