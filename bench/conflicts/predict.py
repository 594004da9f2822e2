"""What the simulator says of the same cell, jobs and schedulers, given how long an attempt really took.

The conflict window is what was measured, from catching up with the cell to the commit's answer; it is longer than the
think time by the plan, the commit and the waiting for a core. All else is the scenario: the machines and what fills
them, the jobs at the times at which they were really submitted, the modes, the policy, the retry rule. As live, the
schedulers of one sort take their jobs from one queue; in the reference model each has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from omegacell.bench.conflicts.cell import together
from omegacell.bench.conflicts.submitter import Submitted
from omegacell.bench.conflicts.watch import Watched
from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.jobs import JobTable
from omegacell.bench.sim.scenario import Scenario, SchedulerSpec
from omegacell.bench.sim.simulation import Simulation
from omegacell.schedulers.metrics import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A workload that has happened: stands in a scenario where its generators were."""

    table: JobTable

    def jobs(self, *, seed: int, runtime_seconds: float, folder: object) -> JobTable:
        """The same in every run."""
        return self.table


def simulation_of(scenario: Scenario, table: JobTable, seed: int) -> Simulation:
    """The scenario with these jobs in place of its workloads, at time 0."""
    return Simulation(scenario.model_copy(update={"workload": (Replayed(table=table),)}), seed=seed)


def as_measured(scenario: Scenario, found: Sequence[Watched]) -> Scenario:
    """The scenario with each sort's t_job longer by what its attempts took beyond their think time, on average."""
    return scenario.model_copy(
        update={
            "scheduler": tuple(
                spec.model_copy(
                    update={"think_job_seconds": spec.think_job_seconds + beyond_thinking(spec, found)}
                )
                for spec in scenario.scheduler
            )
        }
    )


def beyond_thinking(spec: SchedulerSpec, found: Sequence[Watched]) -> float:
    """Seconds, the mean over the sort's attempts; 0 if there were none."""
    own = [one for one in found if one.sort == spec.name and len(one.done)]
    attempts = sum(len(one.done) for one in own)
    if not attempts:
        return 0.0
    return (
        sum(float((one.ended - one.synced + one.sync_seconds - one.thought).sum()) for one in own) / attempts
    )


def as_submitted(table: JobTable, submitted: Submitted) -> JobTable:
    """The jobs at the times at which they were there."""
    return replace(table, submitted_at=submitted.ended - submitted.origin)


def predict(scenario: Scenario, table: JobTable, *, seeds: Sequence[int]) -> list[Mapping[str, Account]]:
    """One account per sort of scheduler for each seed, which draws what fills the cell and every choice anew."""
    return [_accounts(simulation_of(scenario, table, seed)) for seed in seeds]


def _accounts(simulation: Simulation) -> Mapping[str, Account]:
    _share_queues(simulation)
    simulation.run()
    found: dict[str, list[Account]] = {}
    for driver, spec in zip(simulation.drivers, simulation.specs, strict=True):
        found.setdefault(spec.name, []).append(driver.account)
    return {name: together(accounts) for name, accounts in found.items()}


def _share_queues(simulation: Simulation) -> None:
    """Shared state, where whoever is free takes the next job of the queue of his sort."""
    cell = simulation.cell
    for spec in simulation.scenario.scheduler:
        seated: list[Driver] = []

        def wake(seated: list[Driver] = seated) -> None:
            for driver in seated:
                if not driver.busy:
                    driver.begin()
                    return

        for _ in range(spec.count):
            driver = Driver(simulation.engine, simulation.scheduler(spec, cell.snapshot))
            driver.desk.wake = wake
            if seated:
                driver.desk.queue = seated[0].desk.queue
            simulation.seat(driver, spec, serves=spec.task_kinds)
            seated.append(driver)
