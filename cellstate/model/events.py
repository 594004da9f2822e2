"""What happened in the cell, for people: the cell's log as a stream, and as counts of conflicts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from omegacell.cellstate.model.feed import Watermark
from omegacell.cellstate.model.states import JobState, Reason


class EventKind(StrEnum):
    """What an event tells."""

    JOB_SUBMITTED = "job_submitted"
    JOB_CHANGED = "job_changed"
    JOB_ENDED = "job_ended"
    PLACED = "placed"
    REFUSED = "refused"
    MACHINE_UP = "machine_up"
    MACHINE_LOST = "machine_lost"
    MACHINE_DRAINED = "machine_drained"
    MACHINE_UNCORDONED = "machine_uncordoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; ids that it does not speak of are 0.

    PLACED and REFUSED: `scheduler_id`'s claim of `count` slots of the job on the machine, with the reason. JOB_...:
    `state` as it was then ("" elsewhere), and in `detail` what changed (held, released, scaled to 5, retried ...).
    """

    at: float
    kind: EventKind
    job_id: int = 0
    machine_id: int = 0
    scheduler_id: int = 0
    count: int = 0
    reason: Reason = Reason.ACCEPTED
    state: JobState | str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What happened since a watermark, oldest first, and the watermark to come back with."""

    events: tuple[Event, ...]
    watermark: Watermark


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictCount:
    """How many claims of a scheduler on a machine were refused for one reason while one rival's claim stood there.

    Only refusals that are conflicts (Reason.conflict). rival_scheduler is 0 where none is known. `slots` were refused.
    """

    scheduler_id: int
    machine_id: int
    rival_scheduler: int
    reason: Reason
    claims: int
    slots: int
