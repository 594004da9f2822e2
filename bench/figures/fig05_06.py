"""Figs 5 and 6: how long jobs wait and how busy schedulers are, as decisions get slower, in three architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from omegacell.bench.figures import reading, style
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import at, chosen, curve, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

CELLS = ("hot", "example", "clike")
SINGLE, MULTI, SHARED = "monolithic_single", "monolithic_multi", "shared_state"
FEW = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0)
MANY = (0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0, 100.0)

BLOCKING = Claim(
    item="Fig 5",
    name="single-path-blocks",
    paper="One queue and one decision time for all: batch jobs wait behind slow decisions (head-of-line "
    "blocking).",
    test="mean batch wait at the longest t_job is over 100 times that at the shortest, in every cell",
)
NO_BLOCKING = Claim(
    item="Fig 5",
    name="shared-state-does-not-block",
    paper="Shared state has no head-of-line blocking: batch jobs do not wait for service decisions.",
    test="mean batch wait changes by less than a factor of 2 from the shortest to the longest t_job, in every "
    "cell",
)
COMPARABLE_WAIT = Claim(
    item="Fig 5",
    name="shared-state-like-multi-path-wait",
    paper="Shared state is comparable to the multi-path monolithic scheduler (wait time).",
    test="at every t_job at which neither is saturated, batch waits no longer and service at most twice as "
    "long (or 1 s longer)",
)
COMPARABLE_BUSY = Claim(
    item="Fig 6",
    name="shared-state-like-multi-path-busyness",
    paper="Shared state is comparable to the multi-path monolithic scheduler (busyness).",
    test="at every t_job at which neither is saturated, the think time of both schedulers together is within a "
    "factor of 1.5",
)
LINEAR = Claim(
    item="Fig 6",
    name="linear-to-saturation",
    paper="Busyness grows linearly with the decision time, up to saturation.",
    test=f"R^2 of a straight line through the points below {reading.SATURATED} is at least 0.98 wherever there "
    "are three",
)


def grid_of(cell: str, effort: Effort) -> Grid:
    """Service t_job swept; the single-path scheduler takes it for batch jobs as well."""
    return Grid(
        part=f"decision-time-{cell}",
        cell=cell,
        over={"architecture": [SINGLE, MULTI, SHARED], "service_t_job": effort.points(FEW, MANY)},
        options={"runtime": effort.runtime(), "batch_schedulers": 1},
    )


def grids(effort: Effort) -> tuple[Grid, ...]:
    """A sweep in each cell."""
    return tuple(grid_of(cell, effort) for cell in CELLS)


def busy(frame: DataFrame) -> DataFrame:
    """The frame with `busy`: what the scheduler of the architecture that decides on service jobs is busy."""
    return frame.assign(busy=frame["ms_busyness"].fillna(frame["ss_busyness"]))


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """A column for each cell: batch wait, service wait, busyness."""
    rows = (
        ("batch_wait_first_mean", "mean batch wait, s", True),
        ("service_wait_first_mean", "mean service wait, s", True),
        ("busy", "busyness", False),
    )
    axes = style.small_multiples(canvas, len(rows), len(CELLS))
    drawn = {name: style.ARCHITECTURES[name] for name in (SINGLE, MULTI, SHARED)}
    for column, cell in enumerate(CELLS):
        here = busy(chosen(frame, cell=cell))
        for row, (metric, called, waits) in enumerate(rows):
            one = axes[row][column]
            style.frame_axes(one, title=f"{cell}", x="decision time t_job, s", y=called)
            style.logarithmic(one, y=waits, floor=1e-2)
            if waits:
                style.mark_level(one, 30.0, "objective: 30 s")
            else:
                one.set_ylim(0, 1.05)
            style.lines(one, here, x="service_t_job", y=metric, by="architecture", drawn=drawn)


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Five, over all cells that were run."""
    whole = busy(frame)
    cells = [cell for cell in CELLS if (whole["cell"] == cell).any()]
    single = {cell: _growth(whole, cell, SINGLE) for cell in cells}
    shared = {cell: _growth(whole, cell, SHARED) for cell in cells}
    return (
        BLOCKING.judged(
            all(growth > 100 for growth in single.values()),
            f"batch wait grows by {_listed(single, 'times')}",
            numbers=single,
            otherwise="the swept decision times do not saturate the one scheduler of every cell",
        ),
        NO_BLOCKING.judged(
            all(growth < 2 for growth in shared.values()),
            f"batch wait changes by a factor of {_listed(shared)}",
            numbers=shared,
            otherwise="batch jobs conflict more often, or find less room, as service decisions last longer",
        ),
        _comparable_wait(whole, cells),
        _comparable_busyness(whole, cells),
        _linear(whole, cells),
    )


def _listed(values: dict[str, float], unit: str = "") -> str:
    return ", ".join(f"{number(value)} {unit}".strip() + f" ({cell})" for cell, value in values.items())


def _growth(frame: DataFrame, cell: str, architecture: str) -> float:
    _, waits = curve(
        chosen(frame, cell=cell, architecture=architecture), "service_t_job", "batch_wait_first_mean"
    )
    return float(waits[-1] / max(waits[0], 1e-3))


def _unsaturated(frame: DataFrame, cell: str) -> list[float]:
    """The decision times at which neither multi-path nor shared state is saturated."""
    here = chosen(frame, cell=cell)
    return [
        float(t_job)
        for t_job in sorted(here["service_t_job"].unique())
        if all(
            at(here, "busy", architecture=name, service_t_job=t_job) < reading.SATURATED
            for name in (MULTI, SHARED)
        )
    ]


def _pairs(frame: DataFrame, cells: list[str], metric: str) -> list[tuple[float, float]]:
    """(multi-path, shared state) at every unsaturated point."""
    return [
        (
            at(frame, metric, cell=cell, architecture=MULTI, service_t_job=t_job),
            at(frame, metric, cell=cell, architecture=SHARED, service_t_job=t_job),
        )
        for cell in cells
        for t_job in _unsaturated(frame, cell)
    ]


def _comparable_wait(frame: DataFrame, cells: list[str]) -> Statement:
    batch = _pairs(frame, cells, "batch_wait_first_mean")
    service = _pairs(frame, cells, "service_wait_first_mean")
    most = max((shared / multi for multi, shared in service if multi), default=float("nan"))
    return COMPARABLE_WAIT.judged(
        bool(service)
        and all(shared <= multi + 1e-3 for multi, shared in batch)
        and all(shared <= max(2 * multi, multi + 1.0) for multi, shared in service),
        f"service waits at most {number(most)} times as long as with multi-path; batch at most "
        f"{number(max((shared for _, shared in batch), default=float('nan')))} s, with multi-path up to "
        f"{number(max((multi for multi, _ in batch), default=float('nan')))} s",
        numbers={"service_wait_ratio_most": most, "points": len(service)},
        otherwise="near saturation, attempts repeated for conflicts lengthen the service queue of the hot cell",
    )


def _comparable_busyness(frame: DataFrame, cells: list[str]) -> Statement:
    both = frame.assign(thinking=frame["ms_busyness"].fillna(frame["bs_busyness"] + frame["ss_busyness"]))
    ratios = [shared / multi for multi, shared in _pairs(both, cells, "thinking")]
    least, most = min(ratios, default=float("nan")), max(ratios, default=float("nan"))
    return COMPARABLE_BUSY.judged(
        bool(ratios) and all(reading.about(ratio, 1.0, 1.5) for ratio in ratios),
        f"shared state thinks {number(least)} to {number(most)} times as much as multi-path",
        numbers={"ratio_least": least, "ratio_most": most, "points": len(ratios)},
        otherwise="attempts are repeated for conflicts where service decisions are long and the cell is hot",
    )


def _linear(frame: DataFrame, cells: list[str]) -> Statement:
    fits: dict[str, float] = {}
    for cell in cells:
        for name in (SINGLE, MULTI, SHARED):
            x, y = curve(chosen(frame, cell=cell, architecture=name), "service_t_job", "busy")
            _, fit = reading.straightness(x[y < reading.SATURATED], y[y < reading.SATURATED])
            if np.isfinite(fit):
                fits[f"{cell} {name}"] = fit
    least = min(fits, key=lambda one: fits[one], default="")
    return LINEAR.judged(
        bool(fits) and fits[least] >= 0.98,
        f"R^2 is at least {fits.get(least, float('nan')):.3f} ({least}) in {len(fits)} curves",
        numbers=fits,
        otherwise="attempts repeated for conflicts bend the curve upward before saturation",
    )


FIGURE = Figure(
    name="fig05_06",
    items=("Fig 5", "Fig 6"),
    title="Slow decisions: who waits for them?",
    asks="A scheduler that places long-running services may think for seconds about each job. Do short batch "
    "jobs have to wait for it, and when is a scheduler overloaded?",
    reads="Each column is a cell; each line an architecture. To the right, decisions on service jobs take "
    "longer (in the single-path scheduler, decisions on all jobs do). Top: how long batch jobs wait for their "
    "first attempt; middle: service jobs; bottom: the share of time that the scheduler of service jobs thinks "
    "(1 = overloaded; a monolithic scheduler's includes its batch jobs).",
    alt="Three rows of line charts against decision time for three cells: batch wait, service wait and "
    "busyness of single-path, multi-path and shared-state schedulers.",
    metrics=("batch_wait_first_mean", "service_wait_first_mean", "ms_busyness", "bs_busyness", "ss_busyness"),
    grids=grids,
    draw=draw,
    statements=statements,
)
