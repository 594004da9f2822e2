"""All figures in order, and those that a user names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from omegacell.bench.figures import (
    fig05_06,
    fig07,
    fig08,
    fig09,
    fig10_11,
    fig12,
    fig13,
    fig14,
    fig15_16,
    progress,
    table1,
)
from omegacell.bench.figures.figure import Figure
from omegacell.cellstate.errors import SpecInvalid

FIGURES: tuple[Figure, ...] = (
    table1.FIGURE,
    fig05_06.FIGURE,
    fig07.FIGURE,
    fig08.FIGURE,
    fig09.FIGURE,
    fig10_11.FIG10,
    fig10_11.FIG11,
    fig12.FIGURE,
    fig13.FIGURE,
    fig14.FIGURE,
    fig15_16.FIGURE,
    progress.FIGURE,
)
ROWS = tuple(item for figure in FIGURES for item in figure.items)
"""Of the figure table: every one has statements."""


def named(words: str) -> tuple[Figure, ...]:
    """Figures by names such as "fig8,fig12" (fig05, fig5, table1, progress); all for "".

    SpecInvalid if one is unknown.
    """
    if not words.strip():
        return FIGURES
    wanted = [_plain(word) for word in words.split(",")]
    for word in wanted:
        if not any(word in _names(figure) for figure in FIGURES):
            raise SpecInvalid(f"figure {word!r} is unknown; expected one of {', '.join(names())}")
    return tuple(figure for figure in FIGURES if any(word in _names(figure) for word in wanted))


def names() -> Sequence[str]:
    """What --only understands, one for each row."""
    return [_plain(item) for item in ROWS]


def _names(figure: Figure) -> set[str]:
    return {_plain(item) for item in figure.items} | {_plain(figure.name)}


def _plain(word: str) -> str:
    """fig05, Fig 5 and FIG5 are fig5."""
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", re.sub(r"\s+", "", word).lower())
