"""What a sweep has finished, kept line by line so that one that was interrupted goes on where it was."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from omegacell.cellstate.errors import SpecInvalid

Row = Mapping[str, Any]


class Journal:
    """A file of JSON lines: what the sweep is of, then a row for each point and seed, each on disk once written.

    `rows`: those that are there, by their values of `keys`. SpecInvalid if the file is of another sweep.
    """

    def __init__(self, path: Path, *, header: Mapping[str, str], keys: tuple[str, ...]) -> None:
        self.path = path
        self.rows: dict[tuple[Any, ...], Row] = {}
        self._keys = keys
        head, rows, length = _read(path)
        if head is not None:
            _refuse_another(path, head, dict(header))
        for row in rows:
            self.rows[self.key(row)] = row
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._file.truncate(length)  # a line that a crash left half written
        if head is None:
            self._write(dict(header))

    def key(self, row: Row) -> tuple[Any, ...]:
        """What tells a row from all others."""
        return tuple(row[name] for name in self._keys)

    def add(self, row: Row) -> None:
        """Keep a finished one; nan is written as null."""
        self.rows[self.key(row)] = row
        self._write({name: _null(value) for name, value in row.items()})

    def close(self) -> None:
        """No more rows."""
        self._file.close()

    def _write(self, content: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(content, allow_nan=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _null(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(path: Path) -> tuple[dict[str, str] | None, list[Row], int]:
    """The header, the rows, and how many bytes of the file are whole lines."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None, [], 0
    except OSError as error:
        raise SpecInvalid(f"{path} cannot be read: {error.strerror}; name another file") from error
    length = content.rfind(b"\n") + 1
    try:
        lines = [json.loads(line) for line in content[:length].splitlines()]
    except ValueError as error:
        raise SpecInvalid(f"{path} is no journal of a sweep: {error}; name another file") from error
    if not lines:
        return None, [], 0
    return lines[0], [_numbers(row) for row in lines[1:]], length


def _numbers(row: Row) -> Row:
    return {name: float("nan") if value is None else value for name, value in row.items()}


def _refuse_another(path: Path, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for name in wanted:
        if found.get(name) != wanted[name]:
            raise SpecInvalid(
                f"{path} is of another sweep: its {name} is {found.get(name)!r}, this one's {wanted[name]!r}; "
                "name another file, or remove that one"
            )
