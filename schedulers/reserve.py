"""Which machines a gang gets reserved that finds no room at once, and when. Pure.

Under a stream of small jobs room for a big gang never comes together by itself: whatever is freed is taken at
once. So a gang that has looked in vain for a while gets just enough machines kept for it, for a short time,
in which what runs there ends and nothing follows. The reservation stands in the store and in everybody's
snapshot; the commit honours it. If it passes unused the gang ages anew, so that a gang that cannot be helped
costs the cell a share of the time only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omegacell.cellstate.model import ClaimedJob, CommitMode, Int64
from omegacell.schedulers import fill
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.feasible import GroupLimit

_REMEMBERED = 10_000
"""Gangs whose last reservation is remembered; one that is forgotten may get its next one too early."""


class Ages:
    """Which gangs are due for a reservation, by how often they looked in vain since their last one.

    Another scheduler of the kind may have the gang next time: it sees an open reservation in its snapshot, and notes
    it. One that has seen none of it may give the gang its next reservation too early.
    """

    def __init__(self) -> None:
        self._last: dict[int, int] = {}

    def due(self, job: ClaimedJob, config: SchedulerConfig, *, now: float) -> bool:
        """Whether a gang that found no room in this attempt either, and holds no reservation, gets one."""
        last = self._last.get(job.job_id, 0)
        since = job.fruitless - (last if last <= job.fruitless else 0)  # it was placed meanwhile, by another
        return (
            job.commit is CommitMode.GANG
            and 0 < config.reserve_after_attempts <= since
            and now - job.submitted_at >= config.reserve_after_seconds
        )

    def reserved(self, job: ClaimedJob) -> None:
        """The gang holds a reservation in this attempt: it ages from here on."""
        self._last.pop(job.job_id, None)
        self._last[job.job_id] = job.fruitless
        if len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]

    def placed(self, job_id: int) -> None:
        """The gang has found room: its next wait is a new one."""
        self._last.pop(job_id, None)


def machines_for(
    missing: int, capacity: Int64, room: Int64, limits: Sequence[GroupLimit] = (), rows: Int64 | None = None
) -> Int64:
    """The positions of just enough machines for `missing` slots, by least draining; none if all do not suffice.

    capacity, room: int64[K], slots each machine would have empty and has now; `rows` find their groups. What runs there
    and for how long nobody knows: the share of its slots that must drain first stands for the time that takes.
    """
    able = np.flatnonzero(capacity)
    drained = 1.0 - np.minimum(room[able], capacity[able]) / capacity[able]
    order = able[np.lexsort((able, -capacity[able], drained))]
    at = order if rows is None else rows[order]
    slots = fill.in_order(capacity[order], missing, limits, at)
    if int(slots.sum()) < missing:
        return np.zeros(0, dtype=np.int64)
    return np.sort(_without_spare(order[slots > 0], capacity, missing, limits))


def _without_spare(chosen: Int64, capacity: Int64, missing: int, limits: Sequence[GroupLimit]) -> Int64:
    """Less those that the others can do without, the smallest first. Under group limits nobody is left out."""
    if limits:
        return chosen
    spare = int(capacity[chosen].sum()) - missing
    kept = []
    for position in chosen[np.argsort(capacity[chosen], kind="stable")].tolist():
        if int(capacity[position]) <= spare:
            spare -= int(capacity[position])
        else:
            kept.append(position)
    return np.array(kept, dtype=np.int64)
