"""What a run of the simulator comes to: the metrics by name, and a record of each scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Annotated

from pydantic import WithJsonSchema

from omegacell.bench.sim.scenario import Scenario

Ratio = Annotated[float, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]})]
"""A float that may be nan, which is null in JSON."""

_OF_SCHEDULERS = {
    "conflict_fraction": "failed transactions per successful one; more than 1 is possible",
    "txn_success": "transactions of which no claim conflicted",
    "txn_failed": "transactions of which a claim conflicted, also when others were kept",
    "task_conflict_fraction": "refused claims over all claims",
    "busyness": "think time, useful or wasted, over elapsed time; mean over the schedulers",
    "busyness_wasted": "the part of it whose claims met a conflict",
    "no_resources_attempts": "attempts that found no room at all",
}

_OF_JOBS = {
    "wait_first_mean": "seconds from submission to the start of the first attempt, mean",
    "wait_first_p90": "the same, 90th percentile",
    "wait_full_mean": "seconds in the queue summed over all attempts, mean",
    "wait_full_p90": "the same, 90th percentile",
    "time_to_placed_mean": "seconds from submission to the placement of the last task, mean",
    "time_to_placed_p50": "the same, median",
    "time_to_placed_p90": "the same, 90th percentile",
    "jobs": "submitted",
    "jobs_fully_scheduled": "all tasks placed",
    "jobs_partially_scheduled": "some tasks placed, but not all",
    "jobs_abandoned": "given up by their scheduler",
    "scheduled_fraction": "jobs fully scheduled over jobs submitted",
    "sched_attempts_total": "attempts that finished",
}

METRICS: Mapping[str, str] = MappingProxyType(
    {f"bs_{name}": f"batch schedulers: {text}" for name, text in _OF_SCHEDULERS.items()}
    | {f"ss_{name}": f"service schedulers: {text}" for name, text in _OF_SCHEDULERS.items()}
    | {
        "ms_busyness": "schedulers of batch and service: think time over elapsed time",
        "ms_no_resources_attempts": "schedulers of batch and service: attempts that found no room at all",
    }
    | {f"batch_{name}": f"batch jobs: {text}" for name, text in _OF_JOBS.items()}
    | {f"service_{name}": f"service jobs: {text}" for name, text in _OF_JOBS.items()}
    | {
        "avg_cpu_util": "share of the CPUs that is taken, mean of one sample a second",
        "avg_mem_util": "share of the memory that is taken, mean of one sample a second",
        "avg_cpu_locked": "share of the CPUs that offers lock, mean of one sample a second",
    }
)
"""Every metric by name, and what it is. Those without time in their name are counts or ratios."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerRecord:
    """One scheduler of one run; ratios that are not defined are nan. kind: the kinds of tasks that it serves."""

    seed: int
    name: str
    kind: str
    attempts: int
    transactions_succeeded: int
    transactions_failed: int
    conflict_fraction: Ratio
    task_conflict_fraction: Ratio
    busyness: Ratio
    busyness_wasted: Ratio
    placements: int
    no_resources_attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. metrics: by name, METRICS says what each is, nan where it does not apply; events: of virtual time;
    cpu_seconds: of this process, for the run without the imports.
    """

    scenario: Scenario
    seed: int
    metrics: Mapping[str, float]
    schedulers: tuple[SchedulerRecord, ...]
    events: int
    cpu_seconds: float

    @property
    def header(self) -> Mapping[str, str]:
        """What the run is of, and what it was made with."""
        return header(self.scenario)


def header(scenario: Scenario) -> dict[str, str]:
    """What goes at the head of every result: names and versions."""
    import numpy as np

    return {
        "omegacell_version": version(),
        "numpy_version": np.__version__,
        "scenario": scenario.name,
        "fingerprint": scenario.fingerprint,
    }


@cache
def version() -> str:
    """Of the installed package."""
    from importlib.metadata import version as installed

    return installed("omegacell")
