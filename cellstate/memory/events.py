"""What happened, read from the cell's log: a stream of events, and counts of conflicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from omegacell.cellstate.memory.calls import Calls
from omegacell.cellstate.memory.log import ClaimsJudged, JobsChanged, MachinesChanged
from omegacell.cellstate.memory.rows import GENERATION
from omegacell.cellstate.model import ConflictCount, Event, EventKind, Events, Reason, Watermark


class EventCalls(Calls):
    """The log for people; their contract is store.ClientStore's."""

    def events(self, watermark: Watermark | None) -> Events:
        with self._lock:
            log = self._cell.log
            rows = log.since(log.position if watermark is None else int(watermark.snapshot))
            return Events(
                events=tuple(event for row in rows for event in _told(row)),
                watermark=Watermark(generation=GENERATION, snapshot=str(log.position)),
            )

    def conflicts(self, *, since: float) -> tuple[ConflictCount, ...]:
        with self._lock:
            rows = self._cell.log.since(0)
        claims: Counter[tuple[int, int, int, Reason]] = Counter()
        slots: Counter[tuple[int, int, int, Reason]] = Counter()
        for row in rows:
            if isinstance(row, ClaimsJudged) and row.at >= since:
                for claim, ruling in zip(row.claims, row.rulings, strict=True):
                    if ruling.reason.conflict:
                        key = (row.scheduler_id, claim.machine_id, ruling.rival_scheduler, ruling.reason)
                        claims[key] += 1
                        slots[key] += claim.slots - ruling.accepted
        return tuple(
            ConflictCount(
                scheduler_id=key[0],
                machine_id=key[1],
                rival_scheduler=key[2],
                reason=key[3],
                claims=claims[key],
                slots=slots[key],
            )
            for key in sorted(claims)
        )


def _told(row: object) -> Iterator[Event]:
    """What a row of the log tells."""
    match row:
        case ClaimsJudged():
            yield from _claims(row)
        case MachinesChanged(at=at, kind=kind, machine_ids=machine_ids):
            yield from (Event(at=at, kind=kind, machine_id=machine_id) for machine_id in machine_ids)
        case JobsChanged(at=at, kind=word, job_ids=job_ids, states=states, detail=detail):
            kind = EventKind(f"job_{word}")
            for job_id, state in zip(job_ids, states, strict=True):
                yield Event(at=at, kind=kind, job_id=job_id, state=state, detail=detail)
        case _:
            raise TypeError(f"the log holds a {type(row).__name__}, which nobody can tell of")


def _claims(row: ClaimsJudged) -> Iterator[Event]:
    for claim, ruling in zip(row.claims, row.rulings, strict=True):
        told = ((EventKind.PLACED, ruling.machine_id, ruling.accepted, Reason.ACCEPTED),
                (EventKind.REFUSED, claim.machine_id, claim.slots - ruling.accepted, ruling.reason))  # fmt: skip
        for kind, machine_id, count, reason in told:
            if count:
                yield Event(
                    at=row.at,
                    kind=kind,
                    job_id=claim.job_id,
                    machine_id=machine_id,
                    scheduler_id=row.scheduler_id,
                    count=count,
                    reason=reason,
                )
