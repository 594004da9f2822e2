"""What happened in random histories, counted, so that one sees that they get to what they are for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from omegacell.cellstate.model import (
    JobState,
    JobStatus,
    MachineStatus,
    Placement,
    Reason,
    Stop,
    Transaction,
    Verdict,
)

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
        *(f"a job ended as {state}" for state in JobState if state.final),
        "a job waits for others",
        "a job that waited for others came to its turn",
        "a job was cancelled for one that it comes after",
        "a job was cancelled task by task",
        "too many tasks of a job failed",
        "the deadline of a job passed",
        "the client of a job was gone",
        "a job was full",
        "a full job got room",
        "tasks were added",
        "tasks were added that were there already",
        "an open job was closed",
        "the lease of a client was renewed",
        "tasks were cancelled alone",
        "tasks that wait to run again were cancelled alone",
        "tasks got a number because a later one was cancelled",
        "endings were read",
        "a claimed job was held",
        "a held job was released",
        "a failed job was tried again",
        "a job got another priority",
        "a service grew",
        "a service shrank",
        "a replica was told to end",
        "a slot that was told to end was lost",
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
        lost = of[slot.machine_id].epoch != slot.epoch
        seen["a preempted slot ended"] += bool(slot.preempted_by)
        seen["a slot of several tasks was lost"] += slot.count > 1 and lost
        seen["a slot that was told to end was lost"] += slot.stop is Stop.CANCEL and lost
    return seen


def of_jobs(before: Mapping[int, JobStatus], after: Mapping[int, JobStatus]) -> Counter[str]:
    """What a step did to jobs, by how they stood before it and after."""
    seen: Counter[str] = Counter()
    for job_id, now in after.items():
        was = before.get(job_id)
        state = was.state if was else JobState.PENDING
        blocked = (state is JobState.BLOCKED, now.state is JobState.BLOCKED)
        seen["a job waits for others"] += blocked == (False, True)
        seen["a job that waited for others came to its turn"] += (
            blocked == (True, False) and not now.state.final
        )
        if now.state.final and not state.final:
            seen[f"a job ended as {now.state}"] += 1
            seen["a job was cancelled task by task"] += now.state is JobState.CANCELLED and not now.reason
        if not was or was.reason != now.reason:
            seen["a job was cancelled for one that it comes after"] += "which it comes after" in now.reason
            seen["too many tasks of a job failed"] += now.reason.startswith("max_failures=")
            seen["the deadline of a job passed"] += now.reason.startswith("its deadline")
            seen["the client of a job was gone"] += now.reason == "its program has ended"
        if was:
            full = (_full(was), _full(now))
            seen["a job was full"] += full == (False, True)
            seen["a full job got room"] += full == (True, False) and now.placed < was.placed
    return seen


def _full(job: JobStatus) -> bool:
    """Whether it holds as much as it may and more waits."""
    return 0 < job.max_running <= job.placed and job.waiting + job.waiting_retry > 0


def _key(slot: Placement) -> tuple[int, int, int, int]:
    return slot.job_id, slot.first_index, slot.attempt, slot.count
