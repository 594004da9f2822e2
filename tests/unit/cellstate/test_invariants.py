"""Each broken invariant is found, and named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from omegacell.cellstate.invariants import (
    CellView,
    FinalOutcomesView,
    JobView,
    MachineView,
    PlacementView,
    RetryView,
    check,
)
from omegacell.cellstate.model import Amounts, JobState

MACHINE = MachineView(
    machine_id=1, epoch=3, capacity=Amounts(cpu_milli=4000), used=Amounts(cpu_milli=1000, memory_bytes=0)
)
PLACEMENT = PlacementView(
    job_id=1, first_index=0, count=1, machine_id=1, epoch=3, amounts=Amounts(cpu_milli=1000)
)
RETRY = RetryView(job_id=1, first_index=1, count=2)
FINALS = FinalOutcomesView(job_id=1, succeeded=1, task_indexes=np.array([4, 3]))
JOB = JobView(
    job_id=1,
    state=JobState.RUNNING,
    task_count=9,
    next_index=5,
    placed=1,
    succeeded=1,
    failed=1,
    cancelled=0,
    never_placed=0,
    claimed_by=0,
)
DONE = JobView(
    job_id=2,
    state=JobState.CANCELLED,
    task_count=2,
    next_index=0,
    placed=0,
    succeeded=0,
    failed=0,
    cancelled=2,
    never_placed=2,
    claimed_by=0,
)
SOUND = CellView(
    machines=(MACHINE,),
    placements=(PLACEMENT,),
    jobs=(JOB, DONE),
    retries=(RETRY,),
    finals=(FINALS,),
    queue=(1,),
    scheduler_ids=frozenset({1}),
)


def test_a_sound_cell_has_no_violations() -> None:
    assert check(SOUND) == ()


def with_job(job: JobView = JOB, **changes: Any) -> dict[str, Any]:
    """The sound cell's jobs with one changed."""
    changed = replace(job, **changes)
    return {"jobs": tuple(changed if one.job_id == job.job_id else one for one in SOUND.jobs)}


@pytest.mark.parametrize(
    ("invariant", "changes"),
    [
        ("used is what placements hold", {"machines": (replace(MACHINE, used=Amounts()),)}),
        ("used is within capacity", {"machines": (replace(MACHINE, capacity=Amounts(cpu_milli=500)),)}),
        ("placements are of their machine's epoch", {"machines": (replace(MACHINE, epoch=4),)}),
        ("placements are of their machine's epoch", {"machines": ()}),
        ("a task is in one place", {"retries": (replace(RETRY, count=1),)}),
        ("a task is in one place", {"retries": (replace(RETRY, count=3),)}),
        ("a task is in one place", {"retries": (RETRY, replace(RETRY, first_index=5, count=1))}),
        ("a task is in one place", {"finals": (replace(FINALS, task_indexes=np.array([4, 4])),)}),
        ("a task is in one place", {"retries": (RETRY, replace(RETRY, job_id=77))}),
        ("counters are outcomes", with_job(succeeded=2)),
        ("counters are outcomes", with_job(failed=0)),
        ("counters are outcomes", with_job(placed=2)),
        ("counters are outcomes", {"finals": (replace(FINALS, succeeded=2),)}),
        ("numbering is within the job", with_job(task_count=4)),
        ("numbering is within the job", with_job(DONE, next_index=1)),
        ("a job is queued once while it has work and nobody has claimed it", {"queue": ()}),
        ("a job is queued once while it has work and nobody has claimed it", {"queue": (1, 1)}),
        ("a job is queued once while it has work and nobody has claimed it", {"queue": (1, 2)}),
        ("a job is queued once while it has work and nobody has claimed it", {"queue": (1, 77)}),
        ("a job is queued once while it has work and nobody has claimed it", with_job(claimed_by=1)),
        ("final jobs hold nothing", with_job(DONE, placed=1)),
        ("final jobs hold nothing", with_job(DONE, claimed_by=1)),
        ("final jobs hold nothing", with_job(state=JobState.FAILED)),
        ("jobs whose tasks have all ended are final", with_job(DONE, state=JobState.RUNNING)),
        ("claimed jobs are a scheduler's", with_job(claimed_by=2)),
        ("claimed jobs have work", with_job(DONE, state=JobState.RUNNING, claimed_by=1)),
    ],
)
def test_a_broken_invariant_is_named(invariant: str, changes: dict[str, Any]) -> None:
    found = check(replace(SOUND, **changes))
    assert invariant in {violation.invariant for violation in found}
