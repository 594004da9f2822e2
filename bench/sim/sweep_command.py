"""`omega sweep`: a grid of runs in virtual time, as a table, a file and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omegacell.bench.sim import frames, plot, shorthand
from omegacell.bench.sim.result import METRICS
from omegacell.bench.sim.sweep import sweep as swept
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cli import options as shared
from omegacell.cli import output

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReply:
    """omega sweep: a row per point and seed, with the values of `over`, the seed, and every metric, null where it
    does not apply.
    """

    omegacell_version: str
    numpy_version: str
    scenario: str
    fingerprint: str
    over: tuple[str, ...]
    out: str
    rows: tuple[Mapping[str, Any], ...]


REPLIES = {"": SweepReply}
"""What --json holds; `omega schema` reads it."""

SHOWN = ("bs_conflict_fraction", "ss_conflict_fraction", "bs_busyness", "ss_busyness", "ms_busyness")
"""What the table has if no --metric is given."""

app = typer.Typer()


@app.command(name="sweep")
@shorthand.with_options
def sweep(
    scenario: shorthand.Named = "",
    *,
    cell: shorthand.Cell = "",
    policy: shorthand.Policy = "",
    over: Annotated[
        list[str], typer.Option(metavar="NAME=VALUE,...", help="An option, and its values; may be repeated.")
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each point, with the seeds 1, 2, ...")] = 5,
    out: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="A .parquet or .csv file, or a folder; goes on if it was interrupted."
        ),
    ] = "",
    processes: Annotated[int, typer.Option(min=0, help="0: one for each core.")] = 0,
    metric: Annotated[list[str] | None, typer.Option(help="Shown in the table; may be repeated.")] = None,
    plot_file: Annotated[
        str, typer.Option("--plot", metavar="FILE", help="A picture (.png, .svg, .pdf) of --y over --x.")
    ] = "",
    x: Annotated[str, typer.Option(help="What the plot is over; the last --over if not given.")] = "",
    y: Annotated[str, typer.Option(help="The metric of the plot.")] = "ss_conflict_fraction",
    as_json: shared.AsJson = False,
    **options: str,
) -> None:
    """Run every combination of values in virtual time, each with the same seeds, on all cores.

    omega sweep --over service_t_job=0.1,1,10 --over detection=fine,coarse --seeds 5 --out sweep.parquet
    """
    axes = _axes(over)
    shown = list(metric or ())
    for name in (*shown, y):
        if name not in METRICS:
            raise SpecInvalid(f"metric {name!r} is unknown; docs/simulating.md has them all")
    if x and x not in axes:
        raise SpecInvalid(f"--x {x}: it is not swept over; expected one of {', '.join(axes)}")
    frame = swept(
        shorthand.chosen(scenario, cell),
        over=axes,
        seeds=seeds,
        policy=policy or None,
        processes=processes or None,
        out=out or None,
        **shorthand.given(options),
    )
    if plot_file:
        plot.plot(frame, plot_file, x=x or list(axes)[-1], y=y)
    if as_json:
        output.emit(_reply(frame, out))
    else:
        _show(frame, shown)


def _axes(over: Sequence[str]) -> dict[str, list[Any]]:
    axes: dict[str, list[Any]] = {}
    for one in over:
        name, _, values = one.partition("=")
        name = name.replace("-", "_")
        if not values:
            raise SpecInvalid(f"--over {one!r} has no values; write NAME=VALUE,VALUE ...")
        if name in axes:
            raise SpecInvalid(f"--over {name} is there twice; write all its values after one =")
        axes[name] = [shorthand.value(text) for text in values.split(",")]
    return axes


def _reply(frame: pd.DataFrame, out: str) -> SweepReply:
    head = frame.attrs
    return SweepReply(
        omegacell_version=head["omegacell_version"],
        numpy_version=head["numpy_version"],
        scenario=head["scenario"],
        fingerprint=head["fingerprint"],
        over=tuple(head["over"].split(",")),
        out=str(Path(out)) if out else "",
        rows=tuple({str(name): value for name, value in row.items()} for row in frame.to_dict("records")),
    )


def _show(frame: pd.DataFrame, shown: Sequence[str]) -> None:
    """The means and their 95 % intervals, a line a point."""
    axes = frame.attrs["over"].split(",")
    chosen = list(shown) or [name for name in SHOWN if frame[name].notna().any()]
    lines: dict[tuple[Any, ...], list[str]] = {}
    for row in frames.summary(frame, axes, metrics=chosen).to_dict("records"):
        interval = f" ±{row['high'] - row['mean']:.2g}" if row["high"] == row["high"] else ""
        line = lines.setdefault(tuple(row[name] for name in axes), [])
        line.append(f"{row['mean']:.4g}{interval}" if row["n"] else "-")
    output.table([*axes, *chosen], [(*key, *line) for key, line in lines.items()], right=chosen)
