"""How all pictures look: colours that colour-blind readers tell apart, a marker for each, labels at the lines' ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from omegacell.bench.figures.reading import chosen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

INK = "#333333"
FAINT = "#888888"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one thing is drawn in every picture: colour, marker, and what it is called."""

    colour: str
    marker: str
    called: str


# Colours: Okabe and Ito, "Color universal design", 2008; without its yellow, which is too faint for a line.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
)
_CYCLE = tuple(zip((BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK), "os^Dv<P", strict=True))

ARCHITECTURES: Mapping[str, Look] = {
    "monolithic_single": Look(colour=RED, marker="s", called="monolithic, single-path"),
    "monolithic_multi": Look(colour=ORANGE, marker="D", called="monolithic, multi-path"),
    "partitioned": Look(colour=PURPLE, marker="v", called="statically partitioned"),
    "two_level": Look(colour=GREEN, marker="^", called="two-level (offers)"),
    "shared_state": Look(colour=BLUE, marker="o", called="shared state"),
    "parsync": Look(colour=SKY, marker="<", called="shared state, partly synchronised"),
}
CELLS: Mapping[str, Look] = {
    "hot": Look(colour=BLUE, marker="o", called="hot"),
    "example": Look(colour=RED, marker="s", called="example"),
    "clike": Look(colour=GREEN, marker="^", called="clike"),
}


def looks(names: Sequence[Any], called: str = "{}") -> dict[Any, Look]:
    """One for each, in the order of the palette."""
    return {
        name: Look(colour=colour, marker=marker, called=called.format(name))
        for name, (colour, marker) in zip(names, _CYCLE, strict=False)
    }


def lines(axes: Axes, frame: DataFrame, *, x: str, y: str, by: str, drawn: Mapping[Any, Look]) -> None:
    """One line for each value of `by`: means over seeds, shaded from the least seed to the most, with its name."""
    ends: list[tuple[str, float, str]] = []
    for name, look in drawn.items():
        seeds = chosen(frame, **{by: name}).groupby(x, sort=True)[y]
        means = seeds.mean().replace(np.inf, np.nan).dropna()
        if means.empty:
            continue
        at = means.index.to_numpy()
        axes.plot(at, means.to_numpy(), color=look.colour, marker=look.marker, ms=4, lw=1.6)
        axes.fill_between(
            at,
            seeds.min()[means.index].to_numpy(),
            seeds.max()[means.index].to_numpy(),
            color=look.colour,
            alpha=0.15,
            lw=0,
        )
        ends.append((look.called, float(means.iloc[-1]), look.colour))
    if axes.get_autoscaley_on():
        axes.set_ylim(bottom=0)
    label_ends(axes, ends)


def label_ends(axes: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Names at the right edge, at the height of the lines' last points, moved apart where they would cover each other.

    To be called when scales and limits are set: places are in pixels.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    placed = sorted(
        (float(axes.transData.transform((1.0, y))[1]), name, y, colour) for name, y, colour in ends
    )
    scale = figure.dpi / 72
    heights = _apart(
        [height for height, *_ in placed], apart=10 * scale, top=float(axes.get_window_extent().y1)
    )
    for height, (pixel, name, y, colour) in zip(heights, placed, strict=True):
        axes.annotate(
            name,
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(4, (height - pixel) / scale),
            textcoords="offset points",
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )


def _apart(heights: Sequence[float], *, apart: float, top: float) -> list[float]:
    """Rising heights moved until none is closer than that to the next and, first of all, none above the top."""
    moved, free = [], float("-inf")
    for height in heights:
        moved.append(max(height, free))
        free = moved[-1] + apart
    for place in reversed(range(len(moved))):
        moved[place] = min(moved[place], top)
        top = moved[place] - apart
    return moved


def frame_axes(axes: Axes, *, title: str, x: str, y: str) -> None:
    """Title to the left, names of both axes with units, a light grid, no box."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    axes.grid(visible=True, color="#e4e4e4", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def logarithmic(axes: Axes, *, x: bool = True, y: bool = False, floor: float = 1e-3) -> None:
    """Powers of ten; y keeps zero, linear below `floor`."""
    if x:
        axes.set_xscale("log")
    if y:
        axes.set_yscale("symlog", linthresh=floor)


def mark_level(axes: Axes, level: float, text: str) -> None:
    """A dashed line across, named at its left end."""
    axes.axhline(level, color=FAINT, lw=0.9, ls="--")
    axes.annotate(
        text,
        (0.01, level),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=7.5,
        color=FAINT,
    )


def small_multiples(canvas: Canvas, rows: int, columns: int, *, room: float = 1.9) -> list[list[Axes]]:
    """Axes in rows, from zero up once lines are drawn; `room`, in inches, is for the labels at the right of each."""
    width, height = columns * (3.1 + room), rows * 2.9
    canvas.set_size_inches(width, height)
    canvas.subplots_adjust(
        left=0.75 / width, right=1 - room / width, top=1 - 0.3 / height, bottom=0.55 / height
    )
    grid = canvas.add_gridspec(rows, columns, wspace=(room + 0.75) / 3.1, hspace=0.45)
    return [[canvas.add_subplot(grid[row, column]) for column in range(columns)] for row in range(rows)]


def heat(axes: Axes, frame: DataFrame, *, x: str, y: str, value: str, title: str, top: float = 1.0) -> Any:
    """Means over seeds as tiles with the number in each; x and y are the points, not to scale."""
    table = frame.pivot_table(index=y, columns=x, values=value, aggfunc="mean", dropna=False).sort_index()
    numbers = table.to_numpy(dtype=float)
    tiles = axes.imshow(numbers, origin="lower", aspect="auto", cmap="cividis", vmin=0.0, vmax=top)
    axes.set_xticks(range(len(table.columns)), [f"{at:g}" for at in table.columns], fontsize=7.5)
    axes.set_yticks(range(len(table.index)), [f"{at:g}" for at in table.index], fontsize=7.5)
    axes.set_title(title, loc="left", fontsize=9.5, color=INK)
    for row, line in enumerate(numbers):
        for column, one in enumerate(line):
            if np.isfinite(one):
                axes.text(
                    column,
                    row,
                    f"{one:.2f}".removeprefix("0") if one < 1 else f"{one:.1f}",
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color="white" if one < 0.55 * top else "black",
                )
    return tiles


def png(canvas: Canvas, *, dots_per_inch: int = 100) -> bytes:
    """The picture as a PNG of 128 colours, a third of the size of one with all, cut to what is drawn."""
    from io import BytesIO

    from PIL import Image

    whole, small = BytesIO(), BytesIO()
    canvas.savefig(whole, format="png", dpi=dots_per_inch, bbox_inches="tight", pad_inches=0.08)
    Image.open(whole).convert("RGB").quantize(128).save(small, format="png", optimize=True)
    return small.getvalue()
