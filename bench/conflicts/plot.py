"""Live and simulated conflict fractions on one plot: points are live, lines the simulator's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegacell.bench.conflicts.benchmark import ConflictsReport
from omegacell.bench.conflicts.figures import Result
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import CommitMode, Detection

_COLOURS = {
    CommitMode.INCREMENTAL: "tab:blue",
    CommitMode.ALL_OR_NOTHING: "tab:orange",
    CommitMode.GANG: "tab:green",
}
_DPI = 90
"""Some tens of kilobytes."""


def draw(report: ConflictsReport, path: Path) -> None:
    """One panel for each detection and sort of scheduler; bars and bands are least to most.

    SpecInvalid without matplotlib, or where the file cannot be written.
    """
    pyplot = _pyplot()
    panels = list(dict.fromkeys((result.mix.detection, result.sort) for result in report.results))
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(5.2 * len(panels), 4.2), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (detection, sort) in zip(axes[0], panels, strict=True):
        _panel(axis, detection, [r for r in report.results if (r.mix.detection, r.sort) == (detection, sort)])
    axes[0][0].set_ylabel("conflict fraction (failed per successful transaction)")
    axes[0][0].legend(fontsize="small")
    try:
        figure.savefig(path, dpi=_DPI)
    except (OSError, ValueError) as error:
        raise SpecInvalid(f"plot {path} cannot be written: {error}") from error
    finally:
        pyplot.close(figure)


def need_matplotlib() -> None:
    """SpecInvalid if there is none: said before anything is measured."""
    _pyplot()


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise SpecInvalid(
            "--plot needs matplotlib, which is not installed; pip install 'omegacell[research]'"
        ) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _panel(axis: Any, detection: Detection, results: Sequence[Result]) -> None:
    for commit in dict.fromkeys(result.mix.commit for result in results):
        line = sorted((r for r in results if r.mix.commit is commit), key=lambda r: r.mix.schedulers)
        at = [result.mix.schedulers for result in line]
        live = [result.live["conflict_fraction"] for result in line]
        simulated = [result.simulated["conflict_fraction"] for result in line]
        colour = _COLOURS[commit]
        axis.plot(at, [one.median for one in simulated], color=colour, label=f"{commit}, simulated")
        axis.fill_between(
            at, [one.min for one in simulated], [one.max for one in simulated], color=colour, alpha=0.15, lw=0
        )
        axis.errorbar(
            at,
            [one.median for one in live],
            yerr=[[one.median - one.min for one in live], [one.max - one.median for one in live]],
            fmt="o",
            color=colour,
            capsize=3,
            label=f"{commit}, live",
        )
    sorts = {result.sort for result in results}
    axis.set_title(f"{detection} detection ({', '.join(sorts)})")
    axis.set_xlabel("schedulers")
    axis.set_xticks(sorted({result.mix.schedulers for result in results}))
    axis.grid(alpha=0.3)
