"""The change feed: which machines each committed change touched, in order."""

from __future__ import annotations

from collections.abc import Iterable

ENTRIES_KEPT = 100_000
"""A reader further behind loads everything, which is cheaper than reading that many changes."""


class Feed:
    """An append-only list of changes; positions count from 0 and are never used again."""

    def __init__(self) -> None:
        self._first = 0
        self._entries: list[tuple[tuple[int, ...], bool]] = []

    @property
    def position(self) -> int:
        """Where the next change will stand."""
        return self._first + len(self._entries)

    def append(self, machine_ids: Iterable[int], *, facts: bool = False) -> None:
        """Note a change of these machines' rows and, with `facts`, of their cold facts too."""
        self._entries.append((tuple(machine_ids), facts))
        if len(self._entries) >= 2 * ENTRIES_KEPT:  # in bulk, so that an append stays cheap
            del self._entries[:ENTRIES_KEPT]
            self._first += ENTRIES_KEPT

    def holds(self, position: int) -> bool:
        """Whether every change since `position` can still be read."""
        return self._first <= position <= self.position

    def since(self, position: int) -> tuple[set[int], set[int], int]:
        """Machines whose rows changed, those whose facts changed, and the number of changes read."""
        rows: set[int] = set()
        facts: set[int] = set()
        entries = self._entries[position - self._first :]
        for machine_ids, facts_too in entries:
            rows.update(machine_ids)
            if facts_too:
                facts.update(machine_ids)
        return rows, facts, len(entries)
