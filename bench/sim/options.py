"""The shorthand: what is varied most often in a scenario, as options of `omega simulate`, simulate() and sweep()."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omegacell.bench.sim.scenario import (
    Architecture,
    Cell,
    Scenario,
    SchedulerSpec,
    Seconds,
    Workload,
    load,
    shipped,
)
from omegacell.cellstate.edge import expected
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import CommitMode, Detection

BATCH, SERVICE = "batch", "service"
"""The kinds of tasks of the reference cells, which the options that begin with them are about."""


def _option(text: str, **limits: Any) -> Any:
    return Field(default=None, description=text, **limits)


class Options(BaseModel):
    """What replaces something of a scenario; an option not given leaves it as it is.

    Those that begin with batch_ and service_ are about the schedulers, and the workloads, of that kind of task.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Architecture | None = _option(f"Of {', '.join(Architecture)}.")
    detection: Detection | None = _option(f"Of all workloads: {' or '.join(Detection)}.")
    commit: CommitMode | None = _option(f"Of all workloads: {', '.join(CommitMode)}.")
    machines: int | None = _option(
        "Machines in the cell; what fills it from the start grows or shrinks in proportion.", ge=1
    )
    runtime: Seconds | None = _option("Of virtual time, in seconds or such as 1d.")
    warm_up: Seconds | None = _option("What is cut from the start of all measures.")
    batch_schedulers: int | None = _option("Batch schedulers.", ge=1)
    service_schedulers: int | None = _option("Service schedulers.", ge=1)
    batch_rate: float | None = _option("Factor on the rate at which batch jobs come.", gt=0.0)
    service_rate: float | None = _option("Factor on the rate at which service jobs come.", gt=0.0)
    batch_t_job: Seconds | None = _option("Think time for a batch job.")
    batch_t_task: Seconds | None = _option("Think time for each task of a batch job.")
    service_t_job: Seconds | None = _option("Think time for a service job.")
    service_t_task: Seconds | None = _option("Think time for each task of a service job.")
    batch_policy: str | None = _option("Policy of the batch schedulers: a name, or package.module:Name.")
    service_policy: str | None = _option("Policy of the service schedulers.")
    retry: Literal["reference", "default"] | None = _option(
        "All schedulers: reference, as Omega's simulator, or default, as live, with what helps among rivals."
    )
    sync_seconds: Seconds | None = _option("How old a partition gets, under parsync.")
    offer_seconds: Seconds | None = _option("Between two offers, under two_level.")


NAMES = tuple(Options.model_fields)
"""Of all options, in the order in which they are documented."""


def checked(given: Mapping[str, Any]) -> Options:
    """The options, or SpecInvalid with the first that is unknown or has no possible value."""
    for name in given:
        if name not in Options.model_fields:
            near = get_close_matches(name, NAMES, n=1) or NAMES
            raise SpecInvalid(f"option {name!r} is unknown; expected {', '.join(near)}")
    try:
        return Options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        by_us = first["type"] == "value_error"
        problem = first["msg"].removeprefix("Value error, ") if by_us else expected(first)
        raise SpecInvalid(f"option {first['loc'][0]}={first['input']!r}: {problem}") from error


def scenario_of(named: Scenario | str | Path) -> Scenario:
    """A scenario as it is, one of ours by its name, or one from a TOML file."""
    match named:
        case Scenario():
            return named
        case Path():
            return load(named)
        case str() if named.endswith(".toml"):
            return load(Path(named))
        case str():
            return shipped(named)


def vary(scenario: Scenario, options: Options) -> Scenario:
    """The scenario with the options in it; SpecInvalid for one that has nothing to act on."""
    varied = scenario.model_copy(
        update={
            "cell": _cell(scenario, options),
            "scheduler": _schedulers(scenario, options),
            "workload": _workloads(scenario, options),
            **_given(
                architecture=options.architecture,
                runtime_seconds=options.runtime,
                warm_up_seconds=options.warm_up,
                sync_seconds=options.sync_seconds,
                offer_seconds=options.offer_seconds,
            ),
        }
    )
    if not varied.warm_up_seconds < varied.runtime_seconds:
        raise SpecInvalid(
            f"warm_up={varied.warm_up_seconds:g} leaves nothing of runtime={varied.runtime_seconds:g}; "
            "expected a shorter one"
        )
    return varied


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _cell(scenario: Scenario, options: Options) -> Cell:
    cell = scenario.cell
    if options.machines is None:
        return cell
    if not cell.machines:
        raise SpecInvalid(f"option machines={options.machines}: the scenario's machines come from {cell.csv}")
    factor = options.machines / cell.machines
    filled = tuple(part.model_copy(update={"tasks": round(part.tasks * factor)}) for part in cell.filled)
    return cell.model_copy(update={"machines": options.machines, "filled": filled})


def _schedulers(scenario: Scenario, options: Options) -> tuple[SchedulerSpec, ...]:
    schedulers = scenario.scheduler
    if options.retry is not None:
        schedulers = tuple(spec.model_copy(update={"preset": options.retry}) for spec in schedulers)
    changes = {
        BATCH: _given(
            count=options.batch_schedulers,
            think_job_seconds=options.batch_t_job,
            think_task_seconds=options.batch_t_task,
            policy=options.batch_policy,
        ),
        SERVICE: _given(
            count=options.service_schedulers,
            think_job_seconds=options.service_t_job,
            think_task_seconds=options.service_t_task,
            policy=options.service_policy,
        ),
    }
    for kind, change in changes.items():
        if change and not any(kind in spec.task_kinds for spec in schedulers):
            raise SpecInvalid(
                f"scenario {scenario.name!r} has no scheduler that serves {kind!r}; leave out the options {kind}_..."
            )
        schedulers = tuple(
            spec.model_copy(update=change) if change and kind in spec.task_kinds else spec
            for spec in schedulers
        )
    return schedulers


def _workloads(scenario: Scenario, options: Options) -> tuple[Workload, ...]:
    workloads = scenario.workload
    everywhere = _given(detection=options.detection, commit=options.commit)
    if everywhere:
        workloads = tuple(workload.model_copy(update=everywhere) for workload in workloads)
    for kind, factor in ((BATCH, options.batch_rate), (SERVICE, options.service_rate)):
        if factor is None:
            continue
        if not any(workload.kind == kind for workload in workloads):
            raise SpecInvalid(
                f"scenario {scenario.name!r} has no workload of kind {kind!r}; leave out {kind}_rate"
            )
        workloads = tuple(
            workload.model_copy(update={"rate": workload.rate * factor})
            if workload.kind == kind
            else workload
            for workload in workloads
        )
    return workloads
