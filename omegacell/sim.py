"""The simulator's front door: runs in virtual time, and sweeps over them.

from omegacell.sim import simulate, sweep

simulate("hot", service_t_job=10, seed=1).metrics["ss_conflict_fraction"]
frame = sweep("hot", over={"service_t_job": [1, 10, 100]}, seeds=5)
"""

from __future__ import annotations

from omegacell.bench.sim.frames import compare, read, summary
from omegacell.bench.sim.options import scenario_of, vary
from omegacell.bench.sim.result import METRICS, Result, SchedulerRecord
from omegacell.bench.sim.scenario import Architecture, Scenario
from omegacell.bench.sim.simulate import simulate
from omegacell.bench.sim.sweep import sweep

__all__ = [
    "METRICS",
    "Architecture",
    "Result",
    "Scenario",
    "SchedulerRecord",
    "compare",
    "read",
    "scenario_of",
    "simulate",
    "summary",
    "sweep",
    "vary",
]
