"""The runs that figures need: each grid one sweep, journalled so that it goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from omegacell.bench.figures.figure import Effort, Grid
from omegacell.sim import Scenario, scenario_of, sweep

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A grid that has been run.

    file: its name in the folder of runs. frame: a row per point and seed: what was varied, `seed`, and all metrics.
    """

    grid: Grid
    seeds: int
    scenario: str
    fingerprint: str
    file: str
    frame: DataFrame

    @property
    def whole(self) -> DataFrame:
        """The frame with what all its rows have in common as columns: part, cell, and the options."""
        return self.frame.assign(part=self.grid.part, cell=self.grid.cell, **self.grid.options)


def run(grid: Grid, effort: Effort, folder: Path, *, progress: bool = True) -> Ran:
    """Run a grid, or what is left of it: its rows are kept in `folder`, in files named after its part.

    SpecInvalid if the folder has another sweep under that name.
    """
    seeds = min(effort.seeds, grid.most_seeds)
    file = f"{grid.part}.csv"
    frame = sweep(
        _scenario(grid.cell, grid.config),
        over=grid.over,
        seeds=seeds,
        out=folder / file,
        progress=progress,
        **grid.options,
    )
    return Ran(
        grid=grid,
        seeds=seeds,
        scenario=frame.attrs["scenario"],
        fingerprint=frame.attrs["fingerprint"],
        file=file,
        frame=_with_infinities(frame),
    )


def _with_infinities(frame: DataFrame) -> DataFrame:
    """Failures without any success are infinitely many per success, also where a journal had to keep that as null."""
    found = frame.copy()
    for kind in ("bs", "ss"):
        in_vain = (frame[f"{kind}_txn_success"] == 0) & (frame[f"{kind}_txn_failed"] > 0)
        found.loc[in_vain, f"{kind}_conflict_fraction"] = np.inf
    return found


def whole(ran: tuple[Ran, ...]) -> DataFrame:
    """All rows of several grids; a column that only some of them have is nan in the others."""
    import pandas as pd

    return pd.concat([one.whole for one in ran], ignore_index=True) if ran else pd.DataFrame()


def _scenario(cell: str, config: Mapping[str, Any]) -> Scenario:
    scenario = scenario_of(cell)
    changed = tuple(
        spec.model_copy(update={"config": {**spec.config, **config}}) for spec in scenario.scheduler
    )
    return scenario.model_copy(update={"scheduler": changed})
