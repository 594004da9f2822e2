"""The page: one HTML file with the pictures in it, for a reader who has not read the paper."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from omegacell.bench.figures import wording
from omegacell.bench.figures.figure import Figure, Statement, Verdict
from omegacell.bench.figures.reading import number
from omegacell.bench.figures.report import FigureReport, FiguresReply, RunsReport
from omegacell.sim import METRICS

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 72rem; margin: 0 auto;
  padding: 1rem 1.25rem 4rem; }
h1 { line-height: 1.2; }
h2 { margin: 3rem 0 .3rem; padding-top: .8rem; border-top: 2px solid #ddd; }
h3 { margin: 1.6rem 0 .3rem; font-size: 1.05rem; }
a { color: #0059a8; }
img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
figcaption { color: #444; font-size: .93rem; max-width: 52rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; color: #444; padding: .3rem 0; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #e3e3e3; text-align: left; vertical-align: top; }
th { background: #f6f6f6; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { font-weight: 600; white-space: nowrap; }
.holds { color: #00694c; } .differs { color: #a63c00; } .none { color: #555; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem 1.2rem; max-width: 52rem; }
p { max-width: 52rem; }
summary { cursor: pointer; color: #0059a8; }
"""

_CLASS = {Verdict.HOLDS: "holds", Verdict.DIFFERS: "differs", Verdict.NOT_REPRODUCED: "none"}
_MARK = {Verdict.HOLDS: "✓", Verdict.DIFFERS: "✗", Verdict.NOT_REPRODUCED: "○"}


def page(reply: FiguresReply, figures: Sequence[Figure], pictures: Mapping[str, bytes]) -> str:
    """The whole page. pictures: a PNG for each figure that has one, by the figure's name."""
    by_name = {figure.name: figure for figure in figures}
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(wording.TITLE)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(wording.TITLE)}</h1>",
        *(f"<p>{escape(text)}</p>" for text in wording.INTRODUCTION),
        f"<p>{escape(wording.effort(reply))}</p>",
        '<h2 id="summary">What holds</h2>',
        f"<p>{escape(wording.tally(reply))}</p>",
        _summary(reply),
        '<h2 id="words">Words</h2>',
        _definitions(wording.WORDS),
        '<h2 id="cells">The cells</h2>',
        f"<p>{escape(wording.CELLS)}</p>",
        _table(*wording.cells()),
        *(_figure(one, by_name[one.name], pictures.get(one.name, b"")) for one in reply.figures),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _summary(reply: FiguresReply) -> str:
    """Every statement of every row, the row's own verdict beside its name."""
    lines = []
    for row in reply.rows:
        figure = next(one for one in reply.figures if one.name == row.figure)
        of_row = [one for one in figure.statements if one.item == row.item]
        for at, statement in enumerate(of_row):
            head = (
                f'<th scope="rowgroup" rowspan="{len(of_row)}"><a href="#{row.figure}">{escape(row.item)}</a><br>'
                f"{_verdict(row.verdict)}<br>{escape(wording.counted(row))}</th>"
                if at == 0
                else ""
            )
            lines.append(
                f"<tr>{head}<td>{escape(statement.paper)}</td>"
                f"<td>{_seen(statement)}</td><td>{_verdict(statement.verdict)}</td></tr>"
            )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Row", "The paper says", "We see", "Verdict"))
    return (
        '<div class="wide"><table><caption>Every row of the paper\'s evaluation; a row holds if all its statements do.'
        f"</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _figure(report: FigureReport, figure: Figure, picture: bytes) -> str:
    parts = [
        f'<h2 id="{report.name}">{escape(", ".join(report.items))}: {escape(report.title)}</h2>',
        f"<p><b>Asked.</b> {escape(figure.asks)}</p>",
    ]
    if report.runs:
        parts.append(f"<p><b>Run.</b> {escape(' '.join(wording.ran(one) for one in report.runs))}</p>")
    if picture:
        source = f"data:image/png;base64,{b64encode(picture).decode()}"
        parts.append(
            f'<figure><img src="{source}" alt="{escape(figure.alt, quote=True)}">'
            f"<figcaption>{escape(figure.reads)}</figcaption></figure>"
        )
    else:
        parts.append(f"<p>{escape(figure.reads)}</p>")
    parts += [_statement(one) for one in report.statements]
    if report.runs:
        parts.append(
            "<details><summary>The numbers</summary>"
            + "".join(_points(one) for one in report.runs)
            + _definitions([(name, METRICS[name]) for name in figure.metrics])
            + "</details>"
        )
    return "\n".join(parts)


def _statement(one: Statement) -> str:
    numbers = _table(
        ("number", "ours"),
        [(wording.called(name), number(value)) for name, value in one.numbers.items()],
    )
    measured = f"<details><summary>Measured</summary>{numbers}</details>" if one.numbers else ""
    return (
        f"<h3>{_verdict(one.verdict)} {escape(one.paper)}</h3>"
        f"<p><b>Test.</b> {escape(wording.sentence(one.test))}<br><b>Seen.</b> {_seen(one)}</p>{measured}"
    )


def _seen(one: Statement) -> str:
    why = f"<br>Why: {escape(wording.sentence(one.reason))}" if one.reason else ""
    return f"{escape(wording.sentence(one.seen)) if one.seen else 'No run.'}{why}"


def _points(runs: RunsReport) -> str:
    """The points as a table: what was varied, then means over the seeds, with the half-width of the 95 % interval."""
    over = list(runs.over)
    metrics = [name for name in runs.points[0] if f"{name}_low" in runs.points[0]]
    lines = [
        [*(str(point[name]) for name in over), *(wording.mean(point, name) for name in metrics)]
        for point in runs.points
    ]
    return _table((*over, *metrics), lines, caption=f"{runs.part}: {wording.ran(runs)}")


def _verdict(verdict: Verdict) -> str:
    return f'<span class="verdict {_CLASS[verdict]}">{_MARK[verdict]} {escape(verdict)}</span>'


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(word)}</dt><dd>{escape(text)}</dd>' for word, text in pairs)}</dl>"


def _table(heads: Sequence[str], lines: Iterable[Sequence[Any]], *, caption: str = "") -> str:
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    body = "".join(f"<tr>{_cells(line)}</tr>" for line in lines)
    return f'<div class="wide"><table>{told}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells(line: Sequence[Any]) -> str:
    return "".join(f'<td class="number">{escape(str(one))}</td>' for one in line)
