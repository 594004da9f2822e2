"""A report of the conflict benchmark as a table, for people: live and simulated beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from omegacell.bench.conflicts.benchmark import ConflictsReport
from omegacell.bench.conflicts.figures import Result
from omegacell.cli import output

Column = Callable[[Result], str]


def show(report: ConflictsReport, facts: Mapping[str, str]) -> None:
    """The facts, then a row for each mix and sort of scheduler; medians over the rounds."""
    output.facts(facts)
    print()
    columns = _columns(report)
    headings = list(columns)
    output.table(
        headings,
        ([column(result) for column in columns.values()] for result in report.results),
        right=[heading for heading in headings if heading not in ("detection", "commit", "sort")],
    )


def _columns(report: ConflictsReport) -> dict[str, Column]:
    found: dict[str, Column] = {
        "detection": lambda result: str(result.mix.detection),
        "commit": lambda result: str(result.mix.commit),
        "schedulers": lambda result: str(result.mix.schedulers or "as written"),
    }
    if len({result.sort for result in report.results}) > 1:
        found["sort"] = lambda result: result.sort
    return found | {
        "conflicts live": _live("conflict_fraction", "{:.3f}"),
        "simulated": lambda result: f"{result.simulated['conflict_fraction'].median:.3f}",
        "ratio": lambda result: f"{result.ratio:.2f}" if result.ratio == result.ratio else "-",
        "refused claims": _live("task_conflict_fraction", "{:.3f}"),
        "busyness": _live("busyness", "{:.2f}"),
        "wasted": _live("busyness_wasted", "{:.2f}"),
        "wait s": _live("wait_first_mean", "{:.2f}"),
        "placements/s": _live("placements_per_s", "{:,.0f}"),
        "transactions/s": _live("transactions_per_s", "{:.1f}"),
        "commit p50 ms": _live("commit_p50_ms", "{:.1f}"),
        "p99": _live("commit_p99_ms", "{:.1f}"),
        "sync p50 ms": _live("sync_p50_ms", "{:.1f}"),
        "age p50 ms": _live("age_p50_ms", "{:.0f}"),
        "rivals": _live("rivals_mean", "{:.2f}"),
        "CPU": _live("host_busy_share", "{:.0%}"),
    }


def _live(name: str, how: str) -> Column:
    return lambda result: how.format(result.live[name].median)
