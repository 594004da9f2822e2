"""Figs 10 and 11: busyness of the service scheduler over t_job and t_task, in every architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omegacell.bench.figures import style
from omegacell.bench.figures.fig05_06 import busy
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import chosen, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

T_JOBS, FEW_T_JOBS = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0), (0.1, 1.0, 10.0, 100.0)
T_TASKS, FEW_T_TASKS = (0.001, 0.005, 0.03, 0.1, 1.0), (0.001, 0.03, 1.0)
PANELS = {
    "single-path": ("monolithic_single", "incremental", "fine"),
    "multi-path": ("monolithic_multi", "incremental", "fine"),
    "offers": ("two_level", "incremental", "fine"),
    "shared state": ("shared_state", "incremental", "fine"),
    "shared, coarse, all or nothing": ("shared_state", "all_or_nothing", "coarse"),
}
LEFT_OVER = 0.01
"""A point leaves jobs over if more than this share of the submitted ones is not placed at the end: 1 %."""
LOW = 0.5
"""Busyness that counts as low: half of what a scheduler can do is in reserve."""

UNSCHEDULED = Claim(
    item="Fig 10",
    name="offers-leave-jobs",
    paper="Two-level scheduling leaves jobs unscheduled over much of the space.",
    test=f"more than {LEFT_OVER:.0%} of the jobs are left over at a quarter of the points or more, and at more "
    "points than under shared state",
)
ORDER = Claim(
    item="Fig 10",
    name="room-for-slow-decisions",
    paper="Single-path saturates over the largest part of the space; shared state stays low as widely as "
    "multi-path.",
    test=f"points with busyness under {LOW}: shared state at least as many as multi-path, multi-path more than "
    "single-path",
)
COARSE = Claim(
    item="Fig 10",
    name="coarse-costs",
    paper="Shared state with coarse conflict detection and all-or-nothing commits saturates earlier than with "
    "fine ones.",
    test="mean busyness over the space is higher, and no more points are low",
)
LOW_ALMOST_EVERYWHERE = Claim(
    item="Fig 11",
    name="low-almost-everywhere",
    paper="In cluster C the service scheduler's busyness is low over almost the whole space (high fidelity, "
    "29 days).",
    test=f"busyness is under {LOW} at 80 % of the points or more",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """All panels in the hot cell, in two sweeps."""
    over = _plane(effort)
    options = {"runtime": effort.runtime(1 / 2)}
    return (
        Grid(
            part="plane-architectures",
            cell="hot",
            over={"architecture": [name for name, _, kind in PANELS.values() if kind == "fine"], **over},
            options=options,
            most_seeds=1,
        ),
        Grid(
            part="plane-coarse",
            cell="hot",
            over={"detection": ["coarse"], "commit": ["all_or_nothing"], **over},
            options=options | {"architecture": "shared_state"},
            most_seeds=1,
        ),
    )


def grids_of_clike(effort: Effort) -> tuple[Grid, ...]:
    """Shared state in the cell of the 2011 trace's size and rates."""
    return (
        Grid(
            part="plane-clike",
            cell="clike",
            over=_plane(effort),
            options={"architecture": "shared_state", "runtime": effort.runtime(1 / 2)},
            most_seeds=1,
        ),
    )


def _plane(effort: Effort) -> dict[str, list[float]]:
    return {
        "service_t_job": effort.points(FEW_T_JOBS, T_JOBS),
        "service_t_task": effort.points(FEW_T_TASKS, T_TASKS),
    }


def panel(frame: DataFrame, name: str) -> DataFrame:
    """The rows of one panel, with `busy` and the share of jobs `left`."""
    architecture, _, detection = PANELS[name]
    part = "plane-coarse" if detection == "coarse" else "plane-architectures"
    return _with_left(chosen(frame, part=part, architecture=architecture))


def _with_left(frame: DataFrame) -> DataFrame:
    jobs = frame["batch_jobs"] + frame["service_jobs"]
    placed = frame["batch_jobs_fully_scheduled"] + frame["service_jobs_fully_scheduled"]
    return busy(frame).assign(left=1.0 - placed / jobs)


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """Five tables of tiles, with a frame around the tiles that leave jobs over."""
    canvas.set_size_inches(11, 6.6)
    places = canvas.subplots(2, 3, gridspec_kw={"hspace": 0.45, "wspace": 0.3}).ravel()
    for axes, name in zip(places, PANELS, strict=False):
        _tiles(axes, panel(frame, name), name)
    places[-1].axis("off")
    places[-1].text(
        0.0,
        0.6,
        "Number and colour: busyness of the\nscheduler that places service jobs\n(dark: idle, bright: "
        "saturated).\nRed frame: over 1 % of the jobs\nwere not placed by the end.",
        fontsize=9,
        color=style.INK,
        transform=places[-1].transAxes,
    )


def draw_clike(frame: DataFrame, canvas: Canvas) -> None:
    """One table of tiles."""
    canvas.set_size_inches(6, 4)
    _tiles(canvas.subplots(), _with_left(frame), "clike, shared state: busyness of the service scheduler")


def _tiles(axes: object, frame: DataFrame, title: str) -> None:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

    assert isinstance(axes, Axes)
    style.heat(axes, frame, x="service_t_job", y="service_t_task", value="busy", title=title)
    axes.set_xlabel("t_job of service jobs, s", fontsize=8.5)
    axes.set_ylabel("t_task, s", fontsize=8.5)
    left = frame.pivot_table(index="service_t_task", columns="service_t_job", values="left", aggfunc="mean")
    for row, line in enumerate(left.sort_index().to_numpy()):
        for column, one in enumerate(line):
            if one > LEFT_OVER:
                axes.add_patch(
                    Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, ec=style.RED, lw=1.4)
                )


def _shares(frame: DataFrame) -> tuple[float, float, float]:
    """Of the points of one panel: with low busyness, with jobs left over; and the mean busyness."""
    points = frame.groupby(["service_t_job", "service_t_task"])[["busy", "left"]].mean()
    return (
        float((points["busy"] < LOW).mean()),
        float((points["left"] > LEFT_OVER).mean()),
        float(points["busy"].mean()),
    )


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Three, over all points."""
    low, left, mean = {}, {}, {}
    for name in PANELS:
        low[name], left[name], mean[name] = _shares(panel(frame, name))
    coarse = "shared, coarse, all or nothing"
    return (
        UNSCHEDULED.judged(
            left["offers"] >= 0.25 and left["offers"] > left["shared state"],
            f"jobs are left over at {percent(left['offers'])} of the points with offers, "
            f"{percent(left['shared state'])} under shared state, {percent(left['multi-path'])} with "
            "multi-path",
            numbers=left,
            otherwise="as long as service decisions leave gaps, batch jobs wait for one to end and are placed "
            "then; at our load jobs are left over only where the service scheduler is saturated, as it is "
            "there under shared state too",
        ),
        ORDER.judged(
            low["shared state"] >= low["multi-path"] > low["single-path"],
            f"low at {percent(low['single-path'])} of the points with single-path, "
            f"{percent(low['multi-path'])} with multi-path, {percent(low['shared state'])} under shared state",
            numbers=low,
            otherwise="at the points in question conflicts make the shared-state service scheduler think again",
        ),
        COARSE.judged(
            mean[coarse] > mean["shared state"] and low[coarse] <= low["shared state"],
            f"mean busyness {mean[coarse]:.2f} against {mean['shared state']:.2f}; low at "
            f"{percent(low[coarse])} of the points against {percent(low['shared state'])}",
            numbers={f"mean_{name}": one for name, one in mean.items()},
            otherwise="the points are too few to tell",
        ),
    )


def statements_of_clike(frame: DataFrame) -> tuple[Statement, ...]:
    """One."""
    low, _, mean = _shares(_with_left(frame))
    return (
        LOW_ALMOST_EVERYWHERE.judged(
            low >= 0.8,
            f"busyness is under {LOW} at {percent(low)} of the points; mean {mean:.2f}",
            numbers={"low": low, "mean": mean},
            otherwise="without any conflict the generator's service load alone, a job of 20 tasks each 40 s, "
            f"passes {LOW} where t_job + 20.5 t_task exceeds 20 s, as it does for our slowest decisions",
        ),
    )


FIG10 = Figure(
    name="fig10",
    items=("Fig 10",),
    title="Slow per job, slow per task: all architectures",
    asks="Think time has a part per job and a part per task. Over all mixtures of the two: where is the "
    "service scheduler overloaded, and where are jobs left over?",
    reads="Each tile is a run: to the right decisions take longer per job, upward longer per task. The number "
    "is the busyness of the scheduler that places service jobs; in the single-path scheduler the times apply "
    "to all jobs.",
    alt="Five heat maps of busyness over time per job and time per task: single-path, multi-path, offers, "
    "shared state, and shared state with coarse all-or-nothing transactions.",
    metrics=("ms_busyness", "ss_busyness", "batch_scheduled_fraction", "service_scheduled_fraction"),
    grids=grids,
    draw=draw,
    statements=statements,
)
FIG11 = Figure(
    name="fig11",
    items=("Fig 11",),
    title="The same plane in a cell like the public 2011 trace's",
    asks="In a cell of 12,500 machines, how slow may service decisions get before the scheduler is overloaded?",
    reads="Each tile is a run of the cell clike; the number is the busyness of the service scheduler.",
    alt="A heat map of service-scheduler busyness over time per job and time per task in the cell clike.",
    metrics=("ss_busyness", "batch_scheduled_fraction", "service_scheduled_fraction"),
    grids=grids_of_clike,
    draw=draw_clike,
    statements=statements_of_clike,
)
