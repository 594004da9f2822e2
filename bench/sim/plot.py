"""A sweep as one plot: a metric over what was varied, a line for each combination of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegacell.bench.sim.frames import summary
from omegacell.bench.sim.result import METRICS
from omegacell.cellstate.errors import OmegaError, SpecInvalid

if TYPE_CHECKING:
    import pandas as pd


def plot(frame: pd.DataFrame, path: Path | str, *, x: str, y: str) -> None:
    """Write a picture (.png, .svg, .pdf) of the means of y over x, with their 95 % intervals."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OmegaError(
            "matplotlib is not installed, which plots need: pip install 'omegacell[research]'"
        ) from error
    axes_names = [name for name in str(frame.attrs.get("over", "")).split(",") if name]
    if x not in axes_names:
        raise SpecInvalid(f"x={x!r} was not swept over; expected one of {', '.join(axes_names)}")
    if y not in METRICS:
        raise SpecInvalid(f"y={y!r} is no metric; docs/simulating.md has them all")
    others = [name for name in axes_names if name != x]
    means = summary(frame, [*others, x], metrics=[y])
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    for key, line in means.groupby(others, sort=False) if others else [((), means)]:
        label = ", ".join(f"{name} {value}" for name, value in zip(others, key, strict=True))
        beyond = (line["high"] - line["mean"]).fillna(0.0)
        axes.errorbar(line[x].tolist(), line["mean"], yerr=beyond, marker="o", capsize=3, label=label or y)
    if _wide(frame[x].tolist()):
        axes.set_xscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend()
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise SpecInvalid(
            f"plot {path} cannot be written: {error}; name a .png, .svg or .pdf file"
        ) from error


def yerror(values: Any) -> list[float]:
    """As matplotlib wants them."""
    return [float(value) for value in values]


def _wide(values: list[Any]) -> bool:
    """Whether the values are numbers of very different size."""
    if not all(isinstance(value, int | float) and value > 0 for value in values):
        return False
    return bool(max(values) >= 20 * min(values))
