"""Slots come, are told to stop, give their place away and go: what that changes for their job and machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from omegacell.cellstate.memory.state import Cell
from omegacell.cellstate.model import Amounts, Placement, Stop
from omegacell.cellstate.room import device_mask


def put(cell: Cell, slot: Placement) -> None:
    """Place a slot that fits."""
    job, machine = cell.jobs[slot.job_id], cell.machines[slot.machine_id]
    job.placements[slot.first_index] = slot
    job.placed += slot.count
    job.stopping += slot.stop is not Stop.NONE
    job.placed_on[slot.machine_id] += 1
    machine.holds.add((slot.job_id, slot.first_index))
    machine.room.take(slot.amounts, devices=device_mask(slot.devices))


def drop(cell: Cell, slot: Placement) -> None:
    """Undo `put`: free what the slot still holds."""
    job, machine = cell.jobs[slot.job_id], cell.machines[slot.machine_id]
    machine.room.give(slot.amounts, devices=device_mask(slot.devices))
    machine.holds.remove((slot.job_id, slot.first_index))
    job.placed_on[slot.machine_id] -= 1
    if not job.placed_on[slot.machine_id]:
        del job.placed_on[slot.machine_id]
    job.stopping -= slot.stop is not Stop.NONE
    job.placed -= slot.count
    del job.placements[slot.first_index]


def tell(cell: Cell, slot: Placement, why: Stop) -> Placement:
    """Ask that a slot end; a cancellation stays one. The slot as it is then."""
    job = cell.jobs[slot.job_id]
    job.stopping += slot.stop is Stop.NONE
    told = replace(slot, stop=Stop.CANCEL if slot.stop is Stop.CANCEL else why)
    job.placements[slot.first_index] = told
    return told


def stop(cell: Cell, told: Iterable[Placement], why: Stop) -> None:
    """Ask that slots end; their workers' reports free the machines.

    Only workers are told, by the version: nothing that schedulers read has changed, so the feed is silent.
    """
    touched: set[int] = set()
    for slot in told:
        tell(cell, slot, why)
        touched.add(slot.machine_id)
    for machine_id in touched:
        cell.machines[machine_id].version += 1


def displace(cell: Cell, slot: Placement, *, winner_job: int) -> None:
    """Ask that a slot end and free what it holds at once, for a slot of `winner_job`."""
    machine = cell.machines[slot.machine_id]
    machine.room.give(slot.amounts, devices=device_mask(slot.devices))
    told = tell(cell, slot, Stop.PREEMPT)
    cell.jobs[slot.job_id].placements[slot.first_index] = replace(
        told, amounts=Amounts(), devices=(), preempted_by=winner_job
    )
