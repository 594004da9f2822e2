"""A program written for ProcessPoolExecutor, with another constructor: words of the standard library's modules."""

from __future__ import annotations

import sysconfig
from collections import Counter
from concurrent.futures import Executor, as_completed
from pathlib import Path

import omegacell as omega


def count_words(path: Path) -> Counter[str]:
    """Words of five letters and more in one file."""
    words = path.read_text(encoding="utf-8").lower().split()
    return Counter(word for word in words if word.isalpha() and len(word) >= 5)


def longest_word(path: Path) -> str:
    """The longest word of a file that has letters only."""
    return max(count_words(path), key=len, default="")


def report(pool: Executor, files: list[Path]) -> None:
    """What any Executor can do."""
    total: Counter[str] = sum(pool.map(count_words, files, chunksize=8), Counter())
    for word, count in total.most_common(5):
        print(f"{count:6d}  {word}")

    futures = {pool.submit(longest_word, path): path for path in files[:5]}
    for future in as_completed(futures, timeout=60):
        print(f"{futures[future].name}: {future.result()}")


def main() -> None:
    """Here the pool is a cell of its own; `with omega.Executor() as pool` takes the one that is up."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:40]
    with omega.local(machines=2, runtime="process") as cell, cell.executor() as pool:
        report(pool, files)


if __name__ == "__main__":
    main()
