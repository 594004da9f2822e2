"""The queue of jobs that have work and are nobody's: by priority, then first in first out, from a time on."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class QueueRow:
    """A queued job; a larger `position` came later."""

    kind: str
    priority: int
    position: int
    not_before: float


class JobQueue:
    """At most one row per job, kept per scheduler kind.

    The rows are the truth. Two heaps per kind find the next job without a scan: `waiting` by time, `ready`
    by (priority, position). Entries whose row is gone or moved are dropped when they surface, so that every
    operation costs a logarithm. Needs a clock that does not go back: ready entries stay ready.
    """

    def __init__(self) -> None:
        self._rows: dict[int, QueueRow] = {}
        self._last_position = 0
        self._waiting: dict[str, list[tuple[float, int, int]]] = {}
        self._ready: dict[str, list[tuple[int, int, int]]] = {}

    def __contains__(self, job_id: int) -> bool:
        return job_id in self._rows

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows)

    def put(self, job_id: int, *, kind: str, priority: int, not_before: float) -> None:
        """Add a job at the end of its priority; one already there keeps its place and the earlier time."""
        row = self._rows.get(job_id)
        if row is None:
            self._last_position += 1
            row = QueueRow(kind=kind, priority=priority, position=self._last_position, not_before=not_before)
            self._rows[job_id] = row
        elif not_before < row.not_before:
            row.not_before = not_before
        else:
            return
        heapq.heappush(self._waiting.setdefault(kind, []), (not_before, row.position, job_id))

    def rank(self, job_id: int, *, priority: int) -> None:
        """Give a queued job another priority; among those of the same it keeps its place."""
        row = self._rows.get(job_id)
        if row is not None:
            row.priority = priority
            heapq.heappush(self._waiting.setdefault(row.kind, []), (row.not_before, row.position, job_id))

    def remove(self, job_id: int) -> None:
        """Take a job off the queue, if it is there."""
        self._rows.pop(job_id, None)

    def take(self, kind: str, *, limit: int, now: float) -> list[int]:
        """Take up to `limit` due jobs of a scheduler kind off the queue, in its order."""
        waiting, ready = self._waiting.setdefault(kind, []), self._ready.setdefault(kind, [])
        while waiting and waiting[0][0] <= now:
            _, position, job_id = heapq.heappop(waiting)
            row = self._rows.get(job_id)
            if row is not None and row.position == position:
                heapq.heappush(ready, (-row.priority, position, job_id))
        taken: list[int] = []
        while ready and len(taken) < limit:
            rank, position, job_id = heapq.heappop(ready)
            row = self._rows.get(job_id)
            if row is not None and (-row.priority, row.position) == (rank, position):
                del self._rows[job_id]
                taken.append(job_id)
        return taken
