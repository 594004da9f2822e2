"""How many tasks a slot holds: one, until a job's tasks are known to be short; then as many as fill 30 ms. Pure.

A slot costs the same to commit, pull and report whether its task sleeps or adds two numbers. So slots of very short
tasks hold several, run one after another. A slot that turns out slow is no disaster: its worker keeps the task that
runs, and gives the others back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omegacell.cellstate.model import TASKS_PER_SLOT, ClaimedJob, CommitMode, Int64
from omegacell.schedulers.policy import Plan

SLOT_SECONDS = 0.03
"""How long a slot should last: a hundred of them in flight are some 3,000 slots a second, what two cores carry, and
nobody notices a result that comes 30 ms late."""

TRUSTED_UNMEASURED = 8
"""The most tasks of a slot while only the submitter has said how short they are: enough to be of use, and eight times
too long is the worst that a wrong word does."""


def tasks_per_slot(job: ClaimedJob, asked: int) -> int:
    """How many of `asked` tasks each slot of the job should hold, from 1 to TASKS_PER_SLOT.

    As many as last SLOT_SECONDS by the measured mean, so that it shrinks as soon as the mean rises; by the expected
    duration where nothing was measured; 1 where nothing is known, for a gang (its members run at once), for a service
    (its tasks do not end), and for a job with max_running (which counts tasks, not slots). No more than were measured:
    what ends first is the shortest, and a slot is thus never expected to outlast everything that was seen; with S slots
    in flight that still is (S + 1)-fold growth a round. Even: the slots that `asked` tasks need are filled alike, 33
    tasks as 17 + 16 and not as 32 + 1.
    """
    if job.service or job.max_running or job.commit is CommitMode.GANG:
        return 1
    seconds = job.mean_task_seconds if job.measured_tasks else job.expected_duration_seconds
    if not job.measured_tasks and not seconds:
        return 1
    by_duration = min(SLOT_SECONDS / seconds, TASKS_PER_SLOT) if seconds > 0 else TASKS_PER_SLOT
    known = max(job.measured_tasks, TRUSTED_UNMEASURED if job.expected_duration_seconds else 1)
    most = max(min(int(by_duration), known), 1)
    return -(-asked // slots_for(asked, most)) if asked > 0 else 1


def slots_for(asked: int, tasks: int) -> int:
    """How many slots of up to `tasks` tasks hold `asked` of them: the count of a Request."""
    return -(-asked // tasks)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlotClaims:
    """A plan as claims: rows, slots, tasks (of each of a claim's slots): int64[K].

    devices: int64[K], empty where the plan names none. A row may come twice, the second time for the last slot.
    """

    rows: Int64
    slots: Int64
    tasks: Int64
    devices: Int64


def claims_of(plan: Plan, asked: int, tasks: int) -> SlotClaims:
    """The plan's slots with `tasks` tasks each, the last one with what is left of `asked`.

    Together never more than `asked`, if the plan has no more than `slots_for(asked, tasks)` slots.
    """
    each = np.full(len(plan.rows), tasks, dtype=np.int64)
    too_many = plan.placed * tasks - asked
    if too_many <= 0:
        return SlotClaims(rows=plan.rows, slots=plan.slots, tasks=each, devices=plan.devices)
    if plan.slots[-1] == 1:
        each[-1] -= too_many
        return SlotClaims(rows=plan.rows, slots=plan.slots, tasks=each, devices=plan.devices)
    return SlotClaims(
        rows=np.append(plan.rows, plan.rows[-1]),
        slots=np.append(plan.slots[:-1], (plan.slots[-1] - 1, 1)),
        tasks=np.append(each, tasks - too_many),
        devices=np.append(plan.devices, plan.devices[-1:]),
    )
