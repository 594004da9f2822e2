"""What happened in random histories, counted, so that one sees that they get to what they are for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from omegacell.cellstate.model import MachineStatus, Placement, Reason, Stop, Transaction, Verdict

EXPECTED = frozenset(
    {
        *(f"refused: {reason.name}" for reason in Reason if reason is not Reason.ACCEPTED),
        "a claim was kept in part",
        "a claim took victims",
        "a claim took several victims",
        "a claim found an alternative",
        "a claim got the devices it named",
        "a slot has devices",
        "a slot has several tasks",
        "a slot has several tasks that run again",
        "a slot went on with one task",
        "a slot of several tasks was lost",
        "a slot ended before its last task",
        "a preempted slot ended",
        "a preempted slot was reported as what it was not",
        "a gang was told to restart",
        "a machine was reserved",
        "a job was purged",
    }
)
"""What every run of many histories should see."""


def of_verdict(asked: Transaction, verdict: Verdict) -> Counter[str]:
    """What was answered to a transaction."""
    seen = Counter(f"refused: {Reason(reason).name}" for reason in verdict.reason.tolist() if reason)
    taken = verdict.accepted > 0
    seen["a claim was kept in part"] = int((taken & (verdict.accepted < asked.slots)).sum())
    seen["a claim took victims"] = int((verdict.preempted > 0).sum())
    seen["a claim took several victims"] = int((verdict.preempted > 1).sum())
    seen["a claim found an alternative"] = int((verdict.machine_id != asked.machine_id).sum())
    if len(asked.devices):
        seen["a claim got the devices it named"] = int((taken & (asked.devices > 0)).sum())
    return seen


def of_step(
    before: Iterable[Placement], after: Iterable[Placement], machines: Sequence[MachineStatus]
) -> Counter[str]:
    """What a step did to slots, by what was held before it and after."""
    seen: Counter[str] = Counter()
    was, now = ({_key(slot): slot for slot in slots} for slots in (before, after))
    of = {machine.machine_id: machine for machine in machines}
    kept = {(slot.job_id, slot.attempt, slot.placed_at) for slot in was.values() if slot.count > 1}
    for key, slot in now.items():
        earlier = was.get(key)
        if earlier is None:
            seen["a slot has devices"] += bool(slot.devices)
            seen["a slot has several tasks"] += slot.count > 1
            seen["a slot has several tasks that run again"] += slot.count > 1 and slot.attempt > 1
            seen["a slot went on with one task"] += (slot.job_id, slot.attempt, slot.placed_at) in kept
        told = slot.stop is Stop.PREEMPT and not slot.preempted_by and not (earlier and earlier.stop)
        seen["a gang was told to restart"] += told and of[slot.machine_id].schedulable
    for slot in (slot for key, slot in was.items() if key not in now):
        seen["a preempted slot ended"] += bool(slot.preempted_by)
        seen["a slot of several tasks was lost"] += slot.count > 1 and of[slot.machine_id].epoch != slot.epoch
    return seen


def _key(slot: Placement) -> tuple[int, int, int, int]:
    return slot.job_id, slot.first_index, slot.attempt, slot.count
