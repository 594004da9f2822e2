"""One scheduler for everything: one queue, the cell as it is, and nobody to conflict with."""

from __future__ import annotations

from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.simulation import Simulation
from omegacell.cellstate.model import ClaimedJob
from omegacell.schedulers.planning import PolicyChoice
from omegacell.schedulers.scheduler import Scheduler

NAME = "monolithic"
"""What the scheduler is called in results."""


class Monolithic(Scheduler):
    """Serves every kind of job. `stands_for`: the scenario's schedulers that it replaces, by the kind of job.

    A job is placed as its own scheduler would place it, and takes as long as that thinks; with `pace` set, all jobs
    take as long as that one thinks.
    """

    stands_for: dict[str, Scheduler]
    pace: Scheduler | None = None

    def policy_for(self, job: ClaimedJob) -> PolicyChoice:
        """As the scheduler would that this one stands for."""
        return self.stands_for[job.scheduler].policy_for(job)

    def think_seconds(self, job: ClaimedJob) -> float:
        """As long as the scheduler that this one stands for, or as the slowest of all."""
        return (self.pace or self.stands_for[job.scheduler]).think_seconds(job)


def seat(simulation: Simulation, *, one_pace: bool) -> None:
    """The monolithic scheduler, alone, with the configuration of the slowest of the scenario's schedulers.

    one_pace: every job takes that one's think time (single-path); else each its own (multi-path).
    """
    specs = simulation.scenario.scheduler
    slowest = max(specs, key=lambda spec: (spec.think_job_seconds, spec.think_task_seconds))
    alone = slowest.model_copy(update={"count": 1})
    scheduler = simulation.scheduler(alone, simulation.cell.snapshot, kind=Monolithic)
    assert isinstance(scheduler, Monolithic)
    scheduler.name = NAME
    scheduler.stands_for = {
        kind: simulation.scheduler(spec, simulation.cell.snapshot)
        for spec in specs
        for kind in spec.task_kinds
    }
    if one_pace:
        scheduler.pace = simulation.scheduler(slowest, simulation.cell.snapshot)
    simulation.seat(Driver(simulation.engine, scheduler), alone, serves=tuple(scheduler.stands_for))
