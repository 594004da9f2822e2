"""A report of the commit benchmark as tables, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from omegacell.bench.throughput.commit import CommitReport
from omegacell.bench.throughput.figures import CommitResult, RawResult, Spread
from omegacell.bench.throughput.plan import Feature
from omegacell.cli import output

Column = Callable[[CommitResult], str]


def show(report: CommitReport, facts: Mapping[str, str]) -> None:
    """The facts, the results and the ceilings; what is the same in all rows stands among the facts."""
    settings = _settings(report.results)
    same = {name: words[0] for name, words in settings.items() if len(set(words)) == 1 and name != "claims"}
    output.facts({**facts, **same})
    print()
    columns = {name: words for name, words in settings.items() if name not in same} | {
        heading: [column(result) for result in report.results]
        for heading, column in _figures(report.results).items()
    }
    _draw(columns)
    print()
    _draw(_ceilings(report.ceilings))


def _draw(columns: Mapping[str, Sequence[str]]) -> None:
    output.table(list(columns), zip(*columns.values(), strict=True), right=list(columns))


def _settings(results: Sequence[CommitResult]) -> dict[str, list[str]]:
    combinations = [result.combination for result in results]
    return {
        "claims": [f"{one.claims:,}" for one in combinations],
        "schedulers": [str(one.schedulers) for one in combinations],
        "detection": [str(one.detection) for one in combinations],
        "commit": [str(one.commit) for one in combinations],
        "feature": [str(one.feature) for one in combinations],
    }


def _figures(results: Sequence[CommitResult]) -> dict[str, Column]:
    """The columns, as medians; those that would say nothing are left out. All spreads are in the JSON object."""
    features = {result.combination.feature for result in results}
    columns: dict[str, Column] = {"placements/s": lambda result: _ranged(result.figures["placements_per_s"])}
    if Feature.RANGES in features:
        columns["tasks/s"] = lambda result: _whole(result.figures["tasks_per_s"])
    columns |= {
        "transactions/s": lambda result: _whole(result.figures["transactions_per_s"]),
        "p50 ms": lambda result: _fine(result.figures["commit_p50_ms"]),
        "p99 ms": lambda result: _fine(result.figures["commit_p99_ms"]),
        "conflicts": lambda result: _fine(result.figures["conflict_fraction"]),
        "WAL B/placement": lambda result: _whole(result.figures["wal_bytes_per_placement"]),
        "ceiling/s": lambda result: _whole(result.figures["ceiling_per_s"]),
        "of ceiling": lambda result: _percent(result.figures["share_of_ceiling"]),
        "COPY/s": lambda result: _whole(result.figures["copy_per_s"]),
    }
    if Feature.NONE in features and len(features) > 1:
        columns["of none"] = lambda result: _percent(result.relative_to_none)
    return columns


def _ceilings(ceilings: Sequence[RawResult]) -> dict[str, list[str]]:
    return {
        "claims": [f"{one.claims:,}" for one in ceilings],
        "sessions": [str(one.sessions) for one in ceilings],
        "guarded rows/s": [_whole(one.guarded_per_s) for one in ceilings],
        "COPY rows/s": [_whole(one.copy_per_s) for one in ceilings],
    }


def _whole(spread: Spread) -> str:
    return f"{spread.median:,.0f}"


def _fine(spread: Spread) -> str:
    return f"{spread.median:,.2f}"


def _percent(spread: Spread) -> str:
    return f"{spread.median:.0%}"


def _ranged(spread: Spread) -> str:
    """The median, and from least to most where it was measured more than once."""
    if spread.min == spread.max:
        return _whole(spread)
    return f"{spread.median:,.0f} ({spread.min:,.0f} to {spread.max:,.0f})"
