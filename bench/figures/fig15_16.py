"""Figs 15 and 16: the MapReduce scheduler, which is not reproduced, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

WHY = (
    "It needs jobs whose running time depends on how many workers they are given, with the phases of real "
    "MapReduce jobs; the simulator's tasks have a duration that no scheduler changes, and none of its "
    "workloads has such phases."
)

SPEEDUP = Claim(
    item="Fig 15",
    name="mapreduce-speedup",
    paper="A scheduler that gives MapReduce jobs idle resources (max-parallelism, a global cap of 60 %, or 4 "
    "times the configured size) speeds up 50 to 70 % of them, 3 to 4 times at the 80th percentile.",
    test="not run",
)
UTILISATION = Claim(
    item="Fig 16",
    name="mapreduce-utilisation",
    paper="With it, utilisation is higher and more variable.",
    test="not run",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """None."""
    return ()


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """Nothing."""


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Two, not reproduced."""
    return SPEEDUP.not_reproduced(WHY), UTILISATION.not_reproduced(WHY)


FIGURE = Figure(
    name="fig15_16",
    items=("Fig 15", "Fig 16"),
    title="A scheduler for MapReduce jobs",
    asks="How much faster would MapReduce jobs be if their scheduler could use whatever is idle at the moment?",
    reads=f"Not reproduced. {WHY}",
    alt="",
    metrics=(),
    grids=grids,
    draw=draw,
    statements=statements,
)
