"""The machines' hot rows as arrays, and what changed since a watermark."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from omegacell.cellstate.memory.state import Cell
from omegacell.cellstate.model import DIMENSIONS, Changes, MachineFacts, MachineRows, Watermark

GENERATION = 1
"""A memory store is never restored from a backup, so its feed has one generation."""


def machine_rows(cell: Cell, machine_ids: Iterable[int]) -> MachineRows:
    """The current rows of known machines, by id."""
    machines = [cell.machines[machine_id] for machine_id in sorted(machine_ids)]
    shape = (len(machines), len(DIMENSIONS))
    return MachineRows(
        machine_id=np.array([machine.machine_id for machine in machines], dtype=np.int64),
        version=np.array([machine.version for machine in machines], dtype=np.int64),
        claim_sequence=np.array([machine.claim_sequence for machine in machines], dtype=np.int64),
        capacity=np.array([machine.capacity for machine in machines], dtype=np.int64).reshape(shape),
        used=np.array([machine.used for machine in machines], dtype=np.int64).reshape(shape),
        available=np.array([machine.up and machine.schedulable for machine in machines], dtype=np.bool_),
    )


def sync(cell: Cell, watermark: Watermark | None) -> Changes:
    """Everything, or what changed since the watermark; the work grows with that only."""
    next_watermark = Watermark(generation=GENERATION, snapshot=str(cell.feed.position))
    if (
        watermark is None
        or watermark.generation != GENERATION
        or not cell.feed.holds(int(watermark.snapshot))
    ):
        return Changes(
            full=True,
            rows=machine_rows(cell, cell.machines),
            facts=_facts(cell, cell.machines),
            watermark=next_watermark,
            log_rows=0,
        )
    changed, facts_changed, log_rows = cell.feed.since(int(watermark.snapshot))
    return Changes(
        full=False,
        rows=machine_rows(cell, changed),
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
