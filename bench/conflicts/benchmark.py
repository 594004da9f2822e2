"""The benchmark: each mix live and by the simulator. Correctness comes first, as in every benchmark here.

Every measurement has a cell of its own. The machines are up and filled and every scheduler has read the cell before
the first job is submitted. The rounds go round: all mixes once, then all again with another seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from omegacell.bench.conflicts.cell import ConflictCell, machines_of, together
from omegacell.bench.conflicts.figures import Result, live_measures, measures_of, spreads
from omegacell.bench.conflicts.machines import Machines
from omegacell.bench.conflicts.plan import Mix, Plan, checked, configured, queue_of
from omegacell.bench.conflicts.predict import as_submitted, paces, predict, simulation_of
from omegacell.bench.conflicts.rival import Rival
from omegacell.bench.conflicts.submitter import Submitted, Submitter
from omegacell.bench.conflicts.watch import Watched
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
            bench = _Bench(cell=cell, hands=hands, rivals=rivals, plan=plan, seed=seed)
            for mix in plan.mixes:
                tell(str(mix))
                found = bench.run(mix)
                cell.verify(mix, found.schedulers)
                for sort, measures in _lived(plan, mix, found):
                    live.setdefault((mix, sort), []).append(measures)
                for sort, measures in _predicted(plan, mix, found, seed):
                    simulated.setdefault((mix, sort), []).append(measures)
    return ConflictsReport(
        results=tuple(
            Result(mix=mix, sort=sort, live=spreads(rounds), simulated=spreads(simulated[mix, sort]))
            for (mix, sort), rounds in live.items()
        ),
        server_version=version,
        durability=durability,
    )


def _lived(plan: Plan, mix: Mix, found: _Live) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The measures of each sort of scheduler."""
    for spec in plan.live(mix).scheduler:
        own = [one for one in found.schedulers if one.sort == spec.name]
        yield (
            spec.name,
            live_measures(
                own,
                found.schedulers,
                found.submitted,
                account=together([one.counted for one in own]),
                seconds=plan.seconds,
                busy_share=found.busy_share,
            ),
        )


def _predicted(plan: Plan, mix: Mix, found: _Live, seed: int) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The same of each sort by the simulator, several times."""
    scenario = plan.live(mix)
    counts = {spec.name: spec.count for spec in scenario.scheduler}
    for accounts in predict(
        scenario,
        as_submitted(plan.jobs(mix, seed), found.submitted),
        paces(scenario, found.schedulers),
        seeds=range(seed, seed + plan.predictions),
    ):
        for sort, account in accounts.items():
            yield sort, measures_of(account, schedulers=counts[sort], seconds=plan.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """One round."""

    cell: ConflictCell
    hands: Crew
    rivals: Crew
    plan: Plan
    seed: int

    def run(self, mix: Mix) -> _Live:
        """One mix, live."""
        self._prepare(mix)
        before = _cpu_times()
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(1))
            # Should anything stop us meanwhile, these processes end first: the thread waits for their answers.
            stack.push(self.rivals)
            competing = pool.submit(self.rivals.go)
            _, submitted = self.hands.go()
            watched = competing.result()
            stack.pop_all()
            pool.shutdown()
        assert isinstance(submitted, Submitted)
        return _Live(
            schedulers=tuple(one for one in watched if isinstance(one, Watched)),
            submitted=submitted,
            busy_share=_busy_share(before, _cpu_times()),
        )

    def _prepare(self, mix: Mix) -> None:
        """The machines up and filled, then every scheduler aware of them."""
        cell, scenario, table = self.cell, self.plan.live(mix), self.plan.jobs(mix, self.seed)
        capacities, standing = machines_of(simulation_of(scenario, table, self.seed))
        place = {"dsn": cell.dsn, "schema": cell.schema}
        cell.empty()
        self.hands.prepare(
            [
                Machines(
                    **place,
                    capacities=capacities,
                    standing=standing,
                    seconds=scenario.runtime_seconds + _AFTERWARDS_SECONDS,
                ),
                Submitter(**place, jobs=table, queues=queue_of(scenario)),
            ]
        )
        cell.gather_statistics()
        self.rivals.prepare(
            [
                Rival(
                    **place,
                    sort=spec.name,
                    kind=spec.kind,
                    number=number,
                    policy=spec.policy,
                    config=configured(spec),
                    seconds=scenario.runtime_seconds,
                    seed=self.seed,
                )
                for spec in scenario.scheduler
                for number in range(spec.count)
            ]
        )


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
