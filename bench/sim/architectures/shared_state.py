"""Omega: every scheduler sees the whole cell as it is when an attempt begins, and commits optimistically."""

from __future__ import annotations

from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.simulation import Simulation


def arrange(simulation: Simulation) -> None:
    """Each scheduler of the scenario, with a queue of its own.

    What a scheduler reads at `begin` is the cell itself: planning takes no virtual time, so that no copy is needed.
    """
    cell = simulation.cell
    for spec in simulation.scenario.scheduler:
        for _ in range(spec.count):
            scheduler = simulation.scheduler(spec, cell.snapshot)
            driver = Driver(simulation.engine, scheduler)
            simulation.seat(driver, spec, serves=spec.task_kinds)
