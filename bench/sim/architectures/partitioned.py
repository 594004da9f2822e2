"""Statically partitioned: each scheduler has machines of its own, and never looks beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from omegacell.bench.sim.architectures.windows import Window
from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.scenario import SchedulerSpec
from omegacell.bench.sim.simulation import Simulation
from omegacell.cellstate.errors import SpecInvalid


def arrange(simulation: Simulation) -> None:
    """Each scheduler of the scenario on its part of the machines, in row order."""
    specs = [spec for spec in simulation.scenario.scheduler for _ in range(spec.count)]
    bounds = parts(simulation.scenario.scheduler, simulation.cell.snapshot.machines)
    for spec, (first, last) in zip(specs, bounds, strict=True):
        scheduler = simulation.scheduler(spec, Window(simulation.cell.snapshot, first, last))
        simulation.seat(Driver(simulation.engine, scheduler), spec, serves=spec.task_kinds)


def parts(specs: Sequence[SchedulerSpec], machines: int) -> list[tuple[int, int]]:
    """Each scheduler's machines, as first row and the row behind the last, a sort's `count` schedulers in equal parts.

    A sort gets its `share`; those that name none divide what is left in proportion to their counts. SpecInvalid where
    the shares come to more than all machines, or leave a scheduler without one.
    """
    named = sum(spec.share for spec in specs)
    counted = sum(spec.count for spec in specs if not spec.share)
    if named > 1.0 + 1e-9:
        raise SpecInvalid(f"the schedulers' shares come to {named:g}; expected no more than 1")
    shares = [
        spec.share / spec.count if spec.share else max(1.0 - named, 0.0) / counted
        for spec in specs
        for _ in range(spec.count)
    ]
    ends = np.rint(np.cumsum([0.0, *shares]) * machines).astype(int).tolist()
    bounds = list(pairwise(ends))
    if any(first == last for first, last in bounds):
        raise SpecInvalid(
            f"{machines} machines in parts of {', '.join(f'{share:.3g}' for share in shares)} leave a scheduler "
            "without any; name larger shares or use fewer schedulers"
        )
    return bounds
