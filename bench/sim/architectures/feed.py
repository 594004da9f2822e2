"""What changed in the cell and when, and a copy of the cell that follows it a partition at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omegacell.bench.sim.architectures.windows import Window
from omegacell.bench.sim.engine import Engine
from omegacell.bench.sim.jobs import Float64
from omegacell.cellstate.model import Bool, Int64
from omegacell.cellstate.snapshot import Snapshot

_KEPT_AT_MOST = 4_096
"""When there are more changes than that, all readers take theirs, and they are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """Rows as they were from `at` on: rows, claim_sequence: int64[K]; free: int64[K, R]."""

    at: float
    rows: Int64
    free: Int64
    claim_sequence: Int64


_Columns = tuple[Float64, Int64, Int64, Int64]


class Feed:
    """The changes of the cell in order of time, with their new absolute values."""

    def __init__(self, engine: Engine, whole: Snapshot) -> None:
        self.whole = whole
        self.readers: list[Reader] = []
        self._engine = engine
        self._changes: list[Change] = []
        self._dropped = 0

    def note(self, rows: Int64) -> None:
        """These rows have just changed."""
        self._changes.append(
            Change(
                at=self._engine.now,
                rows=rows,
                free=self.whole.free.take(rows, axis=0),
                claim_sequence=self.whole.claim_sequence.take(rows),
            )
        )
        if len(self._changes) > _KEPT_AT_MOST:
            for reader in self.readers:  # also those that nobody looks at
                reader.catch_up(self._engine.now)
            self._dropped = self.end
            self._changes.clear()

    @property
    def end(self) -> int:
        """The position behind the last change."""
        return self._dropped + len(self._changes)

    def since(self, position: int) -> list[Change]:
        """The changes from that position on, counted from the first there ever was."""
        return self._changes[position - self._dropped :]


class Reader:
    """A copy of the cell of which each partition is as it was when its turn last came.

    Partition p of P is refreshed at the times (k + p / P - ahead) x round_seconds. Nothing happens then: the changes up
    to those times are applied when the copy is next looked at. Devices and named resources stay as in the cell.
    Cost of a look: a pass over the changes that are still ahead, so that it grows with the length of a round.
    """

    def __init__(self, feed: Feed, *, partitions: int, round_seconds: float, ahead: float) -> None:
        self.copy = Window(feed.whole, 0, feed.whole.machines, own=True)
        self.position = 0
        self._feed = feed
        self._round_seconds = round_seconds
        machines = feed.whole.machines
        self._partition: Int64 = np.arange(machines, dtype=np.int64) * partitions // machines
        self._phase: Float64 = (np.arange(partitions) / partitions - ahead) * round_seconds
        self._refreshed: Float64 = np.zeros(partitions)
        self._known: Float64 = np.full(machines, -1.0)  # when what the copy says of a row was true
        # Of the changes whose partitions have not had their turn since: times, rows, and the rows as they then were.
        nothing = np.zeros(0, dtype=np.int64)
        self._ahead: _Columns = np.zeros(0), nothing, feed.whole.free[nothing], nothing
        feed.readers.append(self)

    def catch_up(self, now: float) -> None:
        """Apply what the partitions' turns up to now have brought."""
        rounds = np.floor((now - self._phase) / self._round_seconds)
        self._refreshed = np.maximum(self._phase + rounds * self._round_seconds, 0.0)
        self._read()
        at, rows, free, claim_sequence = self._ahead
        if not len(rows):
            return
        news = self._known[rows] < at
        due = news & (at <= self._refreshed[self._partition[rows]])
        # In order of time, so that of several states of a row the last one stays.
        self._write(rows[due], free[due], claim_sequence[due], at[due])
        later = news & ~due
        self._ahead = at[later], rows[later], free[later], claim_sequence[later]

    def _read(self) -> None:
        """Put the changes since the last look behind those still ahead."""
        changes = self._feed.since(self.position)
        if not changes:
            return
        self.position = self._feed.end
        at, rows, free, claim_sequence = self._ahead
        lengths = [len(change.rows) for change in changes]
        self._ahead = (
            np.concatenate((at, np.repeat([change.at for change in changes], lengths))),
            np.concatenate((rows, *[change.rows for change in changes])),
            np.concatenate((free, *[change.free for change in changes])),
            np.concatenate((claim_sequence, *[change.claim_sequence for change in changes])),
        )

    def told(self, rows: Int64, now: float) -> None:
        """Take these rows as they are."""
        whole = self._feed.whole
        self._write(rows, whole.free[rows], whole.claim_sequence[rows], now)

    def freshest(self) -> Bool:
        """bool[M]: the partition that was refreshed last."""
        chosen: Bool = self._partition == int(np.argmax(self._refreshed))
        return chosen

    def _write(self, rows: Int64, free: Int64, claim_sequence: Int64, at: Float64 | float) -> None:
        self.copy.free[rows] = free
        self.copy.claim_sequence[rows] = claim_sequence
        self._known[rows] = at
