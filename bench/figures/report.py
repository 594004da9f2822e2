"""What the figures came to, as plain values: for figures.json, the command's table and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegacell.bench.figures import catalogue, runs
from omegacell.bench.figures.figure import Effort, Figure, Statement, Verdict
from omegacell.bench.figures.runs import Ran
from omegacell.bench.throughput.host import Host, this_host
from omegacell.sim import summary


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsReport:
    """One sweep of a figure. points: a mapping for each: what was varied, and each metric's mean over the seeds, with
    the ends of its 95 % interval as METRIC_low and METRIC_high; null where it does not apply, or of one seed.
    """

    part: str
    cell: str
    fingerprint: str
    over: Mapping[str, tuple[Any, ...]]
    options: Mapping[str, Any]
    config: Mapping[str, Any]
    seeds: tuple[int, ...]
    runtime_seconds: float
    file: str
    points: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureReport:
    """One figure; `picture` is its file's name, "" if there is nothing to draw."""

    name: str
    items: tuple[str, ...]
    title: str
    picture: str
    statements: tuple[Statement, ...]
    runs: tuple[RunsReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReport:
    """A row of the paper's figure table: it holds if all its statements do; `holding` of `statements` do."""

    item: str
    figure: str
    verdict: Verdict
    holding: int
    statements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresReply:
    """omega figures: each row of the paper's figure table with its verdict; the figures with statements and numbers."""

    omegacell_version: str
    numpy_version: str
    host: Host
    quick: bool
    hours: float
    seeds: int
    seconds: float
    page: str
    rows: tuple[RowReport, ...]
    figures: tuple[FigureReport, ...]


def figure_report(figure: Figure, ran: tuple[Ran, ...], *, picture: str) -> FigureReport:
    """A figure's statements judged on its runs, and its numbers."""
    return FigureReport(
        name=figure.name,
        items=figure.items,
        title=figure.title,
        picture=picture,
        statements=figure.statements(runs.whole(ran)),
        runs=tuple(_runs(one, figure.metrics) for one in ran),
    )


def rows(figures: Sequence[FigureReport]) -> tuple[RowReport, ...]:
    """The verdict on every row, in the order of the paper's table."""
    found = []
    for item in catalogue.ROWS:
        for figure in figures:
            of_row = [one for one in figure.statements if one.item == item]
            if of_row:
                found.append(_row(item, figure.name, of_row))
    return tuple(found)


def reply(
    figures: Sequence[FigureReport], effort: Effort, *, quick: bool, seconds: float, page: str
) -> FiguresReply:
    """All of it."""
    from importlib.metadata import version

    import numpy as np

    return FiguresReply(
        omegacell_version=version("omegacell"),
        numpy_version=np.__version__,
        host=this_host(),
        quick=quick,
        hours=effort.hours,
        seeds=effort.seeds,
        seconds=seconds,
        page=page,
        rows=rows(figures),
        figures=tuple(figures),
    )


def _row(item: str, figure: str, statements: Sequence[Statement]) -> RowReport:
    holding = sum(one.verdict is Verdict.HOLDS for one in statements)
    if all(one.verdict is Verdict.NOT_REPRODUCED for one in statements):
        verdict = Verdict.NOT_REPRODUCED
    else:
        verdict = Verdict.HOLDS if holding == len(statements) else Verdict.DIFFERS
    return RowReport(item=item, figure=figure, verdict=verdict, holding=holding, statements=len(statements))


def _runs(ran: Ran, metrics: tuple[str, ...]) -> RunsReport:
    grid = ran.grid
    return RunsReport(
        part=grid.part,
        cell=grid.cell,
        fingerprint=ran.fingerprint,
        over={name: tuple(values) for name, values in grid.over.items()},
        options=grid.options,
        config=grid.config,
        seeds=tuple(range(1, ran.seeds + 1)),
        runtime_seconds=float(grid.options["runtime"]),
        file=ran.file,
        points=_points(ran, metrics),
    )


def _points(ran: Ran, metrics: tuple[str, ...]) -> tuple[Mapping[str, Any], ...]:
    """In the order in which they were asked for."""
    over = list(ran.grid.over)
    there = [name for name in metrics if ran.frame[name].notna().any()]
    points: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in summary(ran.frame, over, metrics=there).to_dict("records"):
        key = tuple(row[name] for name in over)
        point = points.setdefault(key, dict(zip(over, key, strict=True)))
        metric = row["metric"]
        point |= {metric: row["mean"], f"{metric}_low": row["low"], f"{metric}_high": row["high"]}
    return tuple(points.values())
