"""Why a job is where it is, in plain sentences, from what its scheduler noted (note.py).

`render` is what `job.explain()` and `omega explain` show of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from omegacell.cellstate.units import bytes_text


def render(explanation: str | Mapping[str, Any]) -> list[str]:
    """Plain sentences, the most telling first; one that says so where no attempt was made yet."""
    told: Mapping[str, Any] = json.loads(explanation) if isinstance(explanation, str) else explanation
    if not told:
        return ["No attempt to place this job has left an explanation yet."]
    if told.get("given_back"):
        return [
            f"Scheduler {told['scheduler']} was told to place nothing more, and put it back in the queue."
        ]
    sentences = [_summary(told)]
    if told.get("asked", 0) < told.get("placed", 0) + told.get("pending", 0):
        sentences.append(f"It was its turn for {_count(told.get('asked', 0), 'task')}; the others follow.")
    if limit := told.get("limit"):
        sentences.append(
            f"No more than {_count(limit['max_running'], 'task')} of it may run at once (max_running), and "
            f"{limit['placed']} {_are(limit['placed'])} placed."
        )
    if told.get("error"):
        sentences.append(f"The policy {told.get('policy')!r} failed: {told['error']}.")
    if told.get("gang"):
        sentences.append(
            f"It is a gang: {_count(told['gang'], 'task')} must be placed at once, and room was found for "
            f"{told.get('planned', 0)}."
        )
    sentences += _of_help(told)
    sentences += _of_room(told)
    sentences += _of_conflicts(told)
    if told.get("gave_up"):
        sentences.append(f"It was given up after {_count(told['gave_up'], 'attempt')}.")
    elif told.get("retry_in"):
        sentences.append(f"It was put back to be tried again {told['retry_in']:g} s later.")
    return sentences


def _summary(told: Mapping[str, Any]) -> str:
    placed, pending = told.get("placed", 0), told.get("pending", 0)
    how = f" with {told['policy']}" if told.get("policy") else ""
    who = f"(by {told.get('scheduler')}{how})"
    return f"Attempt {told.get('attempt')} {who} placed {_count(placed, 'task')} and left {pending} waiting."


def _of_help(told: Mapping[str, Any]) -> list[str]:
    """What was done for a job that does not find its place by itself."""
    sentences = []
    if reserved := told.get("reserved"):
        count, until = reserved["machines"], datetime.fromtimestamp(reserved["until"], UTC)
        sentences.append(
            f"{_count(count, 'machine')} {_are(count)} reserved for it until {until:%H:%M:%S} UTC."
        )
    if taken := told.get("preempted"):
        sentences.append(f"{_count(taken, 'placement')} of lower priority gave way to it.")
    if priority := told.get("unyielding"):
        sentences.append(
            f"Not enough of what holds the machines may give way to it: that has a priority below {priority} and is "
            "preemptible."
        )
    if others := told.get("alternatives"):
        sentences.append(
            f"As {_count(others['conflicts'], 'attempt')} in a row had lost to other schedulers, its claims named "
            f"{_count(others['machines'], 'machine')} that would do as well, and {others['moved']} went to one of them."
        )
    return sentences


def _of_room(told: Mapping[str, Any]) -> list[str]:
    room = told.get("room")
    if not room:
        return []
    if not room["machines"]:
        return ["The cell has no machines; it starts when one joins."]
    of_all = f"of {_count(room['machines'], 'machine')}"
    sentences = []
    if room["unavailable"]:
        sentences.append(
            f"{room['unavailable']} {of_all} {_are(room['unavailable'])} down, drained or cordoned."
        )
    kept = room.get("reserved", 0)
    if kept:
        sentences.append(f"{kept} {of_all} {_are(kept)} reserved for a gang; omega machines says for which.")
    for constraint, refused in room["constraints"].items():
        available = room["machines"] - room["unavailable"] - kept
        if refused == available:
            sentences.append(f"No available machine satisfies {constraint!r}.")
        else:
            sentences.append(f"{refused} {of_all} {_do(refused)} not satisfy {constraint!r}.")
    sentences += [_of_dimension(name, told, of_all) for name in room["dimensions"]]
    if room["dimensions"] and not room["fitting"] and room["nearest"]:
        sentences.append(_of_nearest(room, told.get("needs", {})))
    if room["anti_affinity"]:
        count = room["anti_affinity"]
        sentences.append(
            f"{count} {of_all} {_have(count)} room, but already as many tasks of this job as its "
            "anti-affinity allows."
        )
    return sentences


def _of_dimension(name: str, told: Mapping[str, Any], of_all: str) -> str:
    room, need = told["room"], told.get("needs", {}).get(name, 0)
    refused, largest = room["dimensions"][name], room["largest"].get(name, 0)
    enough = amount_text(name, need)
    if need > largest:
        return (
            f"A task needs {enough}, but the largest machine it may use has {amount_text(name, largest)}: "
            "it starts when a machine that fits joins."
        )
    return f"{refused} {of_all} {_have(refused)} less free than the {enough} that a task needs."


def _of_nearest(room: Mapping[str, Any], needs: Mapping[str, int]) -> str:
    free = ", ".join(
        f"{amount_text(name, room['nearest_free'].get(name, 0))} of the {amount_text(name, need)} needed"
        for name, need in needs.items()
        if room["nearest_free"].get(name, 0) < need
    )
    return f"The nearest miss is machine {room['nearest']!r}, which has free {free}."


def _of_conflicts(told: Mapping[str, Any]) -> list[str]:
    sentences = []
    if told.get("conflicts"):
        sentences.append(f"{_count(told['conflicts'], 'claim')} lost to other schedulers.")
    return sentences + [_of_lost(lost) for lost in told.get("lost", ())]


_NAMES = {"cpu": "cpu_milli", "memory": "memory_bytes", "disk": "disk_bytes", "device": "gpu"}
_WHY = {
    "custom": "too little of a named resource was free by then",
    "victim_gone": "what was to give way to it had ended or given way already, and the rest was too little",
    "victim_protected": "what was to give way to it may not be preempted",
    "sequence": "it had been claimed since this scheduler looked",
    "machine_down": "it is down",
    "machine_cordoned": "it takes no new tasks",
    "machine_unknown": "it is not known any more",
    "job_not_claimed": "the job was no longer this scheduler's",
    "nothing_to_place": "the job had nothing left to place",
    "group": "another claim of its all-or-nothing group was refused",
    "gang": "the gang would not have been complete",
}


def _of_lost(lost: Mapping[str, Any]) -> str:
    reason = lost["reason"]
    why = _WHY.get(reason, reason)
    if reason in _NAMES:
        why = f"only {amount_text(_NAMES[reason], lost.get('free', 0))} was free by then"
    if reason == "machine_reserved":
        why = f"it is reserved for job j{lost.get('free', 0)}"
    rival = ""
    if "rival_scheduler" in lost:
        rival = f", taken by scheduler {lost['rival_scheduler']} (transaction {lost['rival_txn']})"
    return f"{_count(lost['tasks'], 'task')} refused on machine {lost['machine']!r}: {why}{rival}."


def amount_text(dimension: str, amount: int) -> str:
    """An amount with its unit, as people write it: 2500 cpu_milli is "cpu 2.5", as is 2500 of a named resource."""
    if dimension not in ("memory_bytes", "disk_bytes"):
        return f"{dimension.removesuffix('_milli')} {amount / 1000:g}"
    name = dimension.removesuffix("_bytes")
    return f"{name} {bytes_text(amount)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _do(number: int) -> str:
    return "does" if number == 1 else "do"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
