"""The machines of a scenario, as a snapshot at time 0."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from omegacell.bench.sim.scenario import Cell
from omegacell.cellstate.model import Changes, MachineFacts, MachineRows, Watermark
from omegacell.cellstate.snapshot import Snapshot


def snapshot_of(cell: Cell, folder: Path) -> Snapshot:
    """All machines, empty and available; ids from 1 in row order."""
    machine_id = np.arange(1, cell.machines + 1, dtype=np.int64)
    zeros = np.zeros(cell.machines, dtype=np.int64)
    rows = MachineRows(
        machine_id=machine_id,
        version=zeros,
        claim_sequence=zeros,
        capacity=np.tile(cell.amounts().vector(), (cell.machines, 1)),
        used=np.zeros((cell.machines, len(cell.amounts().vector())), dtype=np.int64),
        available=np.ones(cell.machines, dtype=np.bool_),
    )
    facts = tuple(MachineFacts(machine_id=at, name=f"m{at}", attributes={}) for at in machine_id.tolist())
    snapshot = Snapshot()
    snapshot.apply(
        Changes(full=True, rows=rows, facts=facts, watermark=Watermark(generation=0, snapshot=""), log_rows=0)
    )
    return snapshot
