"""Each broken invariant is found, and named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from omegacell.cellstate.cell_view import (
    CellView,
    FinalOutcomesView,
    JobView,
    MachineView,
    PlacementView,
    RetryView,
)
from omegacell.cellstate.invariants import check
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
EQUIPPED = MachineView(
    machine_id=2,
    epoch=1,
    capacity=Amounts(gpu_milli=3000, custom=(("licence", 5), ("seat", 1))),
    used=Amounts(gpu_milli=2400, custom=(("licence", 3),)),
    devices=(400, 1000, 1000),
)
SHARE = PlacementView(
    job_id=3,
    first_index=0,
    count=3,
    machine_id=2,
    epoch=1,
    amounts=Amounts(gpu_milli=400, custom=(("licence", 3),)),
    devices=(0,),
)
WHOLE = PlacementView(
    job_id=3, first_index=3, count=1, machine_id=2, epoch=1, amounts=Amounts(gpu_milli=2000), devices=(1, 2)
)
VICTIM = PlacementView(
    job_id=3, first_index=4, count=2, machine_id=2, epoch=1, amounts=Amounts(), preempted_by=1
)
ON_DEVICES = JobView(
    job_id=3,
    state=JobState.RUNNING,
    task_count=6,
    next_index=6,
    placed=6,
    succeeded=0,
    failed=0,
    cancelled=0,
    never_placed=0,
    claimed_by=0,
)
PURGED = JobView(
    job_id=4,
    state=JobState.FAILED,
    task_count=4,
    next_index=4,
    placed=0,
    succeeded=2,
    failed=2,
    cancelled=0,
    never_placed=0,
    claimed_by=0,
    purged_succeeded=1,
    purged_unsuccessful=2,
)
BLOCKED = JobView(
    job_id=5,
    state=JobState.BLOCKED,
    task_count=3,
    next_index=0,
    placed=0,
    succeeded=0,
    failed=0,
    cancelled=0,
    never_placed=0,
    claimed_by=0,
    blocked_by=2,
)
HELD = replace(BLOCKED, job_id=6, state=JobState.PENDING, blocked_by=0, held=True)
OPEN = replace(HELD, job_id=7, task_count=0, held=False, open=True)
EMPTY = replace(BLOCKED, job_id=8, task_count=0, blocked_by=1)
REMEMBERED = FinalOutcomesView(job_id=4, succeeded=1, task_indexes=np.array([2]))
SOUND = CellView(
    machines=(MACHINE, EQUIPPED),
    placements=(PLACEMENT, SHARE, WHOLE, VICTIM),
    jobs=(JOB, DONE, ON_DEVICES, PURGED, BLOCKED, HELD, OPEN, EMPTY),
    retries=(RETRY,),
    finals=(FINALS, REMEMBERED),
    queue=(1,),
    scheduler_ids=frozenset({1}),
    dependencies=((1, 5), (3, 5), (7, 8)),
)


def test_a_sound_cell_has_no_violations() -> None:
    assert check(SOUND) == ()


def with_job(job: JobView = JOB, **changes: Any) -> dict[str, Any]:
    """The sound cell's jobs with one changed."""
    changed = replace(job, **changes)
    return {"jobs": tuple(changed if one.job_id == job.job_id else one for one in SOUND.jobs)}


def with_machine(machine: MachineView, **changes: Any) -> dict[str, Any]:
    """The sound cell's machines with one changed."""
    changed = replace(machine, **changes)
    return {
        "machines": tuple(changed if one.machine_id == machine.machine_id else one for one in SOUND.machines)
    }


def with_placement(placement: PlacementView, **changes: Any) -> dict[str, Any]:
    """The sound cell's placements with one changed."""
    changed = replace(placement, **changes)
    return {"placements": tuple(changed if one is placement else one for one in SOUND.placements)}


@pytest.mark.parametrize(
    ("invariant", "changes"),
    [
        ("used is what placements hold", with_machine(EQUIPPED, devices=(300, 1000, 1000))),
        ("used is what placements hold", with_machine(EQUIPPED, devices=(400, 1000))),
        ("used is what placements hold", with_machine(EQUIPPED, used=Amounts(custom=(("licence", 2),)))),
        ("used is what placements hold", with_machine(EQUIPPED, used=Amounts(custom=(("seat", 1),)))),
        ("used is what placements hold", with_placement(SHARE, devices=(3,))),
        ("used is what placements hold", with_placement(SHARE, amounts=Amounts(gpu_milli=400))),
        ("used is within capacity", with_machine(EQUIPPED, devices=(400, 1001, 1000))),
        ("used is within capacity", with_machine(EQUIPPED, devices=(-1, 1000, 1000))),
        (
            "used is within capacity",
            with_machine(EQUIPPED, capacity=Amounts(gpu_milli=3000, custom=(("licence", 2),))),
        ),
        ("used is within capacity", with_machine(EQUIPPED, capacity=Amounts(gpu_milli=3000))),
        (
            "a machine has the devices of its capacity",
            with_machine(EQUIPPED, capacity=Amounts(gpu_milli=2000)),
        ),
        ("a placement is on as many devices as it holds", with_placement(SHARE, devices=())),
        ("a placement is on as many devices as it holds", with_placement(WHOLE, devices=(1, 1))),
        ("a placement is on as many devices as it holds", with_placement(VICTIM, devices=(0,))),
        ("preempted placements hold nothing", with_placement(VICTIM, amounts=Amounts(cpu_milli=1))),
        ("preempted placements hold nothing", with_placement(SHARE, preempted_by=1)),
        ("a task is in one place", with_placement(VICTIM, count=1)),
        ("a task is in one place", with_placement(SHARE, count=4)),
        ("a task is in one place", {"finals": (FINALS,)}),
        ("a task is in one place", with_job(PURGED, purged_unsuccessful=1)),
        ("a task is in one place", with_job(PURGED, purged_succeeded=2)),
        ("counters are outcomes", with_job(PURGED, purged_unsuccessful=1)),
        ("counters are outcomes", with_job(PURGED, purged_succeeded=2, purged_unsuccessful=1)),
        ("counters are outcomes", with_job(ON_DEVICES, placed=3)),
        ("used is what placements hold", with_machine(MACHINE, used=Amounts())),
        ("used is within capacity", with_machine(MACHINE, capacity=Amounts(cpu_milli=500))),
        ("placements are of their machine's epoch", with_machine(MACHINE, epoch=4)),
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
        ("a job is queued once while it has work and nobody has claimed it", with_job(max_running=1)),
        ("a job is queued once while it has work and nobody has claimed it", with_job(held=True)),
        ("a job is queued once while it has work and nobody has claimed it", with_job(HELD, held=False)),
        ("a job is queued once while it has work and nobody has claimed it", {"queue": (1, 5)}),
        ("a job is queued once while it has work and nobody has claimed it", {"queue": (1, 6)}),
        ("a job is queued once while it has work and nobody has claimed it", {"queue": (1, 7)}),
        ("final jobs hold nothing", with_job(DONE, placed=1)),
        ("final jobs hold nothing", with_job(DONE, claimed_by=1)),
        ("final jobs hold nothing", with_job(state=JobState.FAILED)),
        ("jobs whose tasks have all ended are final", with_job(DONE, state=JobState.RUNNING)),
        ("jobs whose tasks have all ended are final", with_job(OPEN, open=False)),
        ("final jobs are closed", with_job(DONE, open=True)),
        ("no more of a job is placed than max_running", with_job(ON_DEVICES, max_running=5)),
        ("a job is blocked while it waits for others", with_job(BLOCKED, blocked_by=1)),
        ("a job is blocked while it waits for others", with_job(BLOCKED, state=JobState.PENDING)),
        ("a job is blocked while it waits for others", with_job(HELD, state=JobState.BLOCKED)),
        ("a job is blocked while it waits for others", with_job(HELD, blocked_by=1)),
        ("a job is blocked while it waits for others", {"dependencies": ((1, 5), (7, 8))}),
        ("a job is blocked while it waits for others", {"dependencies": (*SOUND.dependencies, (1, 9))}),
        ("jobs come after earlier ones", {"dependencies": ((1, 5), (6, 5), (7, 8))}),
        ("claimed jobs have work", with_job(HELD, claimed_by=1)),
        ("claimed jobs have work", with_job(BLOCKED, claimed_by=1)),
        ("claimed jobs are a scheduler's", with_job(claimed_by=2)),
        ("claimed jobs have work", with_job(DONE, state=JobState.RUNNING, claimed_by=1)),
    ],
)
def test_a_broken_invariant_is_named(invariant: str, changes: dict[str, Any]) -> None:
    found = check(replace(SOUND, **changes))
    assert invariant in {violation.invariant for violation in found}
