"""One run, from a scenario to its metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TextIO

import numpy as np

from omegacell.bench.sim.architectures.two_level import mean_locked
from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.jobs import Float64
from omegacell.bench.sim.options import BATCH, SERVICE
from omegacell.bench.sim.result import METRICS, Result, SchedulerRecord
from omegacell.bench.sim.scenario import Scenario
from omegacell.bench.sim.simulation import Simulation
from omegacell.cellstate.errors import PolicyError
from omegacell.cellstate.model import Bool
from omegacell.schedulers import metrics
from omegacell.schedulers.attempt import Finished
from omegacell.schedulers.metrics import Account
from omegacell.schedulers.planning import PolicyChoice

NAN = float("nan")


def run(
    scenario: Scenario,
    *,
    seed: int,
    policies: Mapping[str, PolicyChoice] | None = None,
    trace: TextIO | None = None,
) -> Result:
    """The scenario once. policies: in place of those it names, by scheduler, "" for all; trace: see `_Watched`.

    PolicyError as soon as a policy raises or returns no plan: live that costs one job an attempt, here it would
    spoil the measure unseen.
    """
    began = time.process_time()
    simulation = Simulation(scenario, seed=seed, policies=dict(policies or {}))
    import_module(f"omegacell.bench.sim.architectures.{scenario.architecture}").arrange(simulation)

    def watch(_: object) -> None:
        for driver in simulation.drivers:
            driver.account = _Watched(driver, trace)

    watch(None)
    if scenario.warm_up_seconds:
        simulation.engine.at(scenario.warm_up_seconds, watch)
    simulation.run()
    simulation.cell.check()
    return Result(
        scenario=scenario,
        seed=seed,
        metrics=_metrics(simulation),
        schedulers=_records(simulation),
        events=simulation.engine.events,
        cpu_seconds=time.process_time() - began,
    )


class _Watched(Account):
    """An account that fails on a policy's error, and writes a line per attempt at a job to `trace`.

    The line: time, scheduler, job, claimed, accepted and conflicting slots; times to the microsecond.
    """

    __slots__ = ("_driver", "_trace")

    def __init__(self, driver: Driver, trace: TextIO | None) -> None:
        super().__init__()
        self._driver = driver
        self._trace = trace

    def add(self, finished: Finished, thought_seconds: Sequence[float]) -> None:
        """Count an attempt, as Account does."""
        super().add(finished, thought_seconds)
        for planned in finished.attempt.jobs:
            if planned.error:
                raise PolicyError(
                    f"policy {planned.policy} failed on job {planned.job.job_id} "
                    f"of scheduler {self._driver.scheduler.name!r}: {planned.error}"
                )
        if self._trace is not None:
            self._write(self._trace, finished)

    def _write(self, trace: TextIO, finished: Finished) -> None:
        now, name = self._driver.engine.now, self._driver.scheduler.name
        for planned, tallied in zip(finished.attempt.jobs, finished.tallies, strict=True):
            claimed = int(planned.claims.slots.sum())
            trace.write(
                f"{now:.6f} {name} {planned.job.job_id} {claimed} {tallied.accepted} {tallied.conflicts}\n"
            )


# --- metrics


def _metrics(simulation: Simulation) -> dict[str, float]:
    found = dict.fromkeys(METRICS, NAN)
    served = _served(simulation)
    for prefix, kinds in (("bs", {BATCH}), ("ss", {SERVICE})):
        found |= _prefixed(prefix, _of_schedulers(simulation, [one == kinds for one in served]))
    monolithic = _of_schedulers(simulation, [len(one) > 1 for one in served])
    found |= {name: value for name, value in _prefixed("ms", monolithic).items() if name in METRICS}
    for kind in (BATCH, SERVICE):
        found |= _prefixed(kind, _of_jobs(simulation, kind))
    found |= _utilisation(simulation)
    return found


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _served(simulation: Simulation) -> list[set[str]]:
    """The kinds of tasks that each driver's scheduler serves."""
    served: list[set[str]] = [set() for _ in simulation.drivers]
    for kind, scheduler_ids in simulation.serving.items():
        for at, driver in enumerate(simulation.drivers):
            if driver.scheduler.lease.holder_id in scheduler_ids:
                served[at].add(kind)
    return served


def _elapsed(simulation: Simulation) -> float:
    return simulation.scenario.runtime_seconds - simulation.scenario.warm_up_seconds


def _of_schedulers(simulation: Simulation, chosen: Sequence[bool]) -> dict[str, float]:
    """Those chosen, together; nothing if there are none."""
    accounts = [driver.account for driver, one in zip(simulation.drivers, chosen, strict=True) if one]
    if not accounts:
        return {}
    whole = Account()
    for account in accounts:
        whole += account
    elapsed = _elapsed(simulation) * len(accounts)
    return {
        "conflict_fraction": metrics.conflict_fraction(whole.failed, whole.succeeded),
        "txn_success": whole.succeeded,
        "txn_failed": whole.failed,
        "task_conflict_fraction": metrics.task_conflict_fraction(whole.refused, whole.claims),
        "busyness": metrics.busyness(whole.useful_seconds + whole.wasted_seconds, elapsed),
        "busyness_wasted": metrics.busyness(whole.wasted_seconds, elapsed),
        "no_resources_attempts": whole.no_room,
    }


def _of_jobs(simulation: Simulation, kind: str) -> dict[str, float]:
    """The jobs of a kind that were submitted after the warm-up; nothing if the scenario has no such workload."""
    jobs, history = simulation.jobs, simulation.cell.history
    if not any(shape.kind == kind for shape in jobs.shapes):
        return {}
    of_kind = np.array([shape.kind == kind for shape in jobs.shapes], dtype=np.bool_)[jobs.shape]
    chosen: Bool = of_kind & (jobs.submitted_at >= simulation.scenario.warm_up_seconds)
    attempts = history.attempts.copy()
    for desk in simulation.cell.desks.values():  # begun, not finished
        for job in desk.taken.values():
            attempts[job.index] -= 1
    tried = chosen & (attempts > 0)
    whole = chosen & (history.unplaced == 0)
    partly = chosen & (history.unplaced > 0) & (history.unplaced < jobs.tasks)
    placed = history.placed_at[whole] - jobs.submitted_at[whole]
    return {
        **_spread("wait_first", history.first_wait[tried], ("mean", "p90")),
        **_spread("wait_full", history.waited[tried], ("mean", "p90")),
        **_spread("time_to_placed", placed, ("mean", "p50", "p90")),
        "jobs": int(chosen.sum()),
        "jobs_fully_scheduled": int(whole.sum()),
        "jobs_partially_scheduled": int(partly.sum()),
        "jobs_abandoned": int((chosen & history.abandoned).sum()),
        "scheduled_fraction": int(whole.sum()) / int(chosen.sum()) if chosen.any() else NAN,
        "sched_attempts_total": int(attempts[chosen].sum()),
    }


def _spread(name: str, values: Float64, wanted: Iterable[str]) -> dict[str, float]:
    """Mean and percentiles; a percentile is the value at int((n - 1) x share) of the sorted ones, as Omega's is."""
    if not len(values):
        return {f"{name}_{what}": NAN for what in wanted}
    ordered = np.sort(values)
    return {
        f"{name}_{what}": math.fsum(ordered) / len(ordered)
        if what == "mean"
        else float(ordered[(len(ordered) - 1) * int(what[1:]) // 100])
        for what in wanted
    }


def _utilisation(simulation: Simulation) -> dict[str, float]:
    cell = simulation.cell
    used = cell.utilisation.mean(simulation.engine.now, cell.snapshot.capacity.sum(axis=0))
    shares = dict(zip(cell.snapshot.dimensions, used, strict=True))
    return {
        "avg_cpu_util": shares["cpu_milli"],
        "avg_mem_util": shares["memory_bytes"],
        "avg_cpu_locked": mean_locked(simulation)[0],
    }


def _records(simulation: Simulation) -> tuple[SchedulerRecord, ...]:
    elapsed = _elapsed(simulation)
    return tuple(
        SchedulerRecord(
            seed=simulation.seed,
            name=driver.scheduler.name,
            kind="+".join(sorted(kinds)),
            attempts=account.attempts,
            transactions_succeeded=account.succeeded,
            transactions_failed=account.failed,
            conflict_fraction=metrics.conflict_fraction(account.failed, account.succeeded),
            task_conflict_fraction=metrics.task_conflict_fraction(account.refused, account.claims),
            busyness=metrics.busyness(account.useful_seconds + account.wasted_seconds, elapsed),
            busyness_wasted=metrics.busyness(account.wasted_seconds, elapsed),
            placements=account.placements,
            no_resources_attempts=account.no_room,
        )
        for driver, kinds in zip(simulation.drivers, _served(simulation), strict=True)
        for account in (driver.account,)
    )
