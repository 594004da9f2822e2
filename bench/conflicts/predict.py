"""What the simulator says of the same cell, jobs and schedulers, given how long an attempt really took.

The conflict window is what was measured, from catching up with the cell to the commit's answer; it is longer than the
think time by the plan, the commit and the waiting for a core. Between two attempts a scheduler takes as long as it took
to settle one job and to claim the next. All else is the scenario: the machines and what fills
them, the jobs at the times at which they were really submitted, the modes, the policy, the retry rule. As live, the
schedulers of one sort take their jobs from one queue; in the reference model each has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from omegacell.bench.conflicts.cell import together
from omegacell.bench.conflicts.submitter import Submitted
from omegacell.bench.conflicts.watch import Watched
from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.jobs import JobTable
from omegacell.bench.sim.scenario import Scenario, SchedulerSpec
from omegacell.bench.sim.simulation import Simulation
from omegacell.schedulers.attempt import Finished
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds, the means: what a sort's attempts took beyond thinking, a job and a task, and between two attempts."""

    job: float
    task: float
    between: float


def paces(scenario: Scenario, found: Sequence[Watched]) -> dict[str, Pace]:
    """As measured, by the name of the sort."""
    return {spec.name: _pace([one for one in found if one.sort == spec.name]) for spec in scenario.scheduler}


def _pace(sort: Sequence[Watched]) -> Pace:
    """By least squares: larger jobs take longer to plan and to commit, and meet more rivals."""
    beyond = np.concatenate([one.window - one.thought for one in sort])
    if not len(beyond):
        return Pace(job=0.0, task=0.0, between=0.0)
    jobs, tasks = (
        np.concatenate(some) for some in zip(*((one.jobs, one.asked) for one in sort), strict=True)
    )
    (job, task), *_ = np.linalg.lstsq(np.column_stack([jobs, tasks]), beyond)
    if task < 0.0:
        job, task = beyond.sum() / jobs.sum(), 0.0
    between = np.concatenate([one.done - one.begun - one.window for one in sort])
    return Pace(job=float(job), task=float(task), between=float(between.mean()))


def as_submitted(table: JobTable, submitted: Submitted) -> JobTable:
    """The jobs at the times at which they were there."""
    return replace(table, submitted_at=submitted.ended - submitted.origin)


def predict(
    scenario: Scenario, table: JobTable, paces: Mapping[str, Pace], *, seeds: Sequence[int]
) -> list[Mapping[str, Account]]:
    """One account per sort of scheduler for each seed, which draws what fills the cell and every choice anew."""
    slower = scenario.model_copy(
        update={"scheduler": tuple(_slower(spec, paces[spec.name]) for spec in scenario.scheduler)}
    )
    return [_accounts(simulation_of(slower, table, seed), paces) for seed in seeds]


def _slower(spec: SchedulerSpec, pace: Pace) -> SchedulerSpec:
    return spec.model_copy(
        update={
            "think_job_seconds": spec.think_job_seconds + pace.job,
            "think_task_seconds": spec.think_task_seconds + pace.task,
        }
    )


def _accounts(simulation: Simulation, paces: Mapping[str, Pace]) -> Mapping[str, Account]:
    for spec in simulation.scenario.scheduler:
        _seat(simulation, spec, paces[spec.name].between)
    simulation.run()
    found: dict[str, list[Account]] = {}
    for driver, spec in zip(simulation.drivers, simulation.specs, strict=True):
        found.setdefault(spec.name, []).append(driver.account)
    return {name: together(accounts) for name, accounts in found.items()}


def _seat(simulation: Simulation, spec: SchedulerSpec, between: float) -> None:
    """Shared state, where whoever of a sort is free takes the next job of its one queue."""
    seated: list[_Paced] = []

    def wake() -> None:
        for driver in seated:
            if not driver.busy:
                driver.begin()
                return

    for _ in range(spec.count):
        driver = _Paced(simulation, spec, between)
        driver.desk.wake = wake
        if seated:
            driver.desk.queue = seated[0].desk.queue
        simulation.seat(driver, spec, serves=spec.task_kinds)
        seated.append(driver)


class _Paced(Driver):
    """A driver that is not free again before some time after each commit."""

    def __init__(self, simulation: Simulation, spec: SchedulerSpec, between: float) -> None:
        scheduler = simulation.scheduler(spec, simulation.cell.snapshot)
        super().__init__(simulation.engine, scheduler, self._pause)
        self._between = between

    def _pause(self, finished: Finished) -> None:
        self.busy = True
        self.engine.at(self.engine.now + self._between, self._resume)

    def _resume(self, _: None) -> None:
        self.busy = False
        self.begin()
