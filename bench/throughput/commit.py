"""The commit alone: what one or several scheduler processes place a second, beside what PostgreSQL does with no rule.

Everything fits, on random machines: what is measured is the cost of the commit, and under coarse detection with rivals
that of their conflicts. Each measurement begins with an empty cell. Correctness comes first: a figure is only reported
if every claim was accepted as expected, every job is placed and every invariant holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omegacell.bench.throughput import features
from omegacell.bench.throughput.ceiling import Raw, RawSession
from omegacell.bench.throughput.cell import BenchCell
from omegacell.bench.throughput.crew import Crew
from omegacell.bench.throughput.figures import (
    CommitFigures,
    CommitResult,
    RawRates,
    RawResult,
    commit_figures,
    raw_summary,
    rows_per_second,
    summary,
)
from omegacell.bench.throughput.plan import Combination, Feature, Plan, warm_up
from omegacell.bench.throughput.rivals import Rival
from omegacell.cellstate.errors import SpecInvalid

_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "wal_compression")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitReport:
    """What a run found, in the plan's order, and the server's word on durability."""

    results: tuple[CommitResult, ...]
    ceilings: tuple[RawResult, ...]
    server_version: str
    durability: dict[str, str]


def measure(dsn: str, plan: Plan, tell: Callable[[str], None]) -> CommitReport:
    """Measure every combination of the plan on this server; `tell` hears what is done.

    The repetitions go round: all once, then all again, so that a change of the host's mood meets all alike.
    SpecInvalid if the machines do not suffice; IncorrectResult if anything is wrong.
    """
    for combination in plan.combinations:
        _check_room(plan, combination)
    figures: dict[Combination, list[CommitFigures]] = {combination: [] for combination in plan.combinations}
    ceilings: list[RawRates] = []
    with BenchCell.open(dsn) as cell, Crew(plan.processes) as crew:
        durability = cell.settings(*_DURABILITY)
        (version,) = cell.settings("server_version").values()
        for repetition in range(plan.repeat):
            bench = _Bench(cell, crew, plan, seed=plan.seed + repetition)
            raw = {}
            for claims in plan.sizes:
                tell(f"{claims:,} claims: ceiling")
                raw[claims] = bench.ceiling(claims)
                ceilings.extend(raw[claims])
            for combination in plan.combinations:
                tell(str(combination))
                figures[combination].append(bench.commit(combination, raw[combination.claims]))
    return CommitReport(
        results=summary(figures),
        ceilings=raw_summary(ceilings),
        server_version=version,
        durability=durability,
    )


def _slots(plan: Plan, combination: Combination) -> int:
    """How many placements a measurement makes in all, its warm-up included."""
    transactions = plan.transactions(combination.claims, combination.schedulers)
    return combination.claims * combination.schedulers * (transactions + warm_up(transactions))


def _check_room(plan: Plan, combination: Combination) -> None:
    slots, room = _slots(plan, combination), features.room(combination.feature, plan.machines)
    if slots > room:
        raise SpecInvalid(
            f"{combination}: {slots:,} placements on {plan.machines:,} machines, expected at most {room:,}; "
            "raise --machines or lower --placements"
        )


class _Bench:
    """One repetition."""

    def __init__(self, cell: BenchCell, crew: Crew, plan: Plan, *, seed: int) -> None:
        self._cell = cell
        self._crew = crew
        self._plan = plan
        self._seed = seed

    def ceiling(self, claims: int) -> list[RawRates]:
        """What raw sessions reach, each on machines of its own."""
        self._cell.renew(Feature.NONE, machines=self._plan.machines, slots=0)
        return [
            RawRates(
                claims=claims,
                sessions=sessions,
                guarded_per_s=self._raw(Raw.GUARDED, claims, sessions),
                copy_per_s=self._raw(Raw.COPIED, claims, sessions),
            )
            for sessions in self._plan.ceilings
        ]

    def _raw(self, raw: Raw, claims: int, sessions: int) -> float:
        statements = self._plan.transactions(claims, sessions)
        self._crew.prepare(
            [
                RawSession(
                    dsn=self._cell.dsn,
                    schema=self._cell.schema,
                    raw=raw,
                    number=number,
                    sessions=sessions,
                    claims=claims,
                    statements=statements,
                    warm=warm_up(statements),
                    seed=self._seed,
                )
                for number in range(sessions)
            ]
        )
        return rows_per_second(self._crew.go())

    def commit(self, combination: Combination, raw: list[RawRates]) -> CommitFigures:
        """One combination, measured and found right."""
        machines = self._plan.machines
        transactions = self._plan.transactions(combination.claims, combination.schedulers)
        warm = warm_up(transactions)
        self._cell.renew(combination.feature, machines=machines, slots=_slots(self._plan, combination))
        self._crew.prepare(
            [
                Rival(
                    dsn=self._cell.dsn,
                    schema=self._cell.schema,
                    number=number,
                    combination=combination,
                    transactions=transactions,
                    warm=warm,
                    seed=self._seed,
                )
                for number in range(combination.schedulers)
            ]
        )
        before = self._cell.wal_position()
        works = self._crew.go()
        wal_bytes = self._cell.wal_position() - before
        self._cell.verify(combination, transactions=transactions + warm, machines=machines)
        return commit_figures(works, wal_bytes=wal_bytes, raw=raw)
