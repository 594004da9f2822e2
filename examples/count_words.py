"""Python callables over files: the most used words of the standard library's docstrings."""

from __future__ import annotations

import ast
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import omegacell as omega


def docstrings(source: str) -> Iterator[str]:
    """Every docstring of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def count_words(path: Path) -> Counter[str]:
    """Words of five letters and more in the docstrings of one file."""
    words = " ".join(docstrings(path.read_text(encoding="utf-8"))).lower().split()
    return Counter(word for word in words if word.isalpha() and len(word) >= 5)


def main() -> None:
    """Count in the cell, add up here."""
    library = Path(sysconfig.get_path("stdlib"))
    with omega.local(machines=2, runtime="process") as cell:
        counts = cell.map(count_words, sorted(library.glob("*.py"))[:40], name="count-words")
        total: Counter[str] = sum(counts.results(), Counter())
    for word, count in total.most_common(10):
        print(f"{count:6d}  {word}")


if __name__ == "__main__":
    main()
