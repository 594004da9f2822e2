"""Fig 14: how conflicts are detected, and whether transactions may be kept in part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from omegacell.bench.figures import reading, style
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import at, chosen, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

CELLS = ("hot", "clike")
FEW = (1.0, 3.0, 10.0, 20.0, 30.0)
MANY = (0.3, 1.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0)
BASE = "fine, incremental"
MODES = {
    "fine, incremental": ("fine", "incremental"),
    "fine, all or nothing": ("fine", "all_or_nothing"),
    "fine, gang": ("fine", "gang"),
    "coarse, incremental": ("coarse", "incremental"),
    "coarse, all or nothing": ("coarse", "all_or_nothing"),
    "coarse, gang": ("coarse", "gang"),
}
GANG, COARSE, STRICTEST = "fine, all or nothing", "coarse, incremental", "coarse, all or nothing"
"""The paper's gang is all-or-nothing of the placements found; ours, all tasks of the job or none, is beside it."""

GANG_CONFLICTS = Claim(
    item="Fig 14",
    name="gang-conflicts",
    paper="All-or-nothing transactions with fine detection have about twice the conflict fraction.",
    test="the mean ratio to fine, incremental, over the t_job at which neither is saturated, is 1.5 to 2.5 in "
    "the hot cell",
)
COARSE_CONFLICTS = Claim(
    item="Fig 14",
    name="coarse-conflicts",
    paper="Coarse detection has 2 to 3 times the conflict fraction.",
    test="the mean ratio to fine, incremental, over the t_job at which neither is saturated, is 1.75 "
    "to 3.25 (2 to 3, rounded to halves) in the hot cell",
)
COARSE_BUSYNESS = Claim(
    item="Fig 14",
    name="coarse-busyness",
    paper="Coarse detection makes the scheduler 2 to 3 times as busy.",
    test="the largest ratio to fine, incremental, over all swept t_job, is 1.75 to 3.25 (2 to 3, "
    "rounded to halves) in the hot cell",
)
ORDER = Claim(
    item="Fig 14",
    name="order-of-modes",
    paper="Fine and incremental has the fewest conflicts, coarse and all-or-nothing the most.",
    test="so it is at every t_job at which none is saturated, in every cell",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """All modes, in the contended cell and (in the full set) in that of the 2011 trace's size."""
    return tuple(
        Grid(
            part=f"modes-{cell}",
            cell=cell,
            over={
                "detection": ["fine", "coarse"],
                "commit": ["incremental", "all_or_nothing", "gang"],
                "service_t_job": effort.points(FEW, MANY),
            },
            options={"architecture": "shared_state", "runtime": effort.runtime()},
        )
        for cell in effort.points(CELLS[:1], CELLS)
    )


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """A row for each cell: conflict fraction and busyness."""
    cells = [cell for cell in CELLS if (frame["cell"] == cell).any()]
    axes = style.small_multiples(canvas, len(cells), 2)
    drawn = style.looks(list(MODES))
    whole = _with_mode(frame)
    for row, cell in enumerate(cells):
        here = chosen(whole, cell=cell)
        for column, (metric, called) in enumerate(
            (("ss_conflict_fraction", "failed per success"), ("ss_busyness", "busyness"))
        ):
            one = axes[row][column]
            title = f"{cell}: service {'busyness' if column else 'conflict fraction'}"
            style.frame_axes(one, title=title, x="t_job of service jobs, s", y=called)
            if column:
                one.set_ylim(0, 1.05)
            else:
                style.logarithmic(one, x=False, y=True, floor=0.1)
            style.lines(one, here, x="service_t_job", y=metric, by="mode", drawn=drawn)


def _with_mode(frame: DataFrame) -> DataFrame:
    names = {pair: name for name, pair in MODES.items()}
    pairs = zip(frame["detection"].astype(str), frame["commit"].astype(str), strict=True)
    return frame.assign(mode=[names[pair] for pair in pairs])


def _unsaturated(frame: DataFrame, *modes: str) -> list[float]:
    return [
        float(t_job)
        for t_job in sorted(frame["service_t_job"].unique())
        if all(at(frame, "ss_busyness", mode=one, service_t_job=t_job) < reading.SATURATED for one in modes)
    ]


def ratios(frame: DataFrame, mode: str, metric: str, t_jobs: list[float]) -> list[float]:
    """To fine, incremental at each t_job; points where that is 0 are left out."""
    found = [
        reading.share(
            at(frame, metric, mode=mode, service_t_job=t_job),
            at(frame, metric, mode=BASE, service_t_job=t_job),
        )
        for t_job in t_jobs
    ]
    return [ratio for ratio in found if np.isfinite(ratio) and ratio > 0]


def _mean(values: list[float]) -> float:
    """Geometric, as they are ratios."""
    return float(np.exp(np.mean(np.log(values)))) if values else float("nan")


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Four."""
    whole = _with_mode(frame)
    hot = chosen(whole, cell=CELLS[0])
    gang = ratios(hot, GANG, "ss_conflict_fraction", _unsaturated(hot, BASE, GANG))
    coarse = ratios(hot, COARSE, "ss_conflict_fraction", _unsaturated(hot, BASE, COARSE))
    busy = ratios(hot, COARSE, "ss_busyness", sorted(hot["service_t_job"].unique()))
    strictest = ratios(hot, STRICTEST, "ss_busyness", sorted(hot["service_t_job"].unique()))
    return (
        GANG_CONFLICTS.judged(
            1.5 <= _mean(gang) <= 2.5,
            f"{number(_mean(gang))} times on average ({_range(gang)})",
            numbers={"mean": _mean(gang)},
            otherwise="an incremental transaction keeps the claims that fit and repeats only the rest, which "
            "seldom conflicts again; all-or-nothing repeats all. The ratio is that of the chances that a "
            "whole job and its rest conflict, and falls with the conflicts' number per job",
        ),
        COARSE_CONFLICTS.judged(
            1.75 <= _mean(coarse) <= 3.25,
            f"{number(_mean(coarse))} times on average ({_range(coarse)})",
            numbers={"mean": _mean(coarse)},
            otherwise="under coarse detection any placement on a claimed machine is a conflict, however much "
            "room is left: in a cell 60 % full with tasks of an eighth of a machine most of them are spurious",
        ),
        COARSE_BUSYNESS.judged(
            bool(busy) and 1.75 <= max(busy) <= 3.25,
            f"at most {number(max(busy, default=float('nan')))} times ({_range(busy)}); with all or nothing at "
            f"most {number(max(strictest, default=float('nan')))} times",
            numbers={
                "most": max(busy, default=float("nan")),
                "most_all_or_nothing": max(strictest, default=float("nan")),
            },
            otherwise="coarse attempts that are kept in part repeat little, and saturation caps the ratio",
        ),
        _order(whole),
    )


def _range(values: list[float]) -> str:
    return (
        f"{number(min(values))} to {number(max(values))} over {len(values)} points" if values else "no points"
    )


def _order(frame: DataFrame) -> Statement:
    compared, kept = 0, 0
    paper = (BASE, GANG, COARSE, STRICTEST)
    for cell in frame["cell"].unique():
        here = chosen(frame, cell=cell)
        for t_job in _unsaturated(here, *paper):
            fractions = [at(here, "ss_conflict_fraction", mode=one, service_t_job=t_job) for one in paper]
            compared += 1
            kept += fractions[0] == min(fractions) and fractions[-1] == max(fractions)
    return ORDER.judged(
        0 < compared == kept,
        f"at {kept} of {compared} points",
        numbers={"points": compared, "kept": kept},
        otherwise="where conflicts are few, the seeds' noise is larger than the difference between the modes",
    )


FIGURE = Figure(
    name="fig14",
    items=("Fig 14",),
    title="Fine or coarse, in part or all or nothing",
    asks="A claim may be refused only if it no longer fits (fine), or whenever anything changed on its "
    "machine (coarse). A transaction may be kept in part (incremental), or only whole. What do the stricter "
    "rules cost?",
    reads="To the right, service decisions take longer. Left: failed transactions per successful one (linear "
    "up to 0.1, then in powers of ten); right: busyness of the service scheduler. All or nothing undoes the "
    "placements found; gang places all tasks of a job or none; where every job finds room for all its "
    "tasks, the two coincide.",
    alt="Line charts of conflict fraction and busyness against service decision time for six combinations of "
    "conflict detection and commit mode.",
    metrics=("ss_conflict_fraction", "ss_busyness", "service_wait_first_mean"),
    grids=grids,
    draw=draw,
    statements=statements,
)
