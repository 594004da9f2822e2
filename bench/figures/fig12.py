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
MANY = (0.1, 1.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0)
BUSY_FEW, BUSY_MANY = (3.0, 10.0, 20.0), (1.0, 3.0, 7.0, 10.0, 15.0, 20.0)
T_TASKS = (0.005, 1.0)
CALM, BUSY = f"service-decision-{CELL}", f"service-decision-{CELL}-busy"
BUSY_RATE, BUSY_SCHEDULERS = 8.0, 4
"""The same cell with so many times the batch jobs, and schedulers for them: how the crossing moves with load."""
PAPER_SECONDS = 10.0
MEAN_TASKS = 20.504
"""Of a service job: the mean of ceil(exponential of mean 20) is 1 / (1 - exp(-1/20))."""

CROSSING = Claim(
    item="Fig 12",
    name="conflicts-pass-one",
    paper="The conflict fraction passes 1.0 at about t_job = 10 s (cluster B, high fidelity).",
    test="the t_job at which the service scheduler's conflict fraction passes 1.0 is within a factor of 1.5 "
    "of 10 s",
)
COST = Claim(
    item="Fig 12",
    name="cost-of-conflicts",
    paper="There, busyness is about 40 % above the estimate without conflicts.",
    test="where the conflict fraction passes 1.0, or at t_job = 10 s if it never does, busyness is 20 to 60 % "
    "above the think time of one attempt a job",
)
SLOW_TASKS = Claim(
    item="Fig 12",
    name="slow-per-task",
    paper="With t_task = 1 s the conflict fraction is at most 0.2.",
    test="at every swept t_job up to 10 s the conflict fraction with t_task = 1 s is at most 0.2",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """Two values of t_task; and one of them with many more batch jobs, in shorter runs, as those are dear."""
    return (
        Grid(
            part=CALM,
            cell=CELL,
            over={"service_t_task": list(T_TASKS), "service_t_job": effort.points(FEW, MANY)},
            options={"architecture": "shared_state", "runtime": effort.runtime()},
        ),
        Grid(
            part=BUSY,
            cell=CELL,
            over={"service_t_task": list(T_TASKS[:1]), "service_t_job": effort.points(BUSY_FEW, BUSY_MANY)},
            options={
                "architecture": "shared_state",
                "batch_rate": BUSY_RATE,
                "batch_schedulers": BUSY_SCHEDULERS,
                "runtime": effort.runtime(1 / 4),
            },
        ),
    )


def with_estimate(frame: DataFrame) -> DataFrame:
    """`estimate`: busyness if every service job took one attempt, at most 1; `line`: the name of its line."""
    seconds = frame["service_t_job"] + MEAN_TASKS * frame["service_t_task"]
    estimate = (frame["service_jobs"] * seconds / frame["runtime"]).clip(upper=1.0)
    lines = [
        f"t_task {t_task:g} s" + (f", {BUSY_RATE:g} x batch jobs" if part == BUSY else "")
        for part, t_task in zip(frame["part"], frame["service_t_task"], strict=True)
    ]
    return frame.assign(estimate=estimate, line=lines)


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """Conflict fraction, and busyness with its estimate."""
    conflicts, busy = style.small_multiples(canvas, 1, 2, room=1.5)[0]
    whole = with_estimate(frame)
    drawn = style.looks(list(dict.fromkeys(whole["line"])))
    style.frame_axes(
        conflicts, title="Service: conflict fraction", x="t_job of service jobs, s", y="failed per success"
    )
    style.mark_level(conflicts, 1.0, "one failure per success")
    style.lines(conflicts, whole, x="service_t_job", y="ss_conflict_fraction", by="line", drawn=drawn)
    style.frame_axes(
        busy, title="Service: busyness (dashed: estimate)", x="t_job of service jobs, s", y="busyness"
    )
    busy.set_ylim(0, 1.05)
    for line, look in drawn.items():
        x, y = curve(chosen(whole, line=line), "service_t_job", "estimate")
        busy.plot(x, y, color=look.colour, lw=1.2, ls="--")
    style.lines(busy, whole, x="service_t_job", y="ss_busyness", by="line", drawn=drawn)


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Three."""
    whole = with_estimate(frame)
    quick, slow = (chosen(whole, part=CALM, service_t_task=t_task) for t_task in T_TASKS)
    loaded = chosen(whole, part=BUSY)
    loaded_found = crossing(*curve(loaded, "service_t_job", "ss_conflict_fraction"), 1.0)
    t_jobs, conflicts = curve(quick, "service_t_job", "ss_conflict_fraction")
    found = crossing(t_jobs, conflicts, 1.0)
    there, loaded_there = _nearest(quick, found), _nearest(loaded, loaded_found)
    busy, above = at(quick, "ss_busyness", service_t_job=there), _above(quick, there)
    most = (
        slow[slow["service_t_job"] <= PAPER_SECONDS].groupby("service_t_job")["ss_conflict_fraction"].mean()
    )
    return (
        CROSSING.judged(
            reading.about(found, PAPER_SECONDS, 1.5),
            f"it passes 1.0 {reading.reached(found, 's')}; at 10 s it is "
            f"{number(_interpolated(t_jobs, conflicts))}; with {BUSY_RATE:g} times the batch jobs it passes "
            f"1.0 {reading.reached(loaded_found, 's')}",
            numbers={
                "crossing": found,
                "at_10": _interpolated(t_jobs, conflicts),
                "crossing_busy": loaded_found,
            },
            otherwise="conflicts depend on how much of the cell is claimed during a decision and how full it "
            "is; ours is 60 % full with one batch job each 4 s, the paper's replays a real cell with "
            "placement constraints",
        ),
        COST.judged(
            0.2 <= above <= 0.6,
            f"at t_job {there:g} s busyness is {number(busy)}, {reading.percent(above)} above the estimate; "
            f"conflict fraction {number(at(quick, 'ss_conflict_fraction', service_t_job=there))}; with "
            f"{BUSY_RATE:g} times the batch jobs {reading.percent(_above(loaded, loaded_there))} above at "
            f"{loaded_there:g} s",
            numbers={
                "above": above,
                "t_job": there,
                "busyness": busy,
                "above_busy": _above(loaded, loaded_there),
            },
            otherwise="a failed attempt costs a whole t_job again here, so that the excess is about the "
            "conflict fraction, until the scheduler is saturated",
        ),
        SLOW_TASKS.judged(
            bool((most <= 0.2).all()) and not most.empty,
            f"with t_task 1 s the conflict fraction is {number(float(most.min()))} to "
            f"{number(float(most.max()))}",
            numbers={"least": float(most.min()), "most": float(most.max())},
            otherwise="our service jobs have 20 tasks on average, so that t_task = 1 s makes a decision 20 s "
            "longer, and that of a large job minutes",
        ),
    )


def _nearest(frame: DataFrame, found: float) -> float:
    """The swept t_job nearest to where conflicts pass 1.0, or to 10 s if they never do."""
    wanted = found if found < float("inf") else PAPER_SECONDS
    return min((float(t_job) for t_job in frame["service_t_job"]), key=lambda t_job: abs(t_job - wanted))


def _above(frame: DataFrame, t_job: float) -> float:
    return at(frame, "ss_busyness", service_t_job=t_job) / at(frame, "estimate", service_t_job=t_job) - 1.0


def _interpolated(t_jobs: reading.Floats, conflicts: reading.Floats) -> float:
    import numpy as np

    return float(np.interp(PAPER_SECONDS, t_jobs, conflicts))


FIGURE = Figure(
    name="fig12",
    items=("Fig 12",),
    title="What conflicts cost a slow scheduler",
    asks="A scheduler that thinks for long decides on an old picture of the cell. How often is its work "
    "refused, and how much busier does the repeated work make it?",
    reads="To the right, service decisions take longer per job; two lines differ in the time per task, the "
    "third has more batch jobs beside. Left: failed transactions per successful one (above 1, most attempts "
    "fail). Right: busyness; dashed, what it would be if every job took one attempt.",
    alt="Two line charts against service decision time: conflict fraction, and busyness beside its estimate "
    "without conflicts, for time per task of 5 ms and 1 s, and for 8 times the batch jobs.",
    metrics=("ss_conflict_fraction", "ss_busyness", "ss_busyness_wasted", "service_wait_first_mean"),
    grids=grids,
    draw=draw,
    statements=statements,
)
