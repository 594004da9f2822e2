"""The machines' hot rows as arrays, and what changed since a watermark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from omegacell.cellstate.memory.state import Cell, Machine
from omegacell.cellstate.model import (
    DIMENSIONS,
    NO_EXTRAS,
    Changes,
    MachineExtras,
    MachineFacts,
    MachineRows,
    Watermark,
)
from omegacell.cellstate.room import as_tuple

GENERATION = 1
"""A memory store is never restored from a backup, so its feed has one generation."""


def machine_rows(cell: Cell, machine_ids: Iterable[int], *, now: float) -> MachineRows:
    """The current rows of known machines, by id."""
    machines = [cell.machines[machine_id] for machine_id in sorted(machine_ids)]
    shape = (len(machines), len(DIMENSIONS))
    capacity = np.array([as_tuple(machine.spec.capacity) for machine in machines], dtype=np.int64).reshape(
        shape
    )
    free = np.array([machine.room.amounts for machine in machines], dtype=np.int64).reshape(shape)
    return MachineRows(
        machine_id=np.array([machine.machine_id for machine in machines], dtype=np.int64),
        version=np.array([machine.version for machine in machines], dtype=np.int64),
        claim_sequence=np.array([machine.claim_sequence for machine in machines], dtype=np.int64),
        capacity=capacity,
        used=capacity - free,
        available=np.array([machine.up and machine.schedulable for machine in machines], dtype=np.bool_),
        extras=_extras(machines, now=now),
    )


def _extras(machines: Sequence[Machine], *, now: float) -> MachineExtras:
    """The devices and named resources of the machines, and the reservations that still hold."""
    devices = [
        (machine.machine_id, index, used)
        for machine in machines
        if machine.room.devices
        for index, used in enumerate(machine.devices_used)
    ]
    custom = [
        (machine.machine_id, name, milli, milli - machine.room.custom[name])
        for machine in machines
        for name, milli in machine.spec.capacity.custom
    ]
    reserved = [machine for machine in machines if machine.reserved_until > now]
    if not (devices or custom or reserved):
        return NO_EXTRAS
    return MachineExtras(
        device_machine=np.array([machine_id for machine_id, _, _ in devices], dtype=np.int64),
        device_index=np.array([index for _, index, _ in devices], dtype=np.int64),
        device_used=np.array([used for _, _, used in devices], dtype=np.int64),
        custom_machine=np.array([machine_id for machine_id, _, _, _ in custom], dtype=np.int64),
        custom_name=tuple(name for _, name, _, _ in custom),
        custom_capacity=np.array([milli for _, _, milli, _ in custom], dtype=np.int64),
        custom_used=np.array([used for _, _, _, used in custom], dtype=np.int64),
        reserved_machine=np.array([machine.machine_id for machine in reserved], dtype=np.int64),
        reserved_job=np.array([machine.reserved_job for machine in reserved], dtype=np.int64),
        reserved_priority=np.array([machine.reserved_priority for machine in reserved], dtype=np.int64),
        reserved_until=tuple(machine.reserved_until for machine in reserved),
    )


def sync(cell: Cell, watermark: Watermark | None, *, now: float) -> Changes:
    """Everything, or what changed since the watermark; the work grows with that only."""
    next_watermark = Watermark(generation=GENERATION, snapshot=str(cell.feed.position))
    if (
        watermark is None
        or watermark.generation != GENERATION
        or not cell.feed.holds(int(watermark.snapshot))
    ):
        return Changes(
            full=True,
            rows=machine_rows(cell, cell.machines, now=now),
            facts=_facts(cell, cell.machines),
            watermark=next_watermark,
            log_rows=0,
        )
    changed, facts_changed, log_rows = cell.feed.since(int(watermark.snapshot))
    return Changes(
        full=False,
        rows=machine_rows(cell, changed, now=now),
        facts=_facts(cell, facts_changed),
        watermark=next_watermark,
        log_rows=log_rows,
    )


def _facts(cell: Cell, machine_ids: Iterable[int]) -> tuple[MachineFacts, ...]:
    return tuple(
        MachineFacts(
            machine_id=machine_id,
            name=cell.machines[machine_id].spec.name,
            attributes=dict(cell.machines[machine_id].spec.attributes),
        )
        for machine_id in sorted(machine_ids)
    )
