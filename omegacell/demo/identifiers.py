"""Part (a): which identifiers does Python's own standard library use most?"""

from __future__ import annotations

import keyword
import sysconfig
import tokenize
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What some files held. `unreadable` are no Python of this version: tests of the tokeniser."""

    files: int
    unreadable: int
    tokens: int
    identifiers: Counter[str]


def standard_library() -> list[Path]:
    """Every .py file of the standard library that this Python runs on, in order of path."""
    root = Path(sysconfig.get_path("stdlib"))
    found = root.rglob("*.py")
    return sorted(path for path in found if not {"site-packages", "dist-packages"} & set(path.parts))


def count(paths: Sequence[str]) -> Count:
    """Tokenise these files: the function that the tasks run."""
    tokens, unreadable = 0, 0
    identifiers: Counter[str] = Counter()
    for path in paths:
        try:
            with open(path, "rb") as file:
                for token in tokenize.tokenize(file.readline):
                    tokens += 1
                    if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                        identifiers[token.string] += 1
        except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
            unreadable += 1
    return Count(files=len(paths), unreadable=unreadable, tokens=tokens, identifiers=identifiers)


def together(counts: Iterable[Count]) -> Count:
    """The sum of several counts."""
    files = unreadable = tokens = 0
    identifiers: Counter[str] = Counter()
    for one in counts:
        files, unreadable, tokens = files + one.files, unreadable + one.unreadable, tokens + one.tokens
        identifiers.update(one.identifiers)
    return Count(files=files, unreadable=unreadable, tokens=tokens, identifiers=identifiers)


def even_chunks(paths: Sequence[Path], chunk_bytes: int) -> list[list[str]]:
    """The paths in their order, cut where a chunk has reached so many bytes, so that tasks last alike."""
    chunks: list[list[str]] = []
    size = chunk_bytes
    for path in paths:
        if size >= chunk_bytes:
            chunks.append([])
            size = 0
        chunks[-1].append(str(path))
        size += path.stat().st_size
    return chunks
