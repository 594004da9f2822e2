"""What is measured: a scenario in live seconds, and the modes and numbers of schedulers to run it with. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from omegacell.bench.sim.jobs import FOR_EVER, JobTable, merged
from omegacell.bench.sim.scenario import Architecture, Scenario, SchedulerSpec, parse
from omegacell.bench.sim.simulation import config_of
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import CommitMode, Detection
from omegacell.schedulers import kinds
from omegacell.schedulers.config import SchedulerConfig

MACHINE = {"cpu": 4, "memory": "16GB"}
TASK = {"cpu": 0.5, "memory": "1GB"}
SLOTS_A_MACHINE = 8
"""As in the reference cells; so many tasks fit on a machine."""

AS_WRITTEN = 0
"""The number of schedulers of a mix that leaves the scenario's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """One combination; `schedulers` of the scenario's first sort, AS_WRITTEN: as many as it says."""

    schedulers: int
    detection: Detection
    commit: CommitMode

    def __str__(self) -> str:
        """As people say it."""
        who = {AS_WRITTEN: "schedulers as written", 1: "1 scheduler"}
        return f"{who.get(self.schedulers, f'{self.schedulers} schedulers')}, {self.detection}, {self.commit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The shorthand: alike machines filled to a share of their CPUs, alike schedulers, one stream of alike jobs."""

    machines: int
    fill: float
    rate: float
    tasks_per_job: float
    task_seconds: float
    think_job_seconds: float
    think_task_seconds: float
    policy: str
    retry: str

    def scenario(self, seconds: float) -> Scenario:
        """The same as a scenario that runs for so long."""
        return parse(
            {
                "name": "conflicts",
                "runtime_seconds": seconds,
                "cell": {
                    **MACHINE,
                    "machines": self.machines,
                    "filled": [{**TASK, "tasks": round(self.fill * self.machines * SLOTS_A_MACHINE)}],
                },
                "scheduler": [
                    {
                        "name": "batch",
                        "policy": self.policy,
                        "preset": self.retry,
                        "think_job_seconds": self.think_job_seconds,
                        "think_task_seconds": self.think_task_seconds,
                    }
                ],
                "workload": [
                    {
                        **TASK,
                        "kind": "batch",
                        "source": "exponential",
                        "stream": 1,
                        "gap_seconds": 1.0 / self.rate,
                        "tasks": self.tasks_per_job,
                        "duration_seconds": self.task_seconds,
                    }
                ],
            },
            "the options",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The measurements of one run. `scenario` is in its own time, of which `time_scale` seconds are a live one.

    Each of `repeat` rounds has a seed of its own, the first `seed`, and submits the same jobs to every mix.
    """

    scenario: Scenario
    mixes: tuple[Mix, ...]
    time_scale: float = 1.0
    repeat: int = 1
    seed: int = 1
    predictions: int = 5

    @property
    def seconds(self) -> float:
        """How long each measurement lasts."""
        return self.scenario.runtime_seconds / self.time_scale

    def jobs(self, mix: Mix, seed: int) -> JobTable:
        """What is submitted, in live seconds, with the modes of the mix."""
        scenario = self.scenario
        table = merged(
            [
                workload.jobs(seed=seed, runtime_seconds=scenario.runtime_seconds, folder=scenario.folder)
                for workload in scenario.workload
            ]
        )
        return replace(
            table,
            submitted_at=table.submitted_at / self.time_scale,
            duration_seconds=table.duration_seconds / self.time_scale,
            shapes=tuple(
                replace(shape, detection=mix.detection, commit=mix.commit) for shape in table.shapes
            ),
        )

    def live(self, mix: Mix) -> Scenario:
        """The scenario in live seconds, with the schedulers of the mix."""
        return self.scenario.model_copy(
            update={
                "runtime_seconds": self.seconds,
                "scheduler": tuple(
                    spec.model_copy(
                        update={
                            "count": spec.count if at else mix.schedulers or spec.count,
                            "think_job_seconds": spec.think_job_seconds / self.time_scale,
                            "think_task_seconds": spec.think_task_seconds / self.time_scale,
                            "config": {**spec.config, "retry": self._retry(spec)},
                        }
                    )
                    for at, spec in enumerate(self.scenario.scheduler)
                ),
            }
        )

    def _retry(self, spec: SchedulerSpec) -> Any:
        """Its retry rule in live seconds: a back-off of the scenario's length would be a pause of hours in its time."""
        rule = configured(spec).retry
        times = ("progress_seconds", "conflict_seconds", "backoff_first_seconds", "backoff_max_seconds")
        return replace(rule, **{name: getattr(rule, name) / self.time_scale for name in times})

    @property
    def processes(self) -> int:
        """The most scheduler processes at a time."""
        return max(sum(spec.count for spec in self.live(mix).scheduler) for mix in self.mixes)


def configured(spec: SchedulerSpec) -> SchedulerConfig:
    """What a scheduler of the spec goes by, live and simulated."""
    return config_of(spec, kinds.load(spec.kind))


def queue_of(scenario: Scenario) -> dict[str, str]:
    """The name of the scheduler that serves each kind of task: live, all of a spec share one queue."""
    return {kind: spec.name for spec in scenario.scheduler for kind in spec.task_kinds}


def checked(plan: Plan) -> Plan:
    """The plan, if it can be run live; SpecInvalid if not."""
    scenario = plan.scenario
    if scenario.architecture is not Architecture.SHARED_STATE:
        raise SpecInvalid(
            f"scenario {scenario.name!r} has architecture {scenario.architecture}, expected shared_state: "
            "a live cell has no other; use omega simulate for it"
        )
    if scenario.cell.csv is not None:
        raise SpecInvalid(
            f"scenario {scenario.name!r} has machines of a CSV file, expected machines that are alike: "
            "the live benchmark registers no others"
        )
    served = [kind for spec in scenario.scheduler for kind in spec.task_kinds]
    twice = sorted({kind for kind in served if served.count(kind) > 1})
    if twice:
        raise SpecInvalid(
            f"tasks of kind {twice[0]!r} are served by two of the [[scheduler]] entries, expected one; "
            "live, a job waits in one queue: use count for more schedulers"
        )
    return plan


def mixes(
    schedulers: Sequence[int], detections: Sequence[Detection], commits: Sequence[CommitMode]
) -> tuple[Mix, ...]:
    """All combinations, the numbers of schedulers of one mode next to each other."""
    return tuple(
        Mix(schedulers=count, detection=detection, commit=commit)
        for detection, commit, count in product(detections, commits, schedulers)
    )


def modes_of(scenario: Scenario) -> tuple[Detection, CommitMode]:
    """Those that all its workloads have; SpecInvalid where they differ."""
    found = {(workload.detection, workload.commit) for workload in scenario.workload}
    if len(found) > 1:
        raise SpecInvalid(
            f"scenario {scenario.name!r} has workloads of different modes, expected the same in all; "
            "choose with --detection and --commit"
        )
    return found.pop()


def expected_seconds(duration: float) -> float:
    """A job's expected duration as the store has it: 0 for tasks that stay."""
    return 0.0 if duration == FOR_EVER else duration
