"""`omega bench conflicts`: from options to a plan, and from its report to a table, a plot or one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from omegacell.bench.conflicts import plan as planning
from omegacell.bench.conflicts import plot as plotting
from omegacell.bench.conflicts import table
from omegacell.bench.conflicts.benchmark import ConflictsReport, measure
from omegacell.bench.conflicts.figures import EXCEEDING, WITHIN
from omegacell.bench.sim.options import scenario_of
from omegacell.bench.sim.scenario import Scenario
from omegacell.bench.throughput.host import Host, this_host
from omegacell.bench.throughput.plan import choices, numbers
from omegacell.cellstate.model import CommitMode, Detection
from omegacell.cellstate.settings import Settings
from omegacell.cli import failing, options, output
from omegacell.embedded_postgres import EmbeddedPostgres

_SCHEDULERS, _MACHINES, _SECONDS = "1,2,4,8", 5_000, 10.0
_QUICK_SCHEDULERS, _QUICK_MACHINES, _QUICK_SECONDS, _QUICK_TASKS = "2", 500, 2.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictsReply:
    """omega bench conflicts: a result is its mix, the sort of scheduler, live and simulated measures, and their ratio.

    A measure is median, min and max: live over `repeat` rounds, simulated over `predictions` seeds for each round.
    ratio: simulated over live conflict fraction; agrees: within `within` of each other, or the live one no more than
    `exceeding`.
    """

    benchmark: str = "conflicts"
    host: Host
    scenario: str
    fingerprint: str
    time_scale: float
    machines: int
    seconds: float
    repeat: int
    seed: int
    predictions: int
    within: float
    exceeding: float
    server_version: str
    durability: Mapping[str, str]
    results: tuple[Mapping[str, Any], ...]


def conflicts(
    *,
    schedulers: Annotated[str, typer.Option(help="Scheduler processes; default 1,2,4,8.")] = "",
    detection: Annotated[str, typer.Option(help=f"Of {','.join(Detection)}; default all.")] = "",
    commit: Annotated[str, typer.Option(help=f"Of {','.join(CommitMode)}; default all.")] = "",
    machines: Annotated[int, typer.Option(min=1, help="Hollow machines of 4 CPUs.")] = _MACHINES,
    fill: Annotated[float, typer.Option(min=0.0, max=0.99, help="Share that is taken from the start.")] = 0.9,
    rate: Annotated[float, typer.Option(min=0.01, help="Jobs a second.")] = 20.0,
    tasks_per_job: Annotated[float, typer.Option(min=1.0, help="Mean, of half a CPU each.")] = 30.0,
    task_seconds: Annotated[float, typer.Option(min=0.01, help="How long a task takes, mean.")] = 2.0,
    t_job: Annotated[float, typer.Option(min=0.0, help="Think time a job, slept.")] = 0.1,
    t_task: Annotated[float, typer.Option(min=0.0, help="Think time a task, slept.")] = 0.002,
    policy: Annotated[str, typer.Option(help="Name or package.module:Name.")] = "random_first_fit",
    retry: Annotated[str, typer.Option(help="Of reference,default.")] = "reference",
    scenario: Annotated[str, typer.Option(help="Instead: a scenario's file, or one of ours by name.")] = "",
    time_scale: Annotated[float, typer.Option(min=1e-6, help="Seconds of the scenario in a live one.")] = 1.0,
    seconds: Annotated[float, typer.Option(min=0.5, help="Live seconds of each measurement.")] = _SECONDS,
    repeat: Annotated[int, typer.Option(min=1, help="Measure all so often; medians, least and most.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn; one more in each repetition.")] = 1,
    quick: Annotated[
        bool, typer.Option(help="2 schedulers, 500 machines, 2 s: only whether it works.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Also draw live and simulated into this file.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Conflicts of real scheduler processes on a real store, beside the simulator's prediction of the same.

    On OMEGA_DSN or a server of its own with fsync on. Options that name several values, separated by commas, are
    measured in every combination; with --scenario, --schedulers is of its first [[scheduler]], and what is not
    given is as the scenario has it.
    """
    host = this_host()
    if plot is not None:
        plotting.need_matplotlib()
    if scenario:
        whole = scenario_of(scenario)
        found = whole.model_copy(update={"runtime_seconds": min(whole.runtime_seconds, seconds * time_scale)})
        mixes = _mixes_of(schedulers, detection, commit, found)
    else:
        load = planning.Load(
            machines=_QUICK_MACHINES if quick else machines,
            fill=fill,
            rate=rate,
            tasks_per_job=_QUICK_TASKS if quick else tasks_per_job,
            task_seconds=task_seconds,
            think_job_seconds=t_job,
            think_task_seconds=t_task,
            policy=policy,
            retry=retry,
        )
        found = load.scenario((_QUICK_SECONDS if quick else seconds) * time_scale)
        mixes = _mixes(
            schedulers or (_QUICK_SCHEDULERS if quick else _SCHEDULERS),
            detection or ",".join(Detection),
            commit or (CommitMode.INCREMENTAL if quick else ",".join(CommitMode)),
        )
    plan = planning.Plan(scenario=found, mixes=mixes, time_scale=time_scale, repeat=repeat, seed=seed)
    with ExitStack() as stack:
        dsn = Settings().dsn or stack.enter_context(EmbeddedPostgres.temporary()).dsn
        report = measure(dsn, plan, failing.say)
    if plot is not None:
        plotting.draw(report, plot)
    if as_json:
        output.emit(_reply(host, plan, report))
    else:
        table.show(report, _facts(host, plan, report))


def _mixes(schedulers: str, detection: str, commit: str) -> tuple[planning.Mix, ...]:
    return planning.mixes(
        numbers(schedulers, "schedulers"),
        choices(detection, Detection, "detection"),
        choices(commit, CommitMode, "commit"),
    )


def _mixes_of(schedulers: str, detection: str, commit: str, scenario: Scenario) -> tuple[planning.Mix, ...]:
    """What is not given is the scenario's."""
    if not (detection and commit):
        own_detection, own_commit = planning.modes_of(scenario)
        detection, commit = detection or own_detection, commit or own_commit
    if not schedulers:
        return planning.mixes(
            [planning.AS_WRITTEN],
            choices(detection, Detection, "detection"),
            choices(commit, CommitMode, "commit"),
        )
    return _mixes(schedulers, detection, commit)


def _reply(host: Host, plan: planning.Plan, report: ConflictsReport) -> ConflictsReply:
    return ConflictsReply(
        host=host,
        scenario=plan.scenario.name,
        fingerprint=plan.scenario.fingerprint,
        time_scale=plan.time_scale,
        machines=plan.scenario.cell.machines,
        seconds=plan.seconds,
        repeat=plan.repeat,
        seed=plan.seed,
        predictions=plan.predictions,
        within=WITHIN,
        exceeding=EXCEEDING,
        server_version=report.server_version,
        durability=report.durability,
        results=tuple(
            asdict(result.mix)
            | {
                "sort": result.sort,
                "live": {name: asdict(spread) for name, spread in result.live.items()},
                "simulated": {name: asdict(spread) for name, spread in result.simulated.items()},
                "ratio": result.ratio,
                "agrees": result.agrees,
            }
            for result in report.results
        ),
    )


def _facts(host: Host, plan: planning.Plan, report: ConflictsReport) -> dict[str, str]:
    load = ", ".join(f"{load:.1f}" for load in host.load_average)
    durability = ", ".join(f"{name} {value}" for name, value in report.durability.items())
    far = [result for result in report.results if not result.agrees]
    return {
        "host": f"{host.cpus} CPUs, {host.platform}, load average {load} at the start",
        "server": f"PostgreSQL {report.server_version}, {durability}",
        "scenario": f"{plan.scenario.name}, {plan.scenario.cell.machines:,} machines, {plan.seconds:g} s each",
        "agreement": f"{len(report.results) - len(far)} of {len(report.results)} within a factor of {WITHIN:g} "
        f"where the live conflict fraction exceeds {EXCEEDING:g}",
    }
