"""How numbers are read off curves: means over seeds, straight lines, crossings, saturation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float64]

SATURATED = 0.95
"""Busyness from which a scheduler counts as saturated: an open queue never shows 1 in a run that starts idle."""


def chosen(frame: DataFrame, **where: Any) -> DataFrame:
    """The rows in which each of these columns has that value."""
    kept = frame
    for name, value in where.items():
        kept = kept[kept[name] == value]
    return kept


def curve(frame: DataFrame, x: str, y: str) -> tuple[Floats, Floats]:
    """x in rising order, and the mean of y over the seeds at each; points where no seed has a number are left out."""
    means = frame.groupby(x, sort=True)[y].mean().dropna()
    return means.index.to_numpy(dtype=np.float64), means.to_numpy(dtype=np.float64)


def at(frame: DataFrame, y: str, **where: Any) -> float:
    """The mean of y over the seeds of one point; nan if it was not run."""
    return float(chosen(frame, **where)[y].mean())


def straightness(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> tuple[float, float]:
    """Slope of the least-squares line, and R^2; nan with fewer than three points."""
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(xs) < 3 or float(np.ptp(ys)) == 0.0:
        return float("nan"), float("nan")
    slope, intercept = np.polyfit(xs, ys, 1)
    left = float(((ys - slope * xs - intercept) ** 2).sum())
    return float(slope), 1.0 - left / float(((ys - ys.mean()) ** 2).sum())


def crossing(x: Sequence[float] | Floats, y: Sequence[float] | Floats, level: float) -> float:
    """Where y first reaches the level, interpolated between the points; inf if it never does."""
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    above = np.flatnonzero(ys >= level)
    if not len(above):
        return float("inf")
    first = int(above[0])
    if first == 0:
        return float(xs[0])
    share = (level - ys[first - 1]) / (ys[first] - ys[first - 1])
    return float(xs[first - 1] + share * (xs[first] - xs[first - 1]))


def rises(y: Sequence[float] | Floats, *, slack: float = 0.05) -> bool:
    """Whether y ends higher than it began and no step falls by more than that share of the whole rise."""
    ys = np.asarray(y, dtype=np.float64)
    whole = float(ys[-1] - ys[0]) if len(ys) > 1 else 0.0
    return whole > 0.0 and bool((np.diff(ys) >= -slack * whole).all())


def falls(y: Sequence[float] | Floats, *, slack: float = 0.05) -> bool:
    """Whether y ends lower than it began and no step rises by more than that share of the whole fall."""
    return rises(-np.asarray(y, dtype=np.float64), slack=slack)


def about(value: float, expected: float, factor: float) -> bool:
    """Whether value is within that factor of what is expected, both ways; False for nan."""
    return expected / factor <= value <= expected * factor


def share(part: float, whole: float) -> float:
    """part / whole; nan if there is nothing."""
    return part / whole if whole else float("nan")


def number(value: float) -> str:
    """Three digits that matter, for people."""
    if np.isnan(value):
        return "none"
    if np.isinf(value):
        return "∞"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def reached(value: float, unit: str) -> str:
    """Where a level is reached, with the unit; a crossing that is not among the runs is infinitely far."""
    return f"at {number(value)} {unit}" if np.isfinite(value) else "never within these runs"


def percent(value: float) -> str:
    """A share as a percentage."""
    return "none" if np.isnan(value) else f"{100 * value:.3g} %"
