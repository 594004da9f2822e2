"""Table 1: the architectures side by side, by what they do to the same work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from omegacell.bench.figures import style
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import at, chosen, number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

CELL = "hot"
CROWDED_RATE = 12.0
"""Batch work for 900 CPUs: more than the 800 that half of the hot cell has free, less than the 1,600 of the whole."""

OPTIMISTIC = Claim(
    item="Table 1",
    name="only-shared-state-conflicts",
    paper="Schedulers interfere optimistically under shared state only: monolithic and partitioned ones never "
    "meet, two-level ones are kept apart by locks.",
    test="transactions fail under shared state, and none does under monolithic, partitioned and two-level "
    "scheduling",
)
PESSIMISTIC = Claim(
    item="Table 1",
    name="only-offers-lock",
    paper="Two-level scheduling is pessimistic: resources that are offered to one scheduler are locked for "
    "the others.",
    test="a part of the CPUs is locked with offers, and nothing under any other architecture",
)
FIXED_SUBSETS = Claim(
    item="Table 1",
    name="partitions-leave-room-unused",
    paper="Statically partitioned schedulers have a fixed subset of the machines each: what one leaves free "
    "is of no use to the other.",
    test=f"with {CROWDED_RATE:g} times the batch rate, partitioning places a smaller share of the batch jobs "
    "than shared state and uses less of the CPUs",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """One point of every architecture; and a crowded one of two."""
    return (
        Grid(
            part="architectures",
            cell=CELL,
            over={"architecture": list(style.ARCHITECTURES)},
            options={"service_t_job": 10.0, "runtime": effort.runtime()},
        ),
        Grid(
            part="crowded",
            cell=CELL,
            over={"architecture": ["partitioned", "shared_state"]},
            options={"batch_rate": CROWDED_RATE, "runtime": effort.runtime(1 / 6)},
            most_seeds=2,
        ),
    )


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """A panel for each measure, a bar for each architecture."""
    here = _conflicts(chosen(frame, part="architectures"))
    canvas.set_size_inches(11, 3)
    canvas.subplots_adjust(left=0.22, right=0.97, wspace=0.25, top=0.85, bottom=0.1)
    panels = canvas.subplots(1, 4)
    names = list(style.ARCHITECTURES)[::-1]
    for axes, metric, title in zip(
        panels,
        ("batch_wait_first_mean", "service_wait_first_mean", "conflicts", "avg_cpu_locked"),
        ("Batch wait, s", "Service wait, s", "Conflict fraction (service)", "CPUs locked, share"),
        strict=True,
    ):
        values = [at(here, metric, architecture=name) for name in names]
        style.frame_axes(axes, title=title, x="", y="")
        axes.barh(range(len(names)), values, color=[style.ARCHITECTURES[name].colour for name in names])
        axes.set_yticks(
            range(len(names)),
            [style.ARCHITECTURES[name].called if axes is panels[0] else "" for name in names],
        )
        axes.set_xlim(0, float(np.nanmax([*values, 0.0])) * 1.3 or 1.0)
        for row, value in enumerate(values):
            axes.annotate(
                "-" if np.isnan(value) else number(value),
                (0.0 if np.isnan(value) else value, row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=style.INK,
            )


def _conflicts(frame: DataFrame) -> DataFrame:
    """`conflicts`: of the service scheduler; 0 where one scheduler places everything."""
    return frame.assign(conflicts=frame["ss_conflict_fraction"].fillna(0.0))


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Three."""
    here = _conflicts(chosen(frame, part="architectures"))
    names = [name for name in style.ARCHITECTURES if (here["architecture"] == name).any()]
    conflicts = {name: at(here, "conflicts", architecture=name) for name in names}
    locked = {name: at(here, "avg_cpu_locked", architecture=name) for name in names}
    apart = ("monolithic_single", "monolithic_multi", "partitioned", "two_level")
    crowded = chosen(frame, part="crowded")
    placed = {
        name: at(crowded, "batch_scheduled_fraction", architecture=name) for name in crowded["architecture"]
    }
    used = {name: at(crowded, "avg_cpu_util", architecture=name) for name in crowded["architecture"]}
    return (
        OPTIMISTIC.judged(
            conflicts["shared_state"] > 0 and all(conflicts[name] == 0 for name in apart),
            f"conflict fraction of the service scheduler {number(conflicts['shared_state'])} under shared state"
            + (f", {number(conflicts['parsync'])} partly synchronised" if "parsync" in conflicts else "")
            + f"; at most {number(max(conflicts[name] for name in apart))} elsewhere",
            numbers=conflicts,
            otherwise="no two schedulers met in a transaction, or an architecture let them meet that should "
            "not",
        ),
        PESSIMISTIC.judged(
            locked["two_level"] > 0 and all(locked[name] == 0 for name in names if name != "two_level"),
            f"{percent(locked['two_level'])} of the CPUs are locked on average with offers",
            numbers=locked,
            otherwise="nothing was locked by offers, or something without them",
        ),
        FIXED_SUBSETS.judged(
            placed["partitioned"] < placed["shared_state"] and used["partitioned"] < used["shared_state"],
            f"batch jobs placed {percent(placed['partitioned'])} against {percent(placed['shared_state'])}; "
            f"CPUs used {percent(used['partitioned'])} against {percent(used['shared_state'])}",
            numbers={f"placed_{name}": one for name, one in placed.items()}
            | {f"cpu_{name}": one for name, one in used.items()},
            otherwise="the partition of the batch scheduler has room enough for its work",
        ),
    )


FIGURE = Figure(
    name="table1",
    items=("Table 1",),
    title="The architectures",
    asks="Who may place what where? One scheduler for all; a fixed part of the machines each; offers that "
    "lock; or all see everything and settle conflicts at the commit.",
    reads="The same jobs under each architecture, service decisions of 10 s (of all jobs, in the single-path "
    "scheduler). Waits are from submission to the first attempt.",
    alt="Bar charts by architecture: batch wait, service wait, conflict fraction of service transactions and "
    "share of CPUs locked.",
    metrics=(
        "batch_wait_first_mean",
        "service_wait_first_mean",
        "bs_conflict_fraction",
        "ss_conflict_fraction",
        "avg_cpu_util",
        "avg_cpu_locked",
        "batch_scheduled_fraction",
    ),
    grids=grids,
    draw=draw,
    statements=statements,
)
