"""Shared state with partitioned synchronisation: each scheduler refreshes its copy of the cell a part at a time.

With many schedulers, one that refreshes all of its copy at once conflicts most when the copy is oldest, just before the
next time. Here the cell is cut into partitions that are refreshed in turn, at other times by each scheduler, so that
some are always fresh, and different ones for each: those are where it places first.
Source: Feng et al., "Scaling Large Production Clusters with Partitioned Synchronization", USENIX ATC 2021.
"""

from __future__ import annotations

import numpy as np

from omegacell.bench.sim.architectures.journal import Journal
from omegacell.bench.sim.architectures.running import Placed, follow
from omegacell.bench.sim.architectures.windows import Window
from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.simulation import Simulation
from omegacell.cellstate.model import Bool, Int64
from omegacell.cellstate.snapshot import Snapshot
from omegacell.schedulers import plugins, score
from omegacell.schedulers.attempt import Finished
from omegacell.schedulers.imagined import Narrowed
from omegacell.schedulers.policy import CellView, Plan, Policy, Request
from omegacell.schedulers.view import AttemptView

PARTITIONS_AT_LEAST = 8
"""As many partitions as there are schedulers let each have one of its own that is fresh; with few schedulers these are
more, so that what a scheduler knows ages in small steps.
"""


def arrange(simulation: Simulation) -> None:
    """Each scheduler of the scenario, with a queue and a copy of the cell of its own."""
    scenario = simulation.scenario
    journal = Journal(simulation.cell.snapshot)
    schedulers = sum(spec.count for spec in scenario.scheduler)
    for spec in scenario.scheduler:
        for _ in range(spec.count):
            rounds = Rounds(
                position=len(simulation.drivers),
                schedulers=schedulers,
                round_seconds=scenario.sync_seconds,
            )
            driver = SynchronisedDriver(simulation, journal, Copy(journal, rounds))
            scheduler = simulation.scheduler(spec, driver.copy.snapshot)
            scheduler.use(FreshFirst(plugins.policy(scheduler.policy), driver))
            driver.seat(scheduler)
            simulation.seat(driver, spec, serves=spec.task_kinds)
