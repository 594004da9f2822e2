"""The cell's log in memory: what happened, in order, for people to be told (events and conflicts are read from it)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from omegacell.cellstate.judge import Claim, Ruling
from omegacell.cellstate.model import EventKind, JobState

if TYPE_CHECKING:
    from omegacell.cellstate.memory.state import Cell

ROWS_KEPT = 100_000
"""Who reads later than that has missed some, as after a purge of the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsChanged:
    """Jobs that were submitted, changed or have ended, and the state of each right then."""

    at: float
    kind: str
    job_ids: tuple[int, ...]
    states: tuple[JobState, ...]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinesChanged:
    """Machines to which the same happened."""

    at: float
    kind: EventKind
    machine_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsJudged:
    """A transaction: its claims, and what was answered to each."""

    at: float
    scheduler_id: int
    claims: Sequence[Claim]
    rulings: Sequence[Ruling]


@dataclass(slots=True)
class Log:
    """An append-only list of rows, of which the latest are kept; positions count from 0 and are never used again."""

    _rows: deque[object] = field(default_factory=lambda: deque(maxlen=ROWS_KEPT))
    position: int = 0
    """Where the next row will stand."""

    def append(self, row: object) -> None:
        """Add a row; what reads the log knows its kinds of rows."""
        self._rows.append(row)
        self.position += 1

    def since(self, position: int) -> list[object]:
        """The rows kept from a position on, oldest first; the cost grows with them alone."""
        return list(islice(reversed(self._rows), max(self.position - position, 0)))[::-1]


def note(cell: Cell, kind: str, job_ids: Iterable[int], detail: str = "", *, now: float) -> None:
    """Log that jobs were 'submitted', have 'changed' or 'ended', with their states as they are."""
    ids = tuple(job_ids)
    if ids:
        states = tuple(cell.jobs[job_id].state for job_id in ids)
        cell.log.append(JobsChanged(at=now, kind=kind, job_ids=ids, states=states, detail=detail))
