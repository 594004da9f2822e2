"""The plain view of the cell that the invariants are checked on."""

from __future__ import annotations

import numpy as np

from omegacell.cellstate.cell_view import (
    CellView,
    FinalOutcomesView,
    JobView,
    MachineView,
    PlacementView,
    RetryView,
)
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.model import AttemptState


def view(cell: Cell) -> CellView:
    """The whole cell as it is now."""
    jobs = cell.jobs.values()
    return CellView(
        machines=tuple(
            MachineView(
                machine_id=machine.machine_id,
                epoch=machine.epoch,
                capacity=machine.spec.capacity,
                used=machine.used,
                devices=machine.devices_used,
            )
            for machine in cell.machines.values()
        ),
        placements=tuple(
            PlacementView(
                job_id=placement.job_id,
                first_index=placement.first_index,
                count=placement.count,
                machine_id=placement.machine_id,
                epoch=placement.epoch,
                amounts=placement.amounts,
                devices=placement.devices,
                preempted_by=placement.preempted_by,
            )
            for job in jobs
            for placement in job.placements.values()
        ),
        jobs=tuple(_job(job) for job in jobs),
        retries=tuple(
            RetryView(job_id=retry.job_id, first_index=retry.first_index, count=retry.count)
            for job in jobs
            for retry in job.retries
        ),
        finals=tuple(_finals(job) for job in jobs),
        queue=tuple(cell.queue),
        scheduler_ids=frozenset(cell.schedulers),
        dependencies=tuple((parent, job.job_id) for job in jobs for parent in job.waits_for),
    )


def _job(job: Job) -> JobView:
    return JobView(
        job_id=job.job_id,
        state=job.state,
        task_count=job.task_count,
        next_index=job.next_index,
        placed=job.placed,
        succeeded=job.succeeded,
        failed=job.failed,
        cancelled=job.cancelled,
        never_placed=job.never_placed,
        claimed_by=job.claimed_by,
        held=job.held,
        open=job.open,
        blocked_by=len(job.waits_for),
        max_running=job.spec.max_running,
    )


def _finals(job: Job) -> FinalOutcomesView:
    finals = [outcome for outcome in job.outcomes if outcome.final]
    return FinalOutcomesView(
        job_id=job.job_id,
        succeeded=sum(outcome.state is AttemptState.SUCCEEDED for outcome in finals),
        task_indexes=np.array([outcome.task_index for outcome in finals], dtype=np.int64),
    )
