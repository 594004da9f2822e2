"""Progress under contention, which Omega leaves open: with and without the ladder of DESIGN.md, section 6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omegacell.bench.figures import style
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import at, chosen, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

CELL = "hot"
ITEM = "Progress"
FEW = (0.1, 1.0, 3.0, 10.0)
MANY = (0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 20.0)
WITHOUT, WITH = "reference", "default"
LOOKS = {
    WITHOUT: style.Look(colour=style.RED, marker="s", called="again after 1 s"),
    WITH: style.Look(colour=style.BLUE, marker="o", called="with the ladder"),
}

CONFLICTS = Claim(
    item=ITEM,
    name="fewer-conflicts",
    paper="Ours, not the paper's: with the ladder fewer transactions fail.",
    test="the service scheduler's conflict fraction is lower at the longest t_job",
)
TIME = Claim(
    item=ITEM,
    name="placed-sooner",
    paper="Ours: with the ladder contended jobs are placed sooner.",
    test="mean time to placed of service jobs is lower at the longest t_job",
)
LOST = Claim(
    item=ITEM,
    name="no-job-lost",
    paper="Ours: with the ladder no job is given up.",
    test="no job is given up at any t_job",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """Coarse detection and gangs, four batch schedulers at four times the rate: the worst that Omega has."""
    return (
        Grid(
            part="contended",
            cell=CELL,
            over={"retry": [WITHOUT, WITH], "service_t_job": effort.points(FEW, MANY)},
            options={
                "architecture": "shared_state",
                "detection": "coarse",
                "commit": "gang",
                "batch_schedulers": 4,
                "batch_rate": 4.0,
                "runtime": effort.runtime(1 / 3),
            },
            most_seeds=3,
        ),
    )


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """Conflict fraction, time to placed and jobs given up, with and without."""
    panels = style.small_multiples(canvas, 1, 3, room=1.1)[0]
    whole = _with_lost(frame)
    for axes, metric, title, called in zip(
        panels,
        ("ss_conflict_fraction", "service_time_to_placed_mean", "not_placed"),
        ("Service: conflict fraction", "Service: time to placed", "Service jobs not placed"),
        ("failed per success", "seconds, mean of those placed", "share of those submitted"),
        strict=True,
    ):
        style.frame_axes(axes, title=title, x="t_job of service jobs, s", y=called)
        style.logarithmic(axes, y=metric != "not_placed", floor=1e-1)
        if metric == "not_placed":
            axes.set_ylim(0, max(0.05, 1.1 * float(whole[metric].max())))
        style.lines(axes, whole, x="service_t_job", y=metric, by="retry", drawn=LOOKS)


def _with_lost(frame: DataFrame) -> DataFrame:
    return frame.assign(
        not_placed=1.0 - frame["service_scheduled_fraction"],
        abandoned=frame["batch_jobs_abandoned"] + frame["service_jobs_abandoned"],
    )


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Three, none of them the paper's."""
    whole = _with_lost(frame)
    longest = float(whole["service_t_job"].max())
    here = chosen(whole, service_t_job=longest)
    conflicts = {name: at(here, "ss_conflict_fraction", retry=name) for name in (WITHOUT, WITH)}
    seconds = {name: at(here, "service_time_to_placed_mean", retry=name) for name in (WITHOUT, WITH)}
    not_placed = {name: at(here, "not_placed", retry=name) for name in (WITHOUT, WITH)}
    lost = {name: float(chosen(whole, retry=name)["abandoned"].sum()) for name in (WITHOUT, WITH)}
    return (
        CONFLICTS.judged(
            conflicts[WITH] < conflicts[WITHOUT],
            f"{number(conflicts[WITHOUT])} without, {number(conflicts[WITH])} with, at t_job {longest:g} s; not placed by "
            f"the end {100 * not_placed[WITHOUT]:.1f} % and {100 * not_placed[WITH]:.1f} % of the service jobs",
            numbers=conflicts | {f"not_placed_{name}": one for name, one in not_placed.items()},
            otherwise="jobs that conflicted are tried again at once rather than after 1 s, and several in a transaction",
        ),
        TIME.judged(
            seconds[WITH] < seconds[WITHOUT],
            f"{number(seconds[WITHOUT])} s without, {number(seconds[WITH])} s with, at t_job {longest:g} s",
            numbers=seconds,
            otherwise="the mean is over the jobs that were placed: without the ladder those are the easy ones",
        ),
        LOST.judged(
            lost[WITH] == 0,
            f"given up in all runs: {number(lost[WITHOUT])} without, {number(lost[WITH])} with",
            numbers=lost,
            otherwise="the ladder's bound holds only as long as there is room",
        ),
    )


FIGURE = Figure(
    name="progress",
    items=(ITEM,),
    title="Progress under contention",
    asks="A large job that must be placed whole, by a slow scheduler beside four fast ones, under the strictest conflict "
    "rule, may lose its race for ever. Omega leaves that open. Do our measures against it help?",
    reads="To the right, service decisions take longer, so that more changes meanwhile. Red: a job that conflicted is tried "
    "again after 1 s, as in the paper's simulator. Blue: losers first, smaller transactions, a wider choice and, after "
    "three conflicts, claims that name other machines as well.",
    alt="Three line charts against service decision time, with and without the ladder: conflict fraction, time to placed, "
    "and share of service jobs not placed.",
    grids=grids,
    draw=draw,
    statements=statements,
)
