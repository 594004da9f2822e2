"""Fig 12: conflicts of the service scheduler as its decisions get slower, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omegacell.bench.figures import reading, style
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import at, chosen, crossing, curve, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

CELL = "hot"
FEW = (1.0, 3.0, 10.0, 20.0, 35.0)
MANY = (0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0)
T_TASKS = (0.005, 1.0)
PAPER_SECONDS = 10.0
MEAN_TASKS = 20.504
"""Of a service job: the mean of ceil(exponential of mean 20) is 1 / (1 - exp(-1/20))."""

CROSSING = Claim(
    item="Fig 12",
    name="conflicts-pass-one",
    paper="The conflict fraction passes 1.0 at about t_job = 10 s (cluster B, high fidelity).",
    test="the t_job at which the service scheduler's conflict fraction passes 1.0 is within a factor of 1.5 of 10 s",
)
COST = Claim(
    item="Fig 12",
    name="cost-of-conflicts",
    paper="There, busyness is about 40 % above the estimate without conflicts.",
    test="where the conflict fraction passes 1.0, or at t_job = 10 s if it never does, busyness is 20 to 60 % above the "
    "think time of one attempt a job",
)
SLOW_TASKS = Claim(
    item="Fig 12",
    name="slow-per-task",
    paper="With t_task = 1 s the conflict fraction is at most 0.2.",
    test="at every swept t_job up to 10 s the conflict fraction with t_task = 1 s is at most 0.2",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """Two values of t_task."""
    return (
        Grid(
            part=f"service-decision-{CELL}",
            cell=CELL,
            over={"service_t_task": list(T_TASKS), "service_t_job": effort.points(FEW, MANY)},
            options={"architecture": "shared_state", "runtime": effort.runtime()},
        ),
    )


def with_estimate(frame: DataFrame) -> DataFrame:
    """`estimate`: busyness if every service job took one attempt; the scheduler cannot be busier than 1."""
    seconds = frame["service_t_job"] + MEAN_TASKS * frame["service_t_task"]
    return frame.assign(estimate=(frame["service_jobs"] * seconds / frame["runtime"]).clip(upper=1.0))


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """Conflict fraction, and busyness with its estimate."""
    conflicts, busy = style.small_multiples(canvas, 1, 2, room=1.5)[0]
    whole = with_estimate(frame)
    drawn = style.looks(T_TASKS, "t_task {:g} s")
    style.frame_axes(
        conflicts, title="Service: conflict fraction", x="t_job of service jobs, s", y="failed per success"
    )
    style.mark_level(conflicts, 1.0, "one failure per success")
    conflicts.set_ylim(bottom=0)
    style.lines(
        conflicts, whole, x="service_t_job", y="ss_conflict_fraction", by="service_t_task", drawn=drawn
    )
    style.frame_axes(
        busy, title="Service: busyness (dashed: estimate)", x="t_job of service jobs, s", y="busyness"
    )
    busy.set_ylim(0, 1.05)
    for t_task, look in drawn.items():
        x, y = curve(chosen(whole, service_t_task=t_task), "service_t_job", "estimate")
        busy.plot(x, y, color=look.colour, lw=1.2, ls="--")
    style.lines(busy, whole, x="service_t_job", y="ss_busyness", by="service_t_task", drawn=drawn)


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Three."""
    whole = with_estimate(frame)
    quick, slow = (chosen(whole, service_t_task=t_task) for t_task in T_TASKS)
    t_jobs, conflicts = curve(quick, "service_t_job", "ss_conflict_fraction")
    found = crossing(t_jobs, conflicts, 1.0)
    there = float(t_jobs[abs(t_jobs - (found if found < float("inf") else PAPER_SECONDS)).argmin()])
    busy = at(quick, "ss_busyness", service_t_job=there)
    above = busy / at(quick, "estimate", service_t_job=there) - 1.0
    most = slow[slow["service_t_job"] <= PAPER_SECONDS].groupby("service_t_job")["ss_conflict_fraction"].mean()
    return (
        CROSSING.judged(
            reading.about(found, PAPER_SECONDS, 1.5),
            f"it passes 1.0 at t_job {number(found)} s; at 10 s it is {number(_interpolated(t_jobs, conflicts))}",
            numbers={"crossing": found, "at_10": _interpolated(t_jobs, conflicts)},
            otherwise="conflicts depend on how much of the cell turns over during a decision and how full it is; ours is "
            "60 % full with one batch scheduler at a rate of a job each 4 s, the paper's replays a real, fuller cell with "
            "placement constraints",
        ),
        COST.judged(
            0.2 <= above <= 0.6,
            f"at t_job {there:g} s busyness is {number(busy)}, {reading.percent(above)} above the estimate; conflict "
            f"fraction {number(at(quick, 'ss_conflict_fraction', service_t_job=there))}",
            numbers={"above": above, "t_job": there, "busyness": busy},
            otherwise="a repeated attempt costs a whole t_job here: each failure per success adds as much think time as "
            "the first attempt took; saturation caps it",
        ),
        SLOW_TASKS.judged(
            bool((most <= 0.2).all()) and not most.empty,
            f"with t_task 1 s the conflict fraction is {number(float(most.min()))} to {number(float(most.max()))}",
            numbers={"least": float(most.min()), "most": float(most.max())},
            otherwise="our jobs have 20 tasks on average, so that t_task = 1 s makes a decision 20 s long, and large jobs "
            "minutes; the paper's service jobs are mostly of a task or few",
        ),
    )


def _interpolated(t_jobs: reading.Floats, conflicts: reading.Floats) -> float:
    import numpy as np

    return float(np.interp(PAPER_SECONDS, t_jobs, conflicts))


FIGURE = Figure(
    name="fig12",
    items=("Fig 12",),
    title="What conflicts cost a slow scheduler",
    asks="A scheduler that thinks for long decides on an old picture of the cell. How often is its work refused, and how "
    "much busier does the repeated work make it?",
    reads="To the right, service decisions take longer per job; the two lines differ in the time per task. Left: failed "
    "transactions per successful one (above 1, most attempts fail). Right: busyness; dashed, what it would be if every "
    "job took one attempt.",
    alt="Two line charts against service decision time: conflict fraction, and busyness beside its estimate without "
    "conflicts, for time per task of 5 ms and 1 s.",
    grids=grids,
    draw=draw,
    statements=statements,
)
