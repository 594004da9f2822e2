"""The benchmark: each mix live and by the simulator. Correctness comes first, as in every benchmark here.

Every measurement has a cell of its own. The machines are up and filled and every scheduler has read the cell before
the first job is submitted. The rounds go round: all mixes once, then all again with another seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from omegacell.bench.conflicts.cell import ConflictCell, machines_of, together
from omegacell.bench.conflicts.figures import Result, live_measures, measures_of, spreads
from omegacell.bench.conflicts.machines import Machines
from omegacell.bench.conflicts.plan import Mix, Plan, checked, configured, queue_of
from omegacell.bench.conflicts.predict import as_measured, as_submitted, predict, simulation_of
from omegacell.bench.conflicts.rival import Rival
from omegacell.bench.conflicts.submitter import Submitted, Submitter
from omegacell.bench.conflicts.watch import Watched
from omegacell.bench.sim.jobs import JobTable
from omegacell.bench.sim.scenario import Scenario
from omegacell.bench.throughput.crew import Crew

_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "wal_compression")
_AFTERWARDS_SECONDS = 1.0
"""The machines serve a little longer than jobs are taken: the last attempts are to find them as all did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictsReport:
    """What a run found, in the plan's order, and the server's word on durability."""

    results: tuple[Result, ...]
    server_version: str
    durability: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Live:
    """One measurement: each scheduler, the jobs as submitted, and the share of the host's CPUs that was busy."""

    schedulers: tuple[Watched, ...]
    submitted: Submitted
    busy_share: float


def measure(dsn: str, plan: Plan, tell: Callable[[str], None]) -> ConflictsReport:
    """Measure every mix on this server, and predict it; `tell` hears what is done.

    SpecInvalid if the scenario cannot be run live; IncorrectResult if anything is wrong.
    """
    checked(plan)
    live: dict[tuple[Mix, str], list[Mapping[str, float]]] = {}
    simulated: dict[tuple[Mix, str], list[Mapping[str, float]]] = {}
    with ConflictCell.open(dsn) as cell, Crew(2) as hands, Crew(plan.processes) as rivals:
        durability = cell.settings(*_DURABILITY)
        (version,) = cell.settings("server_version").values()
        for seed in range(plan.seed, plan.seed + plan.repeat):
            for mix in plan.mixes:
                tell(str(mix))
                scenario, table = plan.live(mix), plan.jobs(mix, seed)
                found = _run(cell, hands, rivals, mix, scenario, table, seed=seed)
                cell.verify(mix, found.schedulers)
                for spec in scenario.scheduler:
                    own = [one for one in found.schedulers if one.sort == spec.name]
                    live.setdefault((mix, spec.name), []).append(
                        live_measures(
                            own,
                            found.schedulers,
                            found.submitted,
                            account=together([one.counted for one in own]),
                            seconds=plan.seconds,
                            busy_share=found.busy_share,
                        )
                    )
                counts = {spec.name: spec.count for spec in scenario.scheduler}
                for accounts in predict(
                    as_measured(scenario, found.schedulers),
                    as_submitted(table, found.submitted),
                    seeds=range(seed, seed + plan.predictions),
                ):
                    for sort, account in accounts.items():
                        simulated.setdefault((mix, sort), []).append(
                            measures_of(account, schedulers=counts[sort], seconds=plan.seconds)
                        )
    return ConflictsReport(
        results=tuple(
            Result(mix=mix, sort=sort, live=spreads(rounds), simulated=spreads(simulated[mix, sort]))
            for (mix, sort), rounds in live.items()
        ),
        server_version=version,
        durability=durability,
    )


def _run(
    cell: ConflictCell, hands: Crew, rivals: Crew, mix: Mix, scenario: Scenario, table: JobTable, *, seed: int
) -> _Live:
    """One mix, live."""
    capacities, standing = machines_of(simulation_of(scenario, table, seed))
    seconds = scenario.runtime_seconds
    cell.empty()
    hands.prepare(
        [
            Machines(
                dsn=cell.dsn,
                schema=cell.schema,
                capacities=capacities,
                standing=standing,
                seconds=seconds + _AFTERWARDS_SECONDS,
            ),
            Submitter(dsn=cell.dsn, schema=cell.schema, jobs=table, queues=queue_of(scenario)),
        ]
    )
    cell.gather_statistics()
    rivals.prepare(
        [
            Rival(
                dsn=cell.dsn,
                schema=cell.schema,
                sort=spec.name,
                kind=spec.kind,
                number=number,
                policy=spec.policy,
                config=configured(spec),
                seconds=seconds,
                seed=seed,
            )
            for spec in scenario.scheduler
            for number in range(spec.count)
        ]
    )
    before = _cpu_times()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        # Should anything stop us meanwhile, the processes end first: the thread waits for their answers.
        competing = pool.submit(rivals.go)
        stack.push(lambda kind, error, trace: _end_if_failed(rivals, kind is not None))
        _, submitted = hands.go()
        watched = competing.result()
        stack.pop_all().close()
    assert isinstance(submitted, Submitted)
    schedulers = tuple(one for one in watched if isinstance(one, Watched))
    return _Live(schedulers=schedulers, submitted=submitted, busy_share=_busy_share(before, _cpu_times()))


def _end_if_failed(crew: Crew, failed: bool) -> None:
    if failed:
        crew.__exit__(OSError, None, None)


def _cpu_times() -> tuple[float, float]:
    """Of the whole host since it started: busy, and in all; nothing where it does not say."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0, 0.0
    user, nice, system, idle, waiting, *rest = map(float, stat.read_text().split("\n", 1)[0].split()[1:])
    busy = user + nice + system + sum(rest[:3])
    return busy, busy + idle + waiting


def _busy_share(before: tuple[float, float], after: tuple[float, float]) -> float:
    whole = after[1] - before[1]
    return (after[0] - before[0]) / whole if whole else float("nan")
