"""Monolithic, multi-path: one scheduler that is fast with batch jobs and slow with services, one after the other."""

from __future__ import annotations

from omegacell.bench.sim.architectures import monolithic
from omegacell.bench.sim.simulation import Simulation


def arrange(simulation: Simulation) -> None:
    """One scheduler with one queue; a job takes the think time of the scheduler that serves its kind."""
    monolithic.seat(simulation, one_pace=False)
