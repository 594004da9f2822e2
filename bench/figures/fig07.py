"""Fig 7: two-level scheduling with offers: batch waits for what a slow service scheduler has locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omegacell.bench.figures import style
from omegacell.bench.figures.fig05_06 import MULTI, SHARED, busy, grid_of
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import at, chosen, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

OFFERS = "two_level"
CELL = "hot"
LONG = 100.0

BUSYNESS = Claim(
    item="Fig 7",
    name="batch-busyness",
    paper="With offers (Mesos), the batch scheduler is far busier than under multi-path: it tries again and "
    "again with the crumbs that it is offered.",
    test="at the longest t_job a batch job takes at least twice the attempts, each with its think time, that "
    "it takes under shared state, with every seed",
)
WAIT = Claim(
    item="Fig 7",
    name="batch-wait",
    paper="With offers, batch jobs wait for service decisions: nearly everything is locked meanwhile.",
    test="at the longest t_job, mean time in the queue (all attempts) is at least 10 times that under shared "
    "state",
)
ABANDONED = Claim(
    item="Fig 7",
    name="abandoned",
    paper="Jobs are abandoned: they reach the limit of 1,000 attempts.",
    test="at the longest t_job, jobs are given up with offers and none under multi-path",
)


def grids(effort: Effort) -> tuple[Grid, ...]:
    """Offers, beside the runs of Figs 5 and 6 in the same cell."""
    same = grid_of(CELL, effort)
    return (
        same,
        Grid(
            part=f"offers-{CELL}",
            cell=CELL,
            over={"architecture": [OFFERS], "service_t_job": same.over["service_t_job"]},
            options=same.options,
        ),
    )


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """Wait, attempts per job and abandoned jobs against t_job."""
    ((wait, attempts, abandoned),) = style.small_multiples(canvas, 1, 3)
    whole = _per_job(frame)
    drawn = {name: style.ARCHITECTURES[name] for name in (MULTI, SHARED, OFFERS)}
    for axes, metric, called in (
        (wait, "batch_wait_full_mean", "batch: mean time in the queue, s"),
        (attempts, "attempts_per_job", "attempts per batch job"),
        (abandoned, "abandoned", "jobs given up"),
    ):
        style.frame_axes(axes, title=called, x="decision time of service jobs, s", y=called.partition(":")[0])
        style.logarithmic(axes, y=metric != "attempts_per_job", floor=1e-2 if axes is wait else 1.0)
        if metric == "abandoned":
            axes.set_ylim(0, max(1.0, 1.5 * float(whole[metric].max())))
        style.lines(axes, whole, x="service_t_job", y=metric, by="architecture", drawn=drawn)
    wait.set_ylabel("seconds")


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Three, at the longest decision time that was run."""
    whole = _per_job(frame)
    longest = whole["service_t_job"].max()
    here = chosen(whole, service_t_job=longest)
    attempts = {name: at(here, "attempts_per_job", architecture=name) for name in (SHARED, OFFERS)}
    each = chosen(here, architecture=OFFERS)["attempts_per_job"]
    placing = at(here, "bs_busyness", architecture=OFFERS) / at(here, "bs_busyness", architecture=SHARED)
    waits = {name: at(here, "batch_wait_full_mean", architecture=name) for name in (MULTI, SHARED, OFFERS)}
    lost = {name: at(here, "abandoned", architecture=name) for name in (MULTI, OFFERS)}
    mild = (
        f"at t_job {longest:g} s; tasks that end free some room even while an offer is locked, so that a job "
        f"finds it after {number(attempts[OFFERS])} attempts on average, and one is given up only after more "
        "than 100 without any"
    )
    return (
        BUSYNESS.judged(
            float(each.min()) >= 2 * attempts[SHARED],
            f"{number(attempts[OFFERS])} attempts a job ({number(float(each.min()))} to "
            f"{number(float(each.max()))} by seed) against {number(attempts[SHARED])}; busyness by those that "
            f"placed anything, which is all that the metric counts, {number(placing)} times as high",
            numbers={
                "attempts_ratio": attempts[OFFERS] / attempts[SHARED],
                "attempts_least": float(each.min()),
                "attempts_most": float(each.max()),
                "busyness_ratio": placing,
            },
            otherwise="where the room that an offer holds is enough for all that wait, one attempt a job "
            "suffices: jobs then wait for the end of a decision and do not try in vain meanwhile",
        ),
        WAIT.judged(
            waits[OFFERS] >= 10 * waits[SHARED],
            f"{number(waits[OFFERS])} s with offers, {number(waits[SHARED])} s under shared state, "
            f"{number(waits[MULTI])} s with multi-path",
            numbers=waits,
            otherwise=mild,
        ),
        ABANDONED.judged(
            lost[OFFERS] > 0 and lost[MULTI] == 0,
            f"{number(lost[OFFERS])} jobs given up a run with offers, {number(lost[MULTI])} with multi-path",
            numbers=lost,
            otherwise=mild,
        ),
    )


def _per_job(frame: DataFrame) -> DataFrame:
    return busy(frame).assign(
        attempts_per_job=frame["batch_sched_attempts_total"] / frame["batch_jobs"],
        abandoned=frame["batch_jobs_abandoned"] + frame["service_jobs_abandoned"],
    )


FIGURE = Figure(
    name="fig07",
    items=("Fig 7",),
    title="Offers: what is locked while a slow scheduler thinks",
    asks="In a two-level scheduler, free resources are offered to one scheduler at a time and locked until it "
    "has decided. What does a slow service scheduler do to batch jobs?",
    reads="To the right, service decisions take longer. Left: seconds that a batch job spends in the queue "
    "over all its attempts; middle: how often a batch job is attempted (1 is ideal); right: jobs that were "
    "given up.",
    alt="Three line charts against service decision time: batch queueing time, attempts per batch job and "
    "abandoned jobs, for multi-path, shared state and two-level scheduling.",
    metrics=(
        "batch_wait_full_mean",
        "bs_busyness",
        "ms_busyness",
        "batch_sched_attempts_total",
        "batch_jobs",
        "batch_jobs_abandoned",
        "service_jobs_abandoned",
        "avg_cpu_locked",
    ),
    grids=grids,
    draw=draw,
    statements=statements,
)
