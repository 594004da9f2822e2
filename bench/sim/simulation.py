"""One run's moving parts: the virtual cell, filled, and what an architecture needs to seat its schedulers."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.engine import Engine
from omegacell.bench.sim.jobs import FOR_EVER, TaskShape, merged
from omegacell.bench.sim.machines import snapshot_of
from omegacell.bench.sim.scenario import Scenario, SchedulerSpec
from omegacell.bench.sim.virtual_jobs import Sort, VirtualJob
from omegacell.bench.sim.world import VirtualCell
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Lease
from omegacell.cellstate.snapshot import Snapshot
from omegacell.schedulers import kinds
from omegacell.schedulers.config import PRESETS, SchedulerConfig
from omegacell.schedulers.planning import PolicyChoice
from omegacell.schedulers.policies.random_first_fit import RandomFirstFit
from omegacell.schedulers.policy import Request
from omegacell.schedulers.scheduler import Scheduler
from omegacell.schedulers.view import AttemptView

_FILLING, _PLACING = 0, 1
"""Streams of random numbers of a seed: for what is there from the start, and one per scheduler for its choices."""


class Simulation:
    """A cell at time 0 with its jobs to come; an architecture seats schedulers, then `run`.

    `policies` stand in for the policies named in the scenario, by the scheduler's name; the name "" is for all.
    """

    def __init__(
        self, scenario: Scenario, *, seed: int, policies: dict[str, PolicyChoice] | None = None
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        self.engine = Engine()
        self.jobs = merged(
            [
                workload.jobs(seed=seed, runtime_seconds=scenario.runtime_seconds, folder=scenario.folder)
                for workload in scenario.workload
            ]
        )
        self.cell = VirtualCell(
            self.engine,
            snapshot_of(scenario.cell, scenario.folder),
            self.jobs,
            self._route,
            warm_up=scenario.warm_up_seconds,
        )
        self.drivers: list[Driver] = []
        self.specs: list[SchedulerSpec] = []  # of each driver
        self._policies = policies or {}
        self.serving: dict[str, list[int]] = {}  # scheduler ids by the kind of task
        self._arrived: dict[str, int] = {}
        self._fill()

    # --- for architectures

    def scheduler(
        self, spec: SchedulerSpec, snapshot: Snapshot, *, kind: type[Scheduler] | None = None
    ) -> Scheduler:
        """A real scheduler, the next one, that reads this snapshot; `kind` where the architecture has its own."""
        scheduler_id = len(self.drivers) + 1
        made = kind or kinds.load(spec.kind)
        return made(
            self.cell,
            name=spec.name if spec.count == 1 else f"{spec.name}-{sum(s is spec for s in self.specs)}",
            lease=Lease(holder_id=scheduler_id, token=1, lease_seconds=FOR_EVER, expires_at=FOR_EVER),
            rng=np.random.default_rng([self.seed, _PLACING, scheduler_id]),
            policy=self._policies.get(spec.name, self._policies.get("", spec.policy)),
            config=config_of(spec, made),
            snapshot=snapshot,
        )

    def seat(self, driver: Driver, spec: SchedulerSpec, *, serves: Sequence[str]) -> None:
        """Give a driver's scheduler its queue of jobs of these kinds, shared in turn with others that serve them."""
        scheduler_id = driver.scheduler.lease.holder_id
        self.drivers.append(driver)
        self.specs.append(spec)
        for kind in serves:
            self.serving.setdefault(kind, []).append(scheduler_id)
        self.cell.desks[scheduler_id] = driver.desk

    # --- running

    def run(self) -> None:
        """From 0 to the end of the runtime."""
        self._arrive(0)
        thresholds = gc.get_threshold()
        gc.set_threshold(
            100_000, *thresholds[1:]
        )  # what an attempt makes is in no cycle: looking for some is in vain
        try:
            self.engine.run(self.scenario.runtime_seconds)
        finally:
            gc.set_threshold(*thresholds)

    def _arrive(self, index: int) -> None:
        """Let a job come, then the next: one event at a time."""
        if index:
            self.cell.submit(index - 1)
        if index < len(self.jobs):
            self.engine.at(self.jobs.submitted_at.item(index), self._arrive, index + 1)

    def _route(self, job: VirtualJob) -> int:
        """The i-th job of a kind, from 1, goes to scheduler i mod N of those that serve it."""
        kind = job.sort.shape.kind
        serving = self.serving[kind]
        self._arrived[kind] = self._arrived.get(kind, 0) + 1
        return serving[self._arrived[kind] % len(serving)]

    def _fill(self) -> None:
        """Place what is there from the start by randomised first fit."""
        rng = np.random.default_rng([self.seed, _FILLING])
        for filled in self.scenario.cell.filled:
            shape = TaskShape(kind="filled", amounts=filled.amounts())
            job = VirtualJob(
                0, Sort(shape, self.cell.utilisation), tasks=filled.tasks, duration=FOR_EVER, now=0.0
            )
            request = Request.of(job.claimed(), filled.tasks)
            plan = RandomFirstFit().place(request, AttemptView(self.cell.snapshot), rng)
            if plan.placed < filled.tasks:
                raise SpecInvalid(
                    f"scenario {self.scenario.name!r} fills {filled.tasks} tasks, of which {plan.placed} have room; "
                    "use more machines or fewer tasks"
                )
            self.cell.occupy(job, plan.rows, plan.slots)


def config_of(spec: SchedulerSpec, kind: type[Scheduler]) -> SchedulerConfig:
    """The configuration of a scheduler of this kind: the preset's, with the scenario's fields over it."""
    base = kind.default_config if spec.preset == "default" else PRESETS[spec.preset]
    try:
        return replace(
            base,
            # Explanations are for people who wait; victims and short tasks are not simulated.
            **{"explain": False, "preemption": False, "ranges": False, **spec.config},
            think_job_seconds=spec.think_job_seconds,
            think_task_seconds=spec.think_task_seconds,
        )
    except TypeError as error:
        raise SpecInvalid(f"scheduler {spec.name!r}, config: {error}; see docs/schedulers.md") from error
