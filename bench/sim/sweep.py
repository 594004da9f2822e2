"""sweep(): a grid of scenarios, each with the same seeds, as one tidy frame."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegacell.bench.sim import frames, pool
from omegacell.bench.sim.journal import Journal, Row
from omegacell.bench.sim.options import checked, scenario_of, vary
from omegacell.bench.sim.progress import progress as shown_progress
from omegacell.bench.sim.result import header
from omegacell.bench.sim.scenario import Scenario
from omegacell.bench.sim.simulate import Policies, by_scheduler
from omegacell.cellstate.errors import SpecInvalid
from omegacell.schedulers.planning import PolicyChoice

if TYPE_CHECKING:
    import pandas as pd

POLICY = "policy"
"""What of `over` and the options is no field of Options: objects, which have a label in rows."""


def sweep(
    scenario: Scenario | str | Path = "hot",
    /,
    *,
    over: Mapping[str, Sequence[Any] | Mapping[str, Any]],
    seeds: int | Sequence[int] = 5,
    policy: Policies = None,
    processes: int | None = None,
    out: Path | str | None = None,
    progress: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Every combination of the values in `over`, each with every seed: a row for each, in that order.

    over: options of simulate() with their values; also "policy": names, classes and objects, in a mapping to give
    them labels. Columns: the names of `over`, seed, the metrics. Runs of one seed have the same jobs at every point
    (where their rate is the same), so that points can be compared seed by seed (`compare`). seeds: 1 to so many, or
    a list. processes: all cores if not given.

    out: a .parquet or .csv file, or a folder for sweep.parquet. Beside it a journal is kept (`points.jsonl`):
    the same call goes on where it was interrupted, and one with more values or seeds runs only those; another
    sweep is refused. What is known of a policy there is its label and its source.

    SpecInvalid before anything runs; an error of a run names its point and ends the sweep.
    """
    frames.required(out)
    plan = _plan(scenario_of(scenario), over, seeds, policy, options)
    target = None if out is None else frames.Target.of(Path(out))
    kept: dict[tuple[Any, ...], Row] = {}
    if target is None:
        for row in _rows(plan, kept, processes, shown=progress):
            kept[plan.key(row)] = row
    else:
        with closing(Journal(target.journal, header=plan.header, keys=plan.keys)) as journal:
            for row in _rows(plan, journal.rows, processes, shown=progress):
                journal.add(row)
            kept = journal.rows
    frame = frames.frame([kept[plan.key(point.row)] for point in plan.points], plan.header)
    if target is not None:
        frames.write(frame, target.path)
    return frame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """row: the values of `over` and the seed."""

    row: Row
    work: pool.Work


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    points: tuple[_Point, ...]
    keys: tuple[str, ...]
    header: Mapping[str, str]

    def key(self, row: Row) -> tuple[Any, ...]:
        """What tells a row from all others."""
        return tuple(row[name] for name in self.keys)


def _plan(
    base: Scenario,
    over: Mapping[str, Sequence[Any] | Mapping[str, Any]],
    seeds: int | Sequence[int],
    policy: Policies,
    options: Mapping[str, Any],
) -> _Plan:
    """Every run that is asked for, checked."""
    for name in over:
        if name in options or (name == POLICY and policy is not None):
            raise SpecInvalid(f"{name} is both swept over and given; leave one of them out")
    chosen = _seeds(seeds)
    axes = {name: _values(name, values) for name, values in over.items()}
    points = []
    for combination in product(*(axis.items() for axis in axes.values())):
        labels = dict(zip(axes, (label for label, _ in combination), strict=True))
        values = dict(zip(axes, (value for _, value in combination), strict=True))
        policies = values.pop(POLICY, policy)
        varied = vary(base, checked({**options, **values}))
        told = ", ".join(f"{name}={label}" for name, label in labels.items())
        for seed in chosen:
            work = pool.Work(
                label=f"sweep point {told}, seed={seed}",
                scenario=varied,
                seed=seed,
                policies=by_scheduler(varied, policies),
            )
            points.append(_Point(row={**labels, "seed": seed}, work=work))
    keys = (*axes, "seed")
    if len({tuple(point.row.values()) for point in points}) < len(points):
        raise SpecInvalid(
            f"sweep over {', '.join(axes)}: a value or seed is there twice; leave one of them out"
        )
    fixed = vary(base, checked(options))
    policies_told = {**axes.get(POLICY, {}), **({"": policy} if policy is not None else {})}
    told_header = {**header(fixed), "over": ",".join(axes)}
    if policies_told:
        told_header["policies"] = _source(policies_told)
    return _Plan(points=tuple(points), keys=keys, header=told_header)


def _rows(
    plan: _Plan, known: Mapping[tuple[Any, ...], Row], processes: int | None, *, shown: bool
) -> Iterable[Row]:
    """The rows that are not known, as they are finished."""
    todo = [point for point in plan.points if plan.key(point.row) not in known]
    done = len(plan.points) - len(todo)
    work = [point.work for point in todo]
    with shown_progress("sweep", len(plan.points), shown=shown) as advance:
        advance(done)
        for at, result in pool.results(work, processes=processes or pool.cores()):
            yield {**todo[at].row, **result.metrics}
            done += 1
            advance(done)


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    chosen = tuple(range(1, seeds + 1)) if isinstance(seeds, int) else tuple(seeds)
    if not chosen:
        raise SpecInvalid(f"seeds={seeds!r} are none; expected a number of them, or a list")
    return chosen


def _values(name: str, values: Sequence[Any] | Mapping[str, Any]) -> dict[Any, Any]:
    """The values of one axis, by what they are called in rows."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise SpecInvalid(f"over {name}={values!r}: expected a list of values")
    listed = values.items() if isinstance(values, Mapping) else ((_label(name, one), one) for one in values)
    axis = dict(listed)
    if len(axis) < len(values):
        raise SpecInvalid(
            f"over {name}: two values have the same name; give them as a mapping from names to values"
        )
    if not axis:
        raise SpecInvalid(f"over {name}: there are no values; leave it out, or give some")
    return axis


def _label(name: str, value: Any) -> Any:
    """What a value is called: itself; a policy's class by its name, and an object by its class's."""
    if isinstance(value, Enum):
        return value.value
    if name != POLICY or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        raise SpecInvalid(
            "over policy: policies by scheduler have no name; give a mapping from names to them"
        )
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _source(policies: Mapping[str, Policies]) -> str:
    """Eight hex digits that change with the source of the policies, where that can be found."""
    digest = hashlib.sha256()
    for label, policy in policies.items():
        for one in policy.values() if isinstance(policy, Mapping) else (policy,):
            digest.update(f"{label} {_written(one)}".encode())
    return digest.hexdigest()[:8]


def _written(policy: PolicyChoice | None) -> str:
    if policy is None or isinstance(policy, str):
        return str(policy)
    kind = policy if isinstance(policy, type) else type(policy)
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # typed at a prompt
        return kind.__qualname__
