"""Who may be preempted, and what is recorded of who was."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

import numpy as np

from omegacell.cellstate.found import PlacementKey, VictimFound
from omegacell.cellstate.memory.slots import displace
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.model import DIMENSIONS, Int64, Placement, Preemptible, Preemption
from omegacell.cellstate.room import as_tuple, device_mask


def found(cell: Cell, keys: Iterable[PlacementKey]) -> dict[PlacementKey, VictimFound]:
    """Those of the named placements that there are."""
    victims: dict[PlacementKey, VictimFound] = {}
    for key in keys:
        job_id, first_index, attempt = key
        job = cell.jobs.get(job_id)
        slot = job.placements.get(first_index) if job is not None else None
        if job is not None and slot is not None and slot.attempt == attempt:
            victims[key] = VictimFound(
                machine_id=slot.machine_id,
                amounts=slot.amounts,
                devices=device_mask(slot.devices),
                priority=job.spec.priority,
                preemptible=job.spec.preemptible,
                taken=slot.preempted_by != 0,
            )
    return victims


def preempt(cell: Cell, key: PlacementKey, *, winner_job: int, now: float) -> None:
    """Let a slot give its place to another job, and record it with both."""
    job_id, first_index, _ = key
    slot = cell.jobs[job_id].placements[first_index]
    displace(cell, slot, winner_job=winner_job)
    record = Preemption(
        at=now,
        machine_id=slot.machine_id,
        winner_job=winner_job,
        victim_job=job_id,
        first_index=first_index,
        count=slot.count,
        attempt=slot.attempt,
    )
    cell.jobs[winner_job].preemptions.append(record)
    cell.jobs[job_id].preemptions.append(record)


def records(cell: Cell, job: Job) -> tuple[Preemption, ...]:
    """What the job took and what was taken from it, by time, machine and victim; purged jobs' records are gone."""
    kept = [one for one in job.preemptions if {one.winner_job, one.victim_job} <= cell.jobs.keys()]
    return tuple(sorted(kept, key=attrgetter("at", "machine_id", "victim_job", "first_index")))


def preemptible(cell: Cell, machine_ids: Int64, *, below: int) -> Preemptible:
    """What these machines hold of preemptible jobs of a lower priority, by machine, job and index."""
    slots = [
        slot for machine_id in sorted(set(machine_ids.tolist())) for slot in _on(cell, machine_id, below)
    ]

    def column(name: str) -> Int64:
        return np.array([getattr(slot, name) for slot in slots], dtype=np.int64)

    return Preemptible(
        machine_id=column("machine_id"),
        job_id=column("job_id"),
        first_index=column("first_index"),
        attempt=column("attempt"),
        tasks=column("count"),
        priority=np.array([cell.jobs[slot.job_id].spec.priority for slot in slots], dtype=np.int64),
        amounts=np.array([as_tuple(slot.amounts) for slot in slots], dtype=np.int64).reshape(
            len(slots), len(DIMENSIONS)
        ),
        gpu_milli=np.array([slot.amounts.gpu_milli for slot in slots], dtype=np.int64),
        devices=np.array([device_mask(slot.devices) for slot in slots], dtype=np.int64),
        custom=tuple(slot.amounts.custom for slot in slots),
        placed_at=tuple(slot.placed_at for slot in slots),
    )


def _on(cell: Cell, machine_id: int, below: int) -> list[Placement]:
    """The preemptible slots of one machine."""
    machine = cell.machines.get(machine_id)
    if machine is None:
        return []
    return [
        slot
        for job_id, first_index in sorted(machine.holds)
        if (job := cell.jobs[job_id]).spec.preemptible
        and job.spec.priority < below
        and not (slot := job.placements[first_index]).preempted_by
    ]
