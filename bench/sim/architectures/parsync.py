"""Shared state with partitioned synchronisation: each scheduler refreshes its copy of the cell a part at a time.

A scheduler that refreshes all of its copy at once conflicts most when the copy is oldest, just before the next time.
Here the cell is cut into partitions that are refreshed in turn, at different times by different schedulers, so that
some are always fresh, and others for each: that is where it places first, and elsewhere only what finds no room there.
Source: Feng et al., "Scaling Large Production Clusters with Partitioned Synchronization", USENIX ATC 2021.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from omegacell.bench.sim.architectures.feed import Feed, Reader
from omegacell.bench.sim.architectures.windows import Window
from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.simulation import Simulation
from omegacell.cellstate.model import Bool
from omegacell.schedulers import plugins, score
from omegacell.schedulers.attempt import Finished
from omegacell.schedulers.imagined import Narrowed
from omegacell.schedulers.policy import CellView, Plan, Policy, Request
from omegacell.schedulers.scheduler import Scheduler
from omegacell.schedulers.view import AttemptView

PARTITIONS_AT_LEAST = 8
"""With a partition per scheduler each has one that is fresh for it alone; a few schedulers get more of them, so that
what they know ages in small steps.
"""


def arrange(simulation: Simulation) -> None:
    """Each scheduler of the scenario, with a queue and a copy of the cell of its own."""
    scenario, cell = simulation.scenario, simulation.cell
    feed = Feed(simulation.engine, cell.snapshot)
    cell.watch = feed.note
    schedulers = sum(spec.count for spec in scenario.scheduler)
    for spec in scenario.scheduler:
        for _ in range(spec.count):
            reader = Reader(
                feed,
                partitions=schedulers * -(-PARTITIONS_AT_LEAST // schedulers),
                round_seconds=scenario.sync_seconds,
                ahead=len(simulation.drivers) / schedulers,
            )
            scheduler = simulation.scheduler(spec, reader.copy)
            scheduler.use(FreshFirst(plugins.policy(scheduler.policy), reader))
            simulation.seat(CopyingDriver(simulation, scheduler, reader), spec, serves=spec.task_kinds)


class CopyingDriver(Driver):
    """Drives a scheduler that knows the cell from a copy."""

    def __init__(self, simulation: Simulation, scheduler: Scheduler, reader: Reader) -> None:
        super().__init__(simulation.engine, scheduler, self._learn)
        self._snapshot = simulation.cell.snapshot
        self._reader = reader

    def begin(self) -> None:
        """Start an attempt on what is known by now."""
        if self.desk.queue:
            self._reader.catch_up(self.engine.now)
        super().begin()

    def _learn(self, finished: Finished) -> None:
        """A commit shows the machines that it named or got, its refusals too, as they are."""
        named = finished.attempt.transaction.machine_id, finished.verdict.machine_id
        self._reader.told(self._snapshot.rows_of(np.concatenate(named)), self.engine.now)


class FreshFirst:
    """A policy kept to the freshest machines, as long as they have room for all of a request.

    It sees them as a cell of their own, so that its cost is that of so small a cell; but where it matters what a job
    has on other machines it sees the whole cell, of which only those are available.
    """

    def __init__(self, policy: Policy, reader: Reader) -> None:
        self._policy = policy
        self._reader = reader
        self._windows: dict[tuple[int, int], Window] = {}

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        """As the policy does on those machines; if that is not enough, on all of them."""
        whole, fresh = cast(AttemptView, cell), self._reader.freshest()
        if request.simple and not request.spread:
            plan = self._place_in_window(request, fresh, rng)
        else:
            plan = score.make_plan(self._policy, request, Narrowed(whole, fresh), rng)
        if plan.placed == request.count:
            return plan
        return score.make_plan(self._policy, request, whole, rng)

    def _place_in_window(self, request: Request, fresh: Bool, rng: np.random.Generator) -> Plan:
        first, machines = int(fresh.argmax()), int(fresh.sum())
        window = self._windows.get((first, machines))
        if window is None:
            # On the copy's memory, so that it also counts the attempt's earlier claims.
            window = Window(self._reader.copy, first, first + machines)
            self._windows[first, machines] = window
        plan = score.make_plan(self._policy, request, AttemptView(window), rng)
        return Plan(rows=plan.rows + first, slots=plan.slots, devices=plan.devices, reasons=plan.reasons)
