"""What a figure is: the runs that it needs, the drawing, and the paper's statements as checks of our numbers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

_Value = TypeVar("_Value")


class Verdict(StrEnum):
    """What became of a statement."""

    HOLDS = "holds"
    DIFFERS = "does not hold"
    NOT_REPRODUCED = "not reproduced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the paper says, before any run.

    item: the row of the figure table ("Fig 8"); test: how it is decided.
    """

    item: str
    name: str
    paper: str
    test: str

    def judged(
        self, holds: bool, seen: str, *, numbers: Mapping[str, float] | None = None, otherwise: str = ""
    ) -> Statement:
        """With our numbers; `otherwise` is the reason that is given if it does not hold."""
        return Statement(
            item=self.item,
            name=self.name,
            paper=self.paper,
            test=self.test,
            verdict=Verdict.HOLDS if holds else Verdict.DIFFERS,
            seen=seen,
            numbers={name: float(number) for name, number in (numbers or {}).items()},
            reason="" if holds else otherwise,
        )

    def not_reproduced(self, reason: str) -> Statement:
        """Without numbers, and why."""
        return Statement(
            item=self.item,
            name=self.name,
            paper=self.paper,
            test=self.test,
            verdict=Verdict.NOT_REPRODUCED,
            seen="",
            numbers={},
            reason=reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A claim with its verdict: `seen` is one sentence with our numbers, `reason` why it is not the paper's."""

    item: str
    name: str
    paper: str
    test: str
    verdict: Verdict
    seen: str
    numbers: Mapping[str, float]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to run.

    dense: as many points as the full set has; hours: of virtual time, of a run of ordinary length.
    """

    dense: bool
    seeds: int
    hours: float

    def points(self, few: Sequence[_Value], many: Sequence[_Value]) -> list[_Value]:
        """Those of the quick set, or of the full one."""
        return list(many if self.dense else few)

    def runtime(self, share: float = 1.0) -> float:
        """Seconds of virtual time; `share` is below 1 where a run is dear."""
        return self.hours * 3600.0 * share


QUICK = Effort(dense=False, seeds=1, hours=3.0)
"""Every figure in under 3 minutes on 2 cores."""

FULL = Effort(dense=True, seeds=3, hours=6.0)
"""Every figure in under 30 minutes on 2 cores; 18 hours of virtual time for most points, in three runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One sweep: every combination of `over`, in each seed.

    part: its name; grids of the same part are the same runs, also across figures. config: fields of every
    scheduler's configuration, over the preset's. most_seeds: no more than these, where a picture needs many points and
    no error bars.
    """

    part: str
    cell: str
    over: Mapping[str, Sequence[Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    most_seeds: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One picture and what is to be read from it.

    items: rows of the figure table that it answers. asks: the question, for a reader without the paper. reads: how to
    read the picture. alt: what it shows, for who does not see it. metrics: those of the table of numbers. grids: the
    runs, of which `draw` and `statements` get one frame: a row per point and seed, with the columns `part`, `cell`,
    what was varied or set, and the metrics.
    A figure without grids is not reproduced: its statements say why.
    """

    name: str
    items: tuple[str, ...]
    title: str
    asks: str
    reads: str
    alt: str
    metrics: tuple[str, ...]
    grids: Callable[[Effort], tuple[Grid, ...]]
    draw: Callable[[DataFrame, Canvas], None]
    statements: Callable[[DataFrame], tuple[Statement, ...]]
