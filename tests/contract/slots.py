"""What workers report of slots, task by task, and what becomes of the tasks."""

from __future__ import annotations

from typing import Any

from omegacell.cellstate.model import AttemptState, Ended, Kept, Placement
from omegacell.cellstate.store import Store


def ended(
    placement: Placement,
    *,
    state: AttemptState,
    now: float,
    ran_seconds: float,
    task: int | None = None,
    **fields: Any,
) -> Ended:
    """The report that a task of a slot, its first if none is named, ended at `now`; `fields` are Ended's."""
    told: dict[str, Any] = {
        "job_id": placement.job_id,
        "first_index": placement.first_index,
        "task_index": placement.first_index if task is None else task,
        "attempt": placement.attempt,
        "machine_id": placement.machine_id,
        "epoch": placement.epoch,
        "state": state,
        "exit_code": 0 if state is AttemptState.SUCCEEDED else 1,
        "started_at": now - ran_seconds,
        "ended_at": now,
    }
    return Ended(**(told | fields))


def kept(placement: Placement, task: int) -> Kept:
    """The report that a slot goes on with `task` alone."""
    return Kept(
        job_id=placement.job_id,
        first_index=placement.first_index,
        task_index=task,
        attempt=placement.attempt,
        machine_id=placement.machine_id,
        epoch=placement.epoch,
    )


def tasks_of(placement: Placement) -> range:
    """The indexes of the tasks of a slot."""
    return range(placement.first_index, placement.first_index + placement.count)


def waiting(store: Store, job_id: int) -> list[tuple[int, int, int, int, int]]:
    """First index, count, attempt, failures and losses of each of a job's retry ranges."""
    return [
        (one.first_index, one.count, one.attempt, one.failures, one.lost) for one in store.retries(job_id)
    ]


def ends(store: Store, job_id: int) -> list[tuple[int, int, AttemptState, bool]]:
    """Task, attempt, state and finality of each of a job's outcomes."""
    return [(one.task_index, one.attempt, one.state, one.final) for one in store.outcomes(job_id)]
