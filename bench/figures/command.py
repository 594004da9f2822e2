"""`omega figures`: the Omega paper's evaluation on our cells, as pictures, numbers and one page."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from omegacell.bench.figures import catalogue, page, report, runs, style
from omegacell.bench.figures.figure import FULL, QUICK, Effort, Figure
from omegacell.bench.figures.report import FigureReport, FiguresReply
from omegacell.bench.figures.runs import Ran
from omegacell.cellstate.errors import OmegaError, SpecInvalid
from omegacell.cli import options, output

REPLIES = {"": FiguresReply}
"""What --json holds; `omega schema` reads it."""

app = typer.Typer()


@app.command(name="figures")
def figures(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Page, pictures, numbers and runs go here.")],
    quick: Annotated[bool, typer.Option(help="Fewer points, one seed, shorter runs.")] = False,
    only: Annotated[str, typer.Option(metavar="fig07,...", help="These figures alone.")] = "",
    hours: Annotated[float, typer.Option(min=0.0, help="Of virtual time a run; 0: as the set has it.")] = 0.0,
    seeds: Annotated[int, typer.Option(min=0, help="Runs of each point; 0: as the set has it.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Run the Omega paper's evaluation in virtual time, and say which of its statements hold here.

    omega figures --out figures --quick. DIR gets index.html, a PNG for each figure, figures.json with all numbers and
    verdicts, and runs/, from which the same command goes on if it was interrupted.
    """
    chosen = catalogue.named(only)
    _required()
    effort = _effort(quick=quick, hours=hours, seeds=seeds)
    _folder(out)
    began = time.monotonic()
    done = _made(chosen, effort, out)
    pictures = {one.name: (out / one.picture).read_bytes() for one in done if one.picture}
    reply = report.reply(
        done,
        effort,
        quick=quick,
        seconds=time.monotonic() - began,
        page=str(out / "index.html"),
    )
    (out / "index.html").write_text(page.page(reply, chosen, pictures), encoding="utf-8")
    with (out / "figures.json").open("w", encoding="utf-8") as numbers, redirect_stdout(numbers):
        output.emit(reply)
    if as_json:
        output.emit(reply)
    else:
        _show(reply)


def _made(chosen: Sequence[Figure], effort: Effort, out: Path) -> tuple[FigureReport, ...]:
    """Each figure run, drawn and judged; runs that several need are made once."""
    grids = {grid.part: grid for figure in chosen for grid in figure.grids(effort)}
    ran: dict[str, Ran] = {}
    for at, (part, grid) in enumerate(grids.items(), start=1):
        print(f"{part}, sweep {at} of {len(grids)}", file=sys.stderr, flush=True)
        ran[part] = runs.run(grid, effort, out / "runs")
    made = []
    for figure in chosen:
        of_figure = tuple(ran[grid.part] for grid in figure.grids(effort))
        made.append(
            report.figure_report(
                figure, of_figure, picture=_drawn(figure, of_figure, out) if of_figure else ""
            )
        )
    return tuple(made)


def _drawn(figure: Figure, ran: tuple[Ran, ...], out: Path) -> str:
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas()
    figure.draw(runs.whole(ran), canvas)
    name = f"{figure.name}.png"
    (out / name).write_bytes(style.png(canvas))
    return name


def _effort(*, quick: bool, hours: float, seeds: int) -> Effort:
    effort = QUICK if quick else FULL
    return replace(effort, hours=hours or effort.hours, seeds=seeds or effort.seeds)


def _folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpecInvalid(
            f"--out {out} is no folder that can be made: {error.strerror}; name another"
        ) from error


def _required() -> None:
    """OmegaError if what is needed for frames and pictures is not installed."""
    from importlib.util import find_spec

    for name in ("pandas", "matplotlib"):
        if find_spec(name) is None:
            raise OmegaError(
                f"{name} is not installed, which figures need: pip install 'omegacell[research]'"
            )


def _show(reply: FiguresReply) -> None:
    """The verdicts, a line each, and where the page is."""
    output.table(
        ["ROW", "STATEMENT", "VERDICT", "SEEN"],
        [
            (one.item, one.name, one.verdict, one.seen or one.reason)
            for row in reply.rows
            for figure in reply.figures
            if figure.name == row.figure
            for one in figure.statements
            if one.item == row.item
        ],
    )
    print(f"\n{reply.page}")
