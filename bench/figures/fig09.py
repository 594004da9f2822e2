"""Fig 9: the batch work shared by 1 to 32 schedulers on shared state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omegacell.bench.figures import reading, style
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import chosen, curve, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

CELL = "hot"
SCHEDULERS = (1, 2, 4, 8, 16, 32)
RATES = (4.0, 8.0)
FEW_RATES = (8.0,)

LEVEL = 0.05
"""Of the whole rise: a smaller step down is level. The noise of three short runs is about so large."""

CONFLICTS = Claim(
    item="Fig 9",
    name="conflicts-rise",
    paper="The conflict fraction rises with the number of batch schedulers.",
    test="at the highest rate the batch schedulers' conflict fraction ends at least twice as high as it "
    f"began, and no step from one number of schedulers to the next falls by more than {LEVEL:.0%} of the whole "
    "rise",
)
BUSYNESS = Claim(
    item="Fig 9",
    name="busyness-falls",
    paper="Busyness per scheduler falls as there are more of them.",
    test="at the highest rate mean busyness per scheduler falls from each number to the next",
)
WORTH = Claim(
    item="Fig 9",
    name="worth-it-to-32",
    paper="More schedulers are worth it up to at least 32.",
    test="at the highest rate 32 schedulers are less busy than 16 are, and the think time that they waste "
    "together is no more than one scheduler's",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """Shorter runs, as each has many times the jobs."""
    return (
        Grid(
            part=f"batch-schedulers-{CELL}",
            cell=CELL,
            over={"batch_rate": effort.points(FEW_RATES, RATES), "batch_schedulers": list(SCHEDULERS)},
            options={"architecture": "shared_state", "runtime": effort.runtime(1 / 4)},
            most_seeds=3,
        ),
    )


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """Conflict fraction, busyness and wait against the number of schedulers."""
    panels = style.small_multiples(canvas, 1, 3, room=0.9)[0]
    drawn = style.looks(sorted(frame["batch_rate"].unique()), "{:g} x rate")
    for axes, metric, title, called in zip(
        panels,
        ("bs_conflict_fraction", "bs_busyness", "ss_conflict_fraction"),
        ("Batch: conflict fraction", "Batch: busyness of each", "Service: conflict fraction"),
        ("failed per success", "busyness", "failed per success"),
        strict=True,
    ):
        style.frame_axes(axes, title=title, x="batch schedulers", y=called)
        axes.set_xscale("log", base=2)
        axes.set_xticks(SCHEDULERS, [str(one) for one in SCHEDULERS])
        axes.set_ylim(0, max(float(frame[metric].max()) * 1.1, 1e-3))
        style.lines(axes, frame, x="batch_schedulers", y=metric, by="batch_rate", drawn=drawn)


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Three, at the highest rate."""
    rate = float(frame["batch_rate"].max())
    here = chosen(frame, batch_rate=rate)
    n, conflicts = curve(here, "batch_schedulers", "bs_conflict_fraction")
    _, busy = curve(here, "batch_schedulers", "bs_busyness")
    _, wasted = curve(here, "batch_schedulers", "bs_busyness_wasted")
    lost = float(wasted[-1] * n[-1])
    return (
        CONFLICTS.judged(
            reading.rises(conflicts, slack=LEVEL) and conflicts[-1] >= 2 * conflicts[0],
            ", ".join(f"{number(one)} with {at:g}" for at, one in zip(n, conflicts, strict=True))
            + f", at {rate:g} times the rate",
            numbers={f"conflict_fraction_{at:g}": one for at, one in zip(n, conflicts, strict=True)},
            otherwise="from some number on one more scheduler adds no more rivals than the work that it takes "
            "over",
        ),
        BUSYNESS.judged(
            reading.falls(busy, slack=0.02),
            f"{number(busy[0])} with {n[0]:g}, {number(busy[-1])} with {n[-1]:g}",
            numbers={f"busyness_{at:g}": one for at, one in zip(n, busy, strict=True)},
            otherwise="conflicts cost more think time than another scheduler adds",
        ),
        WORTH.judged(
            len(busy) > 1 and n[-1] >= 32 and busy[-1] < busy[-2] and lost <= 1.0,
            f"{number(busy[-1])} busy with {n[-1]:g} and {number(busy[-2])} with {n[-2]:g}; wasted together "
            f"{number(lost)} of one scheduler's time",
            numbers={"wasted_schedulers": lost, "busyness_ratio": float(busy[-1] / busy[-2])},
            otherwise="conflicts cost more think time than the last schedulers add",
        ),
    )


FIGURE = Figure(
    name="fig09",
    items=("Fig 9",),
    title="Many batch schedulers",
    asks="If one batch scheduler is too slow, do 2, 4 ... 32 help, or do they only get in each other's way?",
    reads="To the right, the batch jobs are shared by more schedulers; each line is a multiple of the cell's "
    "batch rate. A conflict fraction of 0.1 means that one transaction in ten that succeed had to be "
    "repeated.",
    alt="Three line charts against the number of batch schedulers: batch conflict fraction, batch busyness "
    "per scheduler and service conflict fraction.",
    metrics=(
        "bs_conflict_fraction",
        "bs_busyness",
        "bs_busyness_wasted",
        "ss_conflict_fraction",
        "batch_wait_first_mean",
    ),
    grids=grids,
    draw=draw,
    statements=statements,
)
