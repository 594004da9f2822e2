"""Fig 8: shared state with more and more batch jobs, until one batch scheduler cannot keep up."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from omegacell.bench.figures import reading, style
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import at, chosen, crossing, curve, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

PAPERS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {"hot": ("A", 2.5), "example": ("B", 6.0), "clike": ("C", 9.5)}
)
"""Our cell for each of the paper's: A is medium and busy, B one of the largest, C the public 2011 trace; and where
the paper sees it saturate."""
FEW = (1.0, 4.0, 8.0, 12.0, 16.0, 20.0)
MANY = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0)
OBJECTIVE_SECONDS = 30.0

FACTORS = {
    cell: Claim(
        item="Fig 8",
        name=f"saturation-{cell}",
        paper=f"Cluster {cluster} saturates at about {factor:g} times its batch rate.",
        test="the rate at which the batch scheduler's busyness passes "
        f"{reading.SATURATED} is within 25 % of that factor",
    )
    for cell, (cluster, factor) in PAPERS.items()
}
GROWTH = Claim(
    item="Fig 8",
    name="linear-until-saturation",
    paper="Busyness and waits grow with the rate until the scheduler saturates, then waits explode.",
    test="in every cell a straight line through the busyness below saturation has R^2 of 0.98 or more, and "
    f"the mean batch wait passes the objective of {OBJECTIVE_SECONDS:g} s within the swept rates, not before "
    "0.7 times the saturation",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """Shorter runs, as each has many times the jobs."""
    return tuple(
        Grid(
            part=f"batch-rate-{cell}",
            cell=cell,
            over={"batch_rate": effort.points(FEW, MANY)},
            options={"architecture": "shared_state", "runtime": effort.runtime(1 / 4)},
        )
        for cell in PAPERS
    )


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """Busyness and wait against the rate, a line for each cell."""
    ((busy, wait),) = style.small_multiples(canvas, 1, 2, room=1.2)
    style.frame_axes(
        busy, title="Busyness of the batch scheduler", x="times the cell's batch rate", y="busyness"
    )
    busy.set_ylim(0, 1.05)
    style.mark_level(busy, reading.SATURATED, "saturated")
    style.lines(busy, frame, x="batch_rate", y="bs_busyness", by="cell", drawn=style.CELLS)
    style.frame_axes(wait, title="Mean wait of batch jobs", x="times the cell's batch rate", y="seconds")
    style.logarithmic(wait, x=False, y=True, floor=1e-2)
    style.mark_level(wait, OBJECTIVE_SECONDS, "objective: 30 s")
    style.lines(wait, frame, x="batch_rate", y="batch_wait_first_mean", by="cell", drawn=style.CELLS)


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """One for each of the paper's clusters, and the shape of the curves."""
    cells = [cell for cell in PAPERS if (frame["cell"] == cell).any()]
    return (*(_factor(chosen(frame, cell=cell), cell) for cell in cells), _growth(frame, cells))


def saturation(frame: DataFrame) -> float:
    """The rate at which the batch scheduler of one cell saturates; inf beyond what was run."""
    return crossing(*curve(frame, "batch_rate", "bs_busyness"), reading.SATURATED)


def _factor(frame: DataFrame, cell: str) -> Statement:
    expected = PAPERS[cell][1]
    found, base = saturation(frame), at(frame, "bs_busyness", batch_rate=frame["batch_rate"].min())
    return FACTORS[cell].judged(
        reading.about(found, expected, 1.25),
        f"our {cell} saturates {reading.reached(found, 'times')}; its batch scheduler is "
        f"{reading.percent(base)} busy at the rate it has, and without conflicts would saturate at "
        f"{number(reading.share(reading.SATURATED, base))} times",
        numbers={"saturation": found, "paper": expected, "busyness_at_1": base},
        otherwise="the factor is set by how busy the scheduler is at its own rate, which is Google's workload "
        "in the paper and a synthetic one here",
    )


def _growth(frame: DataFrame, cells: list[str]) -> Statement:
    fits, late = {}, {}
    for cell in cells:
        here = chosen(frame, cell=cell)
        x, y = curve(here, "batch_rate", "bs_busyness")
        _, fits[cell] = reading.straightness(x[y < reading.SATURATED], y[y < reading.SATURATED])
        waits = crossing(*curve(here, "batch_rate", "batch_wait_first_mean"), OBJECTIVE_SECONDS)
        late[cell] = reading.share(waits, saturation(here))
    straight = [fit >= 0.98 for fit in fits.values() if np.isfinite(fit)]
    return GROWTH.judged(
        bool(straight) and all(straight) and all(0.7 <= share < float("inf") for share in late.values()),
        "; ".join(
            f"{cell}: R^2 {fits[cell]:.3f}, waits pass the objective at {number(late[cell])} times the "
            "saturation"
            for cell in cells
        ),
        numbers={f"r2_{cell}": fit for cell, fit in fits.items()}
        | {f"wait_over_saturation_{cell}": share for cell, share in late.items()},
        otherwise="conflicts bend the curve upward, or the cell is full before the scheduler is saturated",
    )


FIGURE = Figure(
    name="fig08",
    items=("Fig 8",),
    title="More batch jobs",
    asks="How many times as many batch jobs can one batch scheduler place beside a service scheduler on "
    "shared state?",
    reads="To the right, batch jobs arrive more often. Left: the share of time that the batch scheduler "
    "thinks; at 1 it cannot keep up. Right: how long a batch job waits for its first attempt.",
    alt="Two line charts against the batch arrival rate: busyness of the batch scheduler and mean batch wait, "
    "for three cells.",
    metrics=("bs_busyness", "batch_wait_first_mean", "bs_conflict_fraction", "avg_cpu_util"),
    grids=grids,
    draw=draw,
    statements=statements,
)
