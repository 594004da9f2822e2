"""Progress under contention, which Omega leaves open: with and without the ladder of DESIGN.md, section 6."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from omegacell.bench.figures import style
from omegacell.bench.figures.figure import Claim, Effort, Figure, Grid, Statement
from omegacell.bench.figures.reading import at, chosen, number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

CELL = "hot"
ITEM = "Progress"
FEW = (0.1, 1.0, 3.0, 10.0)
MANY = (0.1, 0.3, 1.0, 3.0, 5.0, 10.0)

PAPERS, WITHOUT, WITH = "contended-again-after-1s", "contended-without-ladder", "contended-with-ladder"
RUNGS_OFF: Mapping[str, Any] = MappingProxyType(
    {"losers_first": False, "widen": False, "split": False, "alternatives_after_conflicts": 0}
)
"""The fields of SchedulerConfig that are the ladder's rungs, off. What was touched is read again in every preset."""
VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {PAPERS: ("reference", {}), WITHOUT: ("default", RUNGS_OFF), WITH: ("default", {})}
)
LOOKS = {
    PAPERS: style.Look(colour=style.ORANGE, marker="D", called="again after 1 s"),
    WITHOUT: style.Look(colour=style.RED, marker="s", called="at once, no ladder"),
    WITH: style.Look(colour=style.BLUE, marker="o", called="with the ladder"),
}

CONFLICTS = Claim(
    item=ITEM,
    name="fewer-conflicts",
    paper="Ours, not the paper's: with the ladder fewer transactions fail.",
    test="the service scheduler's conflict fraction is lower than without at every t_job at which that is "
    "0.5 or more, and there is one",
)
TIME = Claim(
    item=ITEM,
    name="placed-sooner",
    paper="Ours: with the ladder contended jobs are placed sooner.",
    test="at the longest t_job, mean time to placed of service jobs is lower, and no fewer of them are placed",
)
BOUND = Claim(
    item=ITEM,
    name="bounded-attempts",
    paper="Ours: after 3 conflicts in a row claims name other machines as well, so that no job loses its race "
    "for ever.",
    test="with the ladder no job is given up and service jobs take no more than 4 attempts on average, at "
    "every t_job",
)
CONTENDED = 0.5
"""Conflict fraction from which there is contention to speak of."""
MOST_ATTEMPTS = 4.0
"""Three conflicts, and the attempt with alternatives."""


def grids(effort: Effort) -> tuple[Grid, ...]:
    """Coarse detection and gangs, four batch schedulers at four times the rate: the worst that Omega has."""
    return tuple(
        Grid(
            part=part,
            cell=CELL,
            over={"service_t_job": effort.points(FEW, MANY)},
            options={
                "architecture": "shared_state",
                "detection": "coarse",
                "commit": "gang",
                "batch_schedulers": 4,
                "batch_rate": 4.0,
                "retry": retry,
                "runtime": effort.runtime(1 / 3),
            },
            config=config,
        )
        for part, (retry, config) in VARIANTS.items()
    )


def draw(frame: DataFrame, canvas: Canvas) -> None:
    """Conflict fraction, time to placed, attempts per job and jobs not placed, a line for each variant."""
    panels = style.small_multiples(canvas, 2, 2, room=1.3)
    whole = _per_job(frame)
    for axes, metric, title, called in zip(
        (*panels[0], *panels[1]),
        ("ss_conflict_fraction", "service_time_to_placed_mean", "attempts_per_job", "not_placed"),
        (
            "Service: conflict fraction",
            "Service: time to placed",
            "Service: attempts per job",
            "Service jobs not placed",
        ),
        ("failed per success", "seconds, mean of those placed", "attempts", "share of those submitted"),
        strict=True,
    ):
        style.frame_axes(axes, title=title, x="t_job of service jobs, s", y=called)
        style.logarithmic(axes, y=metric != "not_placed", floor=1.0 if metric == "attempts_per_job" else 1e-1)
        if metric == "not_placed":
            axes.set_ylim(0, max(0.05, 1.1 * float(whole[metric].max())))
        style.lines(axes, whole, x="service_t_job", y=metric, by="part", drawn=LOOKS)


def _per_job(frame: DataFrame) -> DataFrame:
    return frame.assign(
        not_placed=1.0 - frame["service_scheduled_fraction"],
        attempts_per_job=frame["service_sched_attempts_total"] / frame["service_jobs"],
        abandoned=frame["batch_jobs_abandoned"] + frame["service_jobs_abandoned"],
    )


def statements(frame: DataFrame) -> tuple[Statement, ...]:
    """Three, none of them the paper's."""
    whole = _per_job(frame)
    longest = float(whole["service_t_job"].max())
    here = chosen(whole, service_t_job=longest)
    conflicts = {name: at(here, "ss_conflict_fraction", part=name) for name in VARIANTS}
    seconds = {name: at(here, "service_time_to_placed_mean", part=name) for name in VARIANTS}
    not_placed = {name: at(here, "not_placed", part=name) for name in VARIANTS}
    lost = {name: float(chosen(whole, part=name)["abandoned"].sum()) for name in VARIANTS}
    contended = [
        (
            at(whole, "ss_conflict_fraction", part=WITHOUT, service_t_job=t_job),
            at(whole, "ss_conflict_fraction", part=WITH, service_t_job=t_job),
        )
        for t_job in whole["service_t_job"].unique()
    ]
    fewer = [with_ < without for without, with_ in contended if without >= CONTENDED]
    attempts = {
        name: float(chosen(whole, part=name).groupby("service_t_job")["attempts_per_job"].mean().max())
        for name in VARIANTS
    }
    return (
        CONFLICTS.judged(
            bool(fewer) and all(fewer),
            f"lower at {sum(fewer)} of {len(fewer)} contended decision times; at t_job {longest:g} s "
            f"{number(conflicts[WITHOUT])} without, {number(conflicts[WITH])} with, and "
            f"{number(conflicts[PAPERS])} if tried again after 1 s as in the paper's simulator",
            numbers=conflicts | {"points_lower": sum(fewer), "points": len(fewer)},
            otherwise="there was too little contention for the ladder to matter, or too few seeds",
        ),
        TIME.judged(
            (not seconds[WITH] >= seconds[WITHOUT] and not_placed[WITH] <= not_placed[WITHOUT] < 1.0)
            or not_placed[WITH] < not_placed[WITHOUT] == 1.0,
            f"at t_job {longest:g} s {number(seconds[WITHOUT])} s without, {number(seconds[WITH])} s with, "
            f"{number(seconds[PAPERS])} s after 1 s; not placed by the end {percent(not_placed[WITHOUT])}, "
            f"{percent(not_placed[WITH])} and {percent(not_placed[PAPERS])} of the service jobs",
            numbers=seconds | {f"not_placed_{name}": one for name, one in not_placed.items()},
            otherwise="the mean is over the jobs that were placed: without the ladder those are the easy ones",
        ),
        BOUND.judged(
            lost[WITH] == 0 and attempts[WITH] <= MOST_ATTEMPTS,
            f"at most {number(attempts[WITH])} attempts a service job with the ladder, "
            f"{number(attempts[WITHOUT])} without, {number(attempts[PAPERS])} after 1 s; jobs given up in all "
            f"runs: {number(lost[WITH])}, {number(lost[WITHOUT])} and {number(lost[PAPERS])}",
            numbers=attempts | {f"given_up_{name}": one for name, one in lost.items()},
            otherwise="the bound holds only while there is room for the whole gang: attempts that find none "
            "count here as well, and reservations, which are for those, are not simulated",
        ),
    )


FIGURE = Figure(
    name="progress",
    items=(ITEM,),
    title="Progress under contention",
    asks="A large job that must be placed whole, by a slow scheduler beside four fast ones, under the "
    "strictest conflict rule, may lose its race for ever. Omega leaves that open. Does our ladder of measures "
    "against it help?",
    reads="To the right, service decisions take longer, so that more changes meanwhile. Orange: a job that "
    "conflicted is tried again after 1 s, as in the paper's simulator. Red: at once, several jobs in a "
    "transaction. Blue: the same with the ladder: losers first, a wider choice among machines, smaller "
    "transactions where a job need not be placed whole, and after three conflicts in a row claims that name "
    "other machines as well. The ladder's reservations for large gangs that find no room, and preemption, "
    "exist live only: the simulator has neither, so the blue line is without them.",
    alt="Four line charts against service decision time for three ways to try again: conflict fraction, time "
    "to placed, attempts per job, and share of service jobs not placed.",
    metrics=(
        "ss_conflict_fraction",
        "service_time_to_placed_mean",
        "service_time_to_placed_p90",
        "service_scheduled_fraction",
        "service_jobs",
        "service_sched_attempts_total",
        "ss_no_resources_attempts",
        "service_jobs_abandoned",
        "ss_busyness",
        "bs_conflict_fraction",
    ),
    grids=grids,
    draw=draw,
    statements=statements,
)
