"""Machines kept for a gang for a short time."""

from __future__ import annotations

from omegacell.cellstate.memory.state import Cell, Job, Machine
from omegacell.cellstate.model import CommitMode, Int64, Reservation
from omegacell.cellstate.store import RESERVED_SECONDS_AT_MOST


def reserve(cell: Cell, job: Job, machine_ids: Int64, *, seconds: float, now: float) -> int:
    """Let go what the gang had, then keep for it what may be kept; how many machines."""
    if job.spec.commit is not CommitMode.GANG:
        return 0
    touched = let_go(cell, job)
    known = (cell.machines.get(machine_id) for machine_id in set(machine_ids.tolist()))
    kept = [machine for machine in known if machine is not None and _may_be_kept(machine, now=now)]
    for machine in kept:
        machine.reserved_job = job.job_id
        machine.reserved_priority = job.spec.priority
        machine.reserved_until = now + min(seconds, RESERVED_SECONDS_AT_MOST)
        machine.claim_sequence += 1
        job.reserved.add(machine.machine_id)
    cell.reserved |= job.reserved
    touched |= job.reserved
    for machine_id in touched:
        cell.machines[machine_id].version += 1
    if touched:
        cell.feed.append(sorted(touched))
    return len(kept)


def _may_be_kept(machine: Machine, *, now: float) -> bool:
    return machine.up and machine.schedulable and machine.reserved_until <= now


def let_go(cell: Cell, job: Job) -> set[int]:
    """End the job's reservation, of which readers learn with each machine's next change; the machines it was of."""
    mine = {machine_id for machine_id in job.reserved if cell.machines[machine_id].reserved_job == job.job_id}
    for machine_id in mine:  # of the others the time passed, and other jobs have them now
        machine = cell.machines[machine_id]
        machine.reserved_job = machine.reserved_priority = 0
        machine.reserved_until = 0.0
    cell.reserved -= mine
    job.reserved.clear()
    return mine


def listing(cell: Cell, *, now: float) -> tuple[Reservation, ...]:
    """What is reserved now, by machine."""
    return tuple(
        Reservation(
            machine_id=machine.machine_id,
            job_id=machine.reserved_job,
            priority=machine.reserved_priority,
            until=machine.reserved_until,
        )
        for machine in (cell.machines[machine_id] for machine_id in sorted(cell.reserved))
        if machine.reserved_until > now
    )
