"""The last rung against contention: claims that bring ranked alternatives, all judged under the same locks. Pure.

Whoever loses k attempts in a row asks for one slot a claim from then on, and names the machines that would do
as well. The commit locks them all and gives a refused claim the first with room, under fine detection. So, as
long as one of the machines named has room at that moment, the claim is accepted, whatever rivals did since
the scheduler looked: a feasible claim commits within k + 1 attempts.

The limit of that bound: it holds for what is named. All machines that could take the task by the snapshot are
named, at most `alternatives_at_most` of them (1,000: a commit that locks more holds up everybody else); in a
larger cell a random choice, drawn anew for each attempt, and rivals would have to fill all of it between the
sync and the commit.
"""

from __future__ import annotations

import numpy as np

from omegacell.cellstate.model import ClaimedJob, CommitMode, Int64
from omegacell.schedulers.ranges import SlotClaims

SLOTS_AT_MOST = 100
"""Slots a job asks for beside alternatives: each refused one may look at each machine named, all locked meanwhile."""


def needed(job: ClaimedJob, after_conflicts: int) -> bool:
    """Whether the job's claims should carry alternatives in this attempt; `after_conflicts` 0: never.

    The store knows nothing of anti-affinity, so two claims of a job that has some must not move together: such a
    job asks for a single slot, which only a job placed in parts can.
    """
    if not after_conflicts or job.conflicts < after_conflicts:
        return False
    return not job.anti_affinity or job.commit is CommitMode.INCREMENTAL


def slots_at_most(job: ClaimedJob, slots: int) -> int:
    """How many of `slots` a job asks for beside alternatives; a job that is not placed in parts keeps them all."""
    if job.commit is not CommitMode.INCREMENTAL:
        return slots
    return min(slots, 1 if job.anti_affinity else SLOTS_AT_MOST)


def one_slot_each(claims: SlotClaims) -> SlotClaims:
    """The same slots, a claim for each."""
    return SlotClaims(
        rows=np.repeat(claims.rows, claims.slots),
        slots=np.ones(int(claims.slots.sum()), dtype=np.int64),
        tasks=np.repeat(claims.tasks, claims.slots),
        devices=np.repeat(claims.devices, claims.slots) if len(claims.devices) else claims.devices,
    )


def ranked(planned: Int64, feasible: Int64, at_most: int, rng: np.random.Generator) -> Int64:
    """The rows to name, best first: those of the plan in its order, then other feasible ones in random order.

    Random, as what the policy likes is what its rivals like; and so that none is left out every time.
    """
    first = planned[np.sort(np.unique(planned, return_index=True)[1])]
    others = rng.permutation(np.setdiff1d(feasible, first))
    return np.concatenate((first, others))[:at_most]
