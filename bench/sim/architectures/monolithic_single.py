"""Monolithic, single-path: one scheduler that takes as long over a batch job as over a service."""

from __future__ import annotations

from omegacell.bench.sim.architectures import monolithic
from omegacell.bench.sim.simulation import Simulation


def arrange(simulation: Simulation) -> None:
    """One scheduler with one queue; every job takes the think time of the scenario's slowest scheduler."""
    monolithic.seat(simulation, one_pace=True)
