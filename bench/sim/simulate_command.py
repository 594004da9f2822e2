"""`omega simulate`: one run in virtual time, or one per seed, as a table or as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import Field

from omegacell.bench.sim import shorthand
from omegacell.bench.sim.options import checked, vary
from omegacell.bench.sim.progress import progress
from omegacell.bench.sim.result import METRICS, Ratio, Result, SchedulerRecord, header
from omegacell.bench.sim.run import run
from omegacell.bench.sim.scenario import Architecture, Scenario
from omegacell.bench.sim.simulate import by_scheduler
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cli import options as shared
from omegacell.cli import output

if TYPE_CHECKING:
    SimulateReply = Any
else:
    SimulateReply = make_dataclass(
        "SimulateReply",
        [
            ("omegacell_version", str),
            ("numpy_version", str),
            ("scenario", str),
            ("fingerprint", str),
            ("architecture", Architecture),
            ("seed", int),
            ("seeds", tuple[int, ...]),
            ("runtime_seconds", float),
            ("warm_up_seconds", float),
            ("events", int),
            ("cpu_seconds", float),
            *((name, Annotated[Ratio, Field(description=text)]) for name, text in METRICS.items()),
            ("deviations", Mapping[str, Ratio]),
            ("schedulers", tuple[SchedulerRecord, ...]),
        ],
        frozen=True,
        slots=True,
        kw_only=True,
        namespace={
            "__module__": __name__,
            "__doc__": "omega simulate: the metrics of one run, or their means over `seeds`, and the sample "
            "`deviations`, null for one seed; every scheduler of every run.",
        },
    )

REPLIES = {"": SimulateReply}
"""What --json holds; `omega schema` reads it."""

app = typer.Typer()


@app.command(name="simulate")
@shorthand.with_options
def simulate(
    scenario: shorthand.Named = "",
    *,
    cell: shorthand.Cell = "",
    policy: shorthand.Policy = "",
    seed: Annotated[
        int, typer.Option(min=0, help="The first seed: of the jobs, and of what chance decides.")
    ] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="Runs, each with a seed of its own, on all cores.")] = 1,
    trace: Annotated[
        str,
        typer.Option(metavar="FILE", help="Write a line for every attempt; equal seeds write equal files."),
    ] = "",
    as_json: shared.AsJson = False,
    **options: str,
) -> None:
    """Run a scenario in virtual time: the same schedulers as live, no Ray, no database.

    Equal arguments give equal results. docs/simulating.md has every metric, and what a scenario may hold.
    """
    varied = vary(shorthand.chosen(scenario, cell), checked(shorthand.given(options)))
    results = _results(varied, policy, seed, seeds, trace)
    if as_json:
        output.emit(_reply(results))
    else:
        _show(results)


def _results(scenario: Scenario, policy: str, seed: int, seeds: int, trace: str) -> list[Result]:
    policies = by_scheduler(scenario, policy or None)
    if trace:
        if seeds > 1:
            raise SpecInvalid(f"--trace {trace} is of one run; leave out --seeds")
        try:
            file = Path(trace).open("w", encoding="utf-8")  # noqa: SIM115 closed below
        except OSError as error:
            raise SpecInvalid(
                f"--trace {trace} cannot be written: {error.strerror}; name another file"
            ) from error
        with file:
            return [run(scenario, seed=seed, policies=policies, trace=file)]
    if seeds == 1:
        return [run(scenario, seed=seed, policies=policies)]
    from omegacell.bench.sim import pool  # one run needs no processes

    work = [
        pool.Work(label=f"seed {one}", scenario=scenario, seed=one, policies=policies)
        for one in range(seed, seed + seeds)
    ]
    found: dict[int, Result] = {}
    with progress("simulate", seeds, shown=True) as advance:
        for at, result in pool.results(work, processes=pool.cores()):
            found[at] = result
            advance(len(found))
    return [found[at] for at in range(seeds)]


def _reply(results: Sequence[Result]) -> SimulateReply:
    first = results[0]
    return SimulateReply(
        **header(first.scenario),
        architecture=first.scenario.architecture,
        seed=first.seed,
        seeds=tuple(result.seed for result in results),
        runtime_seconds=first.scenario.runtime_seconds,
        warm_up_seconds=first.scenario.warm_up_seconds,
        events=sum(result.events for result in results),
        cpu_seconds=sum(result.cpu_seconds for result in results),
        **_means(results),
        deviations={name: _deviation(results, name) for name in METRICS},
        schedulers=tuple(record for result in results for record in result.schedulers),
    )


def _means(results: Sequence[Result]) -> dict[str, float]:
    """Over the runs in which a metric is defined; a single run's values as they are."""
    if len(results) == 1:
        return dict(results[0].metrics)
    return {name: _mean(_defined(results, name)) for name in METRICS}


def _defined(results: Sequence[Result], name: str) -> list[float]:
    return [value for result in results if math.isfinite(value := result.metrics[name])]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else float("nan")


def _deviation(results: Sequence[Result], name: str) -> float:
    values = _defined(results, name)
    mean = _mean(values)
    if len(values) < 2:
        return float("nan")
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


# --- for people


def _show(results: Sequence[Result]) -> None:
    scenario, means = results[0].scenario, _means(results)
    seeds = [result.seed for result in results]
    cpu = sum(result.cpu_seconds for result in results)
    cell = scenario.cell
    output.facts(
        {
            "scenario": f"{scenario.name} ({scenario.fingerprint}), {scenario.architecture}",
            "cell": f"{cell.machines:,} machines" if cell.machines else str(cell.csv),
            "time": f"{output.duration(scenario.runtime_seconds)}"
            + (
                f", the first {output.duration(scenario.warm_up_seconds)} cut"
                if scenario.warm_up_seconds
                else ""
            ),
            "seed": seeds[0] if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}, means",
            "used": f"CPU {means['avg_cpu_util']:.1%}, memory {means['avg_mem_util']:.1%}",
            "took": f"{cpu:.2f} s of CPU time, {sum(result.events for result in results):,} events",
        }
    )
    print()
    _table(
        "schedulers",
        {"batch": "bs", "service": "ss", "batch and service": "ms"},
        {
            "succeeded": "txn_success",
            "failed": "txn_failed",
            "no room": "no_resources_attempts",
            "conflict fraction": "conflict_fraction",
            "task conflicts": "task_conflict_fraction",
            "busyness": "busyness",
            "wasted": "busyness_wasted",
        },
        means,
    )
    print()
    _table(
        "jobs",
        {"batch": "batch", "service": "service"},
        {
            "submitted": "jobs",
            "placed": "jobs_fully_scheduled",
            "in part": "jobs_partially_scheduled",
            "abandoned": "jobs_abandoned",
            "attempts": "sched_attempts_total",
            "wait first s": "wait_first_mean",
            "p90 s": "wait_first_p90",
            "wait full s": "wait_full_mean",
            "placed after s": "time_to_placed_mean",
        },
        means,
    )


def _table(
    title: str, lines: Mapping[str, str], columns: Mapping[str, str], means: Mapping[str, float]
) -> None:
    """A line for each prefix that has a value."""
    rows = []
    for name, prefix in lines.items():
        values = [means.get(f"{prefix}_{metric}", float("nan")) for metric in columns.values()]
        if any(map(math.isfinite, values)):
            rows.append([name, *map(_number, values)])
    output.table([title, *columns], rows, right=list(columns))


def _number(value: float) -> str:
    """A count as it is, anything else to four significant digits, a dash where it is not defined."""
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
