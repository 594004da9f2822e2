"""What happened, read from the cell's log: a stream of events, and counts of conflicts."""

from __future__ import annotations

from typing import Any

from omegacell.cellstate.model import (
    ConflictCount,
    Event,
    EventKind,
    Events,
    JobState,
    Reason,
    Watermark,
)
from omegacell.cellstate.postgres import watermarks
from omegacell.cellstate.postgres.calls import Calls

_EVERYTHING = "1:1:"
"""A snapshot from before all transactions."""


class EventCalls(Calls):
    """The log for people; their contract is store.ClientStore's."""

    def events(self, watermark: Watermark | None) -> Events:
        """What happened since `watermark`, oldest first."""
        snapshot, up_since = watermarks.read(watermark)
        rows = self._connections.call("read_events", snapshot, up_since)
        if watermark is not None and rows[0].generation != watermark.generation:
            # Restored from a backup: the log began anew with it, and its transactions cannot be compared with ours.
            rows = self._connections.call("read_events", _EVERYTHING, rows[0].up_since)
        last = rows[0]
        return Events(
            events=tuple(_event(row) for row in rows if row.kind is not None),
            watermark=watermarks.written(last.generation, last.snapshot, last.up_since),
        )

    def conflicts(self, *, since: float) -> tuple[ConflictCount, ...]:
        """Claims refused for a conflict since that time, counted by scheduler, machine, rival and reason."""
        return tuple(
            ConflictCount(**row._asdict() | {"reason": Reason(row.reason)})
            for row in self._connections.call("count_conflicts", since)
        )


def _event(row: Any) -> Event:
    return Event(
        at=row.at,
        kind=EventKind(row.kind),
        job_id=row.job_id,
        machine_id=row.machine_id,
        scheduler_id=row.scheduler_id,
        count=row.count,
        reason=Reason(row.reason),
        state=JobState(row.state) if row.state else "",
        detail=row.detail,
    )
