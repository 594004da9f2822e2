"""Reading traces line by line, plain or gzipped, so that whatever is wrong is named by file, line and column."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

from omegacell.cellstate.errors import SpecInvalid

T = TypeVar("T")


class Line:
    """One line of a table: the words of its columns, by name. Blank words are unknown values."""

    __slots__ = ("_columns", "_words", "number", "path")

    def __init__(self, path: Path, number: int, columns: Mapping[str, int], words: Sequence[str]) -> None:
        self.path = path
        self.number = number
        self._columns = columns
        self._words = words

    @property
    def columns(self) -> Iterable[str]:
        """Their names, in order."""
        return self._columns

    def text(self, column: str) -> str:
        """The word as it is; "" if the line has no such column."""
        at = self._columns.get(column)
        return "" if at is None else self._words[at].strip()

    def amount(self, column: str, *, least: float = 0.0) -> float:
        """A finite number, not below `least`."""
        word = self.text(column)
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= least):
            raise self.wrong(column, f"a number, {least:g} or more")
        return number

    def count(self, column: str, *, least: int = 0) -> int:
        """A whole number, not below `least`; also as 8.0, as some exports have it."""
        word = self.text(column)
        try:
            number = int(word)
        except ValueError:
            number = self._whole(word, least - 1)
        if number < least:
            raise self.wrong(column, f"a whole number, {least} or more")
        return number

    @staticmethod
    def _whole(word: str, otherwise: int) -> int:
        try:
            number = float(word)
        except ValueError:
            return otherwise
        return int(number) if number.is_integer() else otherwise

    def parsed(self, column: str, parse: Callable[[str, str], T]) -> T:
        """What `parse(word, column)` makes of it; its SpecInvalid gets the place."""
        try:
            return parse(self.text(column), column)
        except SpecInvalid as error:
            raise SpecInvalid(f"{self.path}, line {self.number}: {error}") from error

    def wrong(self, column: str, expected: str) -> SpecInvalid:
        """The error that says what stands there and what should."""
        return SpecInvalid(
            f"{self.path}, line {self.number}, column {column}: {self.text(column)!r:.60} found, expected {expected}"
        )


def files(folder: Path, pattern: str) -> list[Path]:
    """The file of that name, all in the folder of that name, or all that the pattern (part-*.csv.gz) fits; by name.

    SpecInvalid if there is none.
    """
    path = folder / pattern
    if path.is_file():
        return [path]
    found = path.glob("*") if path.is_dir() else path.parent.glob(path.name)
    named = sorted(file for file in found if file.is_file() and not file.name.startswith("."))
    if not named:
        raise SpecInvalid(
            f"trace {path} is not there; name a file, a folder, or a pattern such as part-*.csv.gz"
        )
    return named


def raw(path: Path) -> Iterator[str]:
    """The lines of a text file, as they are; gzipped if its name ends in .gz."""
    try:
        with _opened(path) as file:
            yield from file
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecInvalid(
            f"trace {path} cannot be read: {reason}; name a text file, or one of gzip as .gz"
        ) from error
    except UnicodeDecodeError as error:
        raise SpecInvalid(f"trace {path} is no text in UTF-8: {error}; name a text file") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8", newline=""))
    return path.open(encoding="utf-8", newline="")


def with_header(path: Path, needed: Iterable[str]) -> Iterator[Line]:
    """The lines of a CSV file whose first line names its columns, among them the needed ones."""
    reader = csv.reader(raw(path))
    names = [name.strip() for name in next(reader, [])]
    missing = [name for name in needed if name not in names]
    if missing:
        raise SpecInvalid(
            f"{path}, line 1: no column {missing[0]}, found {','.join(names)!r:.80}; expected a CSV file with a header"
        )
    columns = {name: at for at, name in enumerate(names)}
    yield from _of_width(path, reader, columns, len(names))


def without_header(path: Path, names: Sequence[str]) -> Iterator[Line]:
    """The lines of a CSV file that has these columns and does not say so."""
    columns = {name: at for at, name in enumerate(names)}
    yield from _of_width(path, csv.reader(raw(path)), columns, len(names))


def _of_width(path: Path, reader: Any, columns: Mapping[str, int], width: int) -> Iterator[Line]:
    try:
        for words in reader:
            if not words:
                continue
            if len(words) != width:
                raise SpecInvalid(
                    f"{path}, line {reader.line_num}: {len(words)} columns found, expected {width}"
                )
            yield Line(path, reader.line_num, columns, words)
    except csv.Error as error:
        raise SpecInvalid(
            f"{path}, line {reader.line_num}: {error}; expected comma-separated values"
        ) from error


def of_words(path: Path, *, comment: str = "") -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line of a file that separates them by space; without comments and empty lines."""
    for number, text in enumerate(raw(path), start=1):
        words = text.split()
        if words and not (comment and words[0].startswith(comment)):
            yield number, words


def of_objects(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Number and content of each line of a file that has one JSON object a line."""
    for number, text in enumerate(raw(path), start=1):
        if not text.strip():
            continue
        try:
            content = json.loads(text)
        except ValueError as error:
            raise SpecInvalid(f"{path}, line {number}: {error}; expected one JSON object a line") from error
        if not isinstance(content, Mapping):
            raise SpecInvalid(f"{path}, line {number}: {text.strip()!r:.60} found, expected a JSON object")
        yield number, content


def as_line(path: Path, number: int, content: Mapping[str, Any]) -> Line:
    """A JSON object as a line: what is inside an object is called outer.inner, and null is unknown."""
    words: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            words |= {f"{name}.{inner}": _word(one) for inner, one in value.items()}
        else:
            words[name] = _word(value)
    return Line(path, number, {name: at for at, name in enumerate(words)}, list(words.values()))


def _word(value: Any) -> str:
    return "" if value is None else str(value)
