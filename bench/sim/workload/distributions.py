"""Empirical distributions: values that were measured, from which others are drawn by the inverse of their CDF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from omegacell.bench.sim.fields import Part
from omegacell.bench.sim.jobs import Float64
from omegacell.bench.sim.workload.lines import with_header
from omegacell.cellstate.errors import SpecInvalid

Parse = Callable[[object, str], float]
"""A number in its unit from what is written; SpecInvalid names the second argument."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Empirical:
    """values: float64[V], ascending; up_to: float64[V], the share of the weight at or below each, 1 at the end."""

    values: Float64
    up_to: Float64

    def quantiles(self, at: Float64, *, interpolate: bool = False) -> Float64:
        """float64[N] for at: float64[N] in [0, 1): the smallest value up to which there is more than that share.

        With `interpolate` linearly between the values, which are then as far apart as their ranks.
        """
        if interpolate:
            return np.interp(at * (len(self.values) - 1), np.arange(len(self.values)), self.values)
        return self.values[np.searchsorted(self.up_to, at, side="right")]


def empirical(values: Sequence[float], weights: Sequence[float] = ()) -> Empirical:
    """Of values that are equally likely, or as likely as their weights."""
    drawn = np.asarray(values, dtype=np.float64)
    order = np.argsort(drawn, kind="stable")
    weight = np.asarray(weights, dtype=np.float64) if len(weights) else np.ones(len(drawn))
    up_to = np.cumsum(weight[order])
    up_to /= up_to[-1]
    up_to[-1] = 1.0
    return Empirical(values=drawn[order], up_to=up_to)


class FromCsv(Part):
    """A column of a CSV file with a header; `weight` names another one."""

    csv: str
    column: str
    weight: str = ""

    def read(self, folder: Path, parse: Parse) -> Empirical:
        """Its values; SpecInvalid for the first that is none."""
        path = folder / self.csv
        values: list[float] = []
        weights: list[float] = []
        for line in with_header(path, [self.column, *([self.weight] if self.weight else [])]):
            values.append(line.parsed(self.column, parse))
            if self.weight:
                weights.append(line.amount(self.weight))
        if not values or (weights and not sum(weights)):
            raise SpecInvalid(f"{path} has no values in column {self.column}; expected at least one")
        return empirical(values, weights)


class Inline(Part):
    """Values as they stand, and how likely each is, in any unit."""

    values: tuple[float | str, ...] = Field(min_length=1)
    weights: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _one_each(self) -> Inline:
        if self.weights and len(self.weights) != len(self.values):
            raise ValueError(f"{len(self.weights)} weights for {len(self.values)} values; expected one each")
        if self.weights and not (min(self.weights) >= 0 and sum(self.weights) > 0):
            raise ValueError("expected weights of 0 or more, one of them above")
        return self

    def read(self, folder: Path, parse: Parse) -> Empirical:
        """Its values; SpecInvalid for the first that is none."""
        return empirical([parse(value, "values") for value in self.values], self.weights)


Distribution = FromCsv | Inline | float | str | tuple[float | str, ...]
"""As it is written: one value, a list of them, {values, weights} or {csv, column, weight}."""


def read(written: Distribution, name: str, folder: Path, parse: Parse) -> Empirical:
    """The distribution of what is called `name`."""
    match written:
        case FromCsv() | Inline():
            return written.read(folder, parse)
        case tuple():
            if not written:
                raise SpecInvalid(f"{name}=[] has no values; expected at least one")
            return empirical([parse(value, name) for value in written])
        case _:
            return empirical([parse(written, name)])
