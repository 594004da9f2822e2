"""What the page says in words: what the reader must know, and numbers made into sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from omegacell.bench.figures.figure import Verdict
from omegacell.bench.figures.reading import number
from omegacell.bench.figures.report import FiguresReply, RowReport, RunsReport
from omegacell.sim import scenario_of

TITLE = "Omega's evaluation, run again in virtual time"

INTRODUCTION = (
    "A cluster scheduler decides which machine runs which task. In 2013 a paper described Omega, Google's "
    "design in which several schedulers work at once on one shared picture of the cluster, each as if it were "
    "alone, and settle what collides when they commit (Schwarzkopf and others, “Omega: flexible, scalable "
    "schedulers for large compute clusters”, EuroSys 2013). Its evaluation compares that with other designs, "
    "mostly in simulation, on Google's own workloads.",
    "This page asks the same questions of omegacell, with the code that schedules real machines driven in "
    "virtual time. The workloads are synthetic: of the size and rates of a public trace, but not Google's. So "
    "what carries over is the direction and the shape of an effect; a number that depends on how full and how "
    "busy a cell is need not, and where it does not, the page says so. Each statement of the paper has a test "
    "with fixed thresholds, which decides whether it holds; all numbers below are of the runs of this page.",
)

WORDS: Sequence[tuple[str, str]] = (
    ("job, task", "A job is a number of equal tasks; a task takes a part of one machine for a time."),
    (
        "batch, service",
        "Batch jobs are many and short; service jobs are few and long, and worth more thought about where "
        "they go.",
    ),
    (
        "decision time, think time",
        "How long a scheduler thinks about an attempt at a job: t_job + t_task x (tasks still unplaced). If "
        "not varied, t_job is 0.1 s and t_task 5 ms.",
    ),
    (
        "transaction, conflict",
        "A scheduler decides on a picture of the cell from before it thought, and commits its placements at "
        "once, as a transaction. Where another has taken the room meanwhile, there is a conflict, the "
        "placement is refused, and the job is tried again after 1 s.",
    ),
    (
        "conflict fraction",
        "Transactions with a conflict for each one without. 0.1: one in ten that succeed had to be repeated; "
        "1: every success costs a failure. It may exceed 1.",
    ),
    (
        "busyness",
        "The share of time that a scheduler thinks, for good or in vain. At 1 it is saturated: its queue "
        "grows. An attempt that found no room at all counts as neither.",
    ),
    ("wait", "From a job's submission to the start of its first attempt. The paper's objective is 30 s."),
    (
        "fine, coarse",
        "How a conflict is detected: a placement no longer fits (fine), or anything was placed on its machine "
        "meanwhile (coarse).",
    ),
    (
        "incremental, all or nothing, gang",
        "What is kept of a transaction with a conflict: what did not conflict; nothing; nothing, and nothing "
        "either if not all tasks of the job found room.",
    ),
    (
        "monolithic, single-path or multi-path",
        "One scheduler for everything, with one decision time for all jobs, or a short one for batch jobs.",
    ),
    ("statically partitioned", "Each scheduler has machines of its own."),
    (
        "two-level, offers",
        "What is free is offered to one scheduler at a time, and locked until it has decided (as Mesos does).",
    ),
    ("shared state", "Omega: all schedulers see everything, and conflicts are settled at the commit."),
    (
        "shared state, partly synchronised",
        "Each scheduler's picture of a part of the cell is fresh, of the others older (ParSync, 2021).",
    ),
    (
        "how numbers are read",
        "Lines are means over seeds, the shade around them reaches from the least to the most. ± is the "
        "half-width of the 95 % interval of the mean. Seeds are the same at every point, so that all designs "
        "get the same jobs.",
    ),
)

CELLS = (
    "A cell is the machines that are scheduled as one. All machines have 4 CPUs and 16 GB; a part is taken "
    "from the start, for ever. Gaps between jobs, tasks of a job and durations are exponential with these "
    "means."
)
_NAMES = ("hot", "clike", "example")


def cells() -> tuple[Sequence[str], list[Sequence[str]]]:
    """The reference cells as a table: headings and lines."""
    lines: list[Sequence[str]] = []
    for name in _NAMES:
        scenario = scenario_of(name)
        capacity = scenario.cell.machines * scenario.cell.cpu
        taken = sum(part.tasks * part.cpu for part in scenario.cell.filled)
        line = [name, f"{scenario.cell.machines:,}", f"{taken / capacity:.0%}"]
        for workload in scenario.workload:
            mean = workload.model_dump()
            line.append(
                f"every {mean['gap_seconds']:g} s, {mean['tasks']:g} tasks of {mean['cpu'] / 1000:g} CPU for "
                f"{mean['duration_seconds']:,g} s"
            )
        lines.append(line)
    return ("cell", "machines", "CPUs taken from the start", "batch jobs", "service jobs"), lines


def effort(reply: FiguresReply) -> str:
    """What was run, how long, and on what."""
    seeds = "one seed" if reply.seeds == 1 else f"{reply.seeds} seeds"
    size = "A quick set" if reply.quick else "The full set"
    return (
        f"{size}: {reply.hours:g} hours of virtual time at most, {seeds}, {reply.host.cpus} cores; the command "
        f"took {reply.seconds / 60:.1f} minutes, without the runs that were there from before. omegacell "
        f"{reply.omegacell_version}, NumPy {reply.numpy_version}."
    )


def tally(reply: FiguresReply) -> str:
    """How many rows and statements hold."""
    statements = [one for figure in reply.figures for one in figure.statements]
    parts = [
        f"{sum(one.verdict is verdict for one in statements)} {called}"
        for verdict, called in (
            (Verdict.HOLDS, "hold"),
            (Verdict.DIFFERS, "do not hold"),
            (Verdict.NOT_REPRODUCED, "are not reproduced"),
        )
    ]
    return (
        f"Of {len(statements)} statements in {len(reply.rows)} rows {', '.join(parts[:2])}, and {parts[2]}."
    )


def counted(row: RowReport) -> str:
    """How many of a row's statements hold."""
    return f"{row.holding} of {row.statements}"


def ran(runs: RunsReport) -> str:
    """One sweep as a sentence."""
    varied = "; ".join(f"{name} {', '.join(map(_told, values))}" for name, values in runs.over.items())
    fixed = {**runs.options, **runs.config}
    told = ", ".join(f"{name} {_told(value)}" for name, value in fixed.items() if name != "runtime")
    seeds = f"seed {runs.seeds[0]}" if len(runs.seeds) == 1 else f"seeds {runs.seeds[0]} to {runs.seeds[-1]}"
    return (
        f"Cell {runs.cell}{', ' if told else ''}{told}, over {varied}: {len(runs.points)} points, {seeds}, "
        f"{runs.runtime_seconds / 3600:g} h each."
    )


def _told(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def mean(point: Mapping[str, Any], metric: str) -> str:
    """A mean, with the half-width of its interval if there is one."""
    value, high = float(point[metric]), float(point[f"{metric}_high"])
    return number(value) if math.isnan(high) else f"{number(value)} ± {number(high - value)}"


def called(name: str) -> str:
    """A number's name, for people."""
    return name.replace("_", " ")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    whole = text.strip()
    if not whole:
        return ""
    return whole[0].upper() + whole[1:] + ("" if whole.endswith((".", "?")) else ".")
