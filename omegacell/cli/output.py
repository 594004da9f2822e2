"""How commands speak: tables for people on standard output, one JSON object for programs, the rest on stderr."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA_VERSION = 1
"""Of every JSON object; rises when a field changes its meaning or goes away, not when one is added."""


def emit(reply: DataclassInstance) -> None:
    """One JSON object on one line: the fields of a dataclass (replies.py), with the schema_version."""
    import json

    content = {"schema_version": SCHEMA_VERSION, **_plain(reply)}
    print(json.dumps(content, allow_nan=False), flush=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table on standard output: drawn on a terminal, in columns of plain text elsewhere."""
    lines = [[str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(headings, lines, right)
        return
    # Elsewhere nothing is cut off, and no line ends in spaces.
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    for line in (headings, *lines):
        cells = zip(headings, line, widths, strict=True)
        laid = [
            cell.rjust(width) if heading in right else cell.ljust(width) for heading, cell, width in cells
        ]
        print("  ".join(laid).rstrip())


def _draw(headings: Sequence[str], lines: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        drawn.add_column(heading, justify="right" if heading in right else "left", no_wrap=True)
    for line in lines:
        drawn.add_row(*line)
    Console(highlight=False, markup=False).print(drawn)


def facts(pairs: Mapping[str, object]) -> None:
    """Names and values, one a line; empty values are left out."""
    width = max(map(len, pairs))
    for name, value in pairs.items():
        if value not in ("", None):
            print(f"{name:<{width}}  {value}")


def _plain(value: Any) -> Any:
    """What json.dumps can write: times stay numbers, bytes become base64, what has no form of its own its repr."""
    import base64
    from dataclasses import fields, is_dataclass
    from enum import Enum

    plain: Any = value
    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    elif isinstance(value, Enum):
        plain = value.value
    elif isinstance(value, Mapping):
        plain = {str(key): _plain(one) for key, one in value.items()}
    elif isinstance(value, list | tuple | set | frozenset):
        plain = [_plain(one) for one in value]
    elif isinstance(value, bytes):
        plain = base64.b64encode(value).decode()
    elif isinstance(value, float):
        plain = value if math.isfinite(value) else None
    elif not isinstance(value, bool | int | str | None):
        plain = repr(value)
    return plain


def ago(seconds_since_epoch: float) -> str:
    """How long ago, in the largest unit that fits; "" for a time never reached."""
    if not seconds_since_epoch:
        return ""
    return f"{duration(time.time() - seconds_since_epoch)} ago"


def duration(seconds: float) -> str:
    """Seconds in a unit that reads well: 12ms, 3.4s, 5m, 2h, 3d."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"


def moment(seconds_since_epoch: float) -> str:
    """A time in UTC, to the second; "" for one never reached."""
    from datetime import UTC, datetime

    if not seconds_since_epoch:
        return ""
    return datetime.fromtimestamp(seconds_since_epoch, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def size(amount_bytes: int) -> str:
    """Bytes in the largest unit of 2^10 that keeps them above 1."""
    amount = float(amount_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            return f"{amount:.0f}{unit}" if amount == int(amount) else f"{amount:.1f}{unit}"
        amount /= 1024
    return ""
