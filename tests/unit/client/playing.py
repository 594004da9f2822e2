"""The other side of a client's test: somebody places tasks and says how they ended."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

from omegacell.cellstate.model import AttemptState
from tests.contract.scene import Scene


def play(scene: Scene, job_id: int, **fields: Any) -> None:
    """Place and end every task of a job; `fields` are those of the reports."""
    worker = scene.worker()
    scheduler = scene.scheduler()
    machine = worker.machine(cpu=10**6)
    scheduler.claim()
    scheduler.commit((job_id, machine, scene.job(job_id).task_count))
    worker.end_job(job_id, **fields)


def play_each(scene: Scene, job_id: int, states: Mapping[int, AttemptState], **fields: Any) -> None:
    """Place what a job has to place and end it: tasks of `states` like that and with `fields`, the others well."""
    worker, scheduler = scene.worker(), scene.scheduler()
    machine = worker.machine(cpu=10**6)
    scheduler.claim()
    status = scene.job(job_id)
    scheduler.commit((job_id, machine, status.waiting + status.waiting_retry))
    for placement in scene.store.placements(job_id):
        state = states.get(placement.first_index, AttemptState.SUCCEEDED)
        told = {"result": ok(placement.first_index)} if state is AttemptState.SUCCEEDED else fields
        assert worker.end(placement, state=state, **told) == (True,)


def ok(value: object) -> bytes:
    """What a worker reports of a callable that returned this."""
    return pickle.dumps(("ok", value))
