"""What a transaction finds of jobs, machines and victims, less what it has taken so far. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from omegacell.cellstate.model import Amounts, CommitMode, Detection, Reason
from omegacell.cellstate.record import record
from omegacell.cellstate.room import Room

PlacementKey = tuple[int, int, int]
"""job_id, first_index and attempt of a placement that a claim names as its victim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFound:
    """A machine as the transaction finds it, with the room it has, which is left as it is.

    `last_claim_scheduler` is who committed `last_claim_txn`; None and 0 where the machine was never claimed.
    reserved_job is 0 where nothing is reserved.
    """

    room: Room
    claim_sequence: int
    up: bool
    schedulable: bool
    last_claim_txn: UUID | None
    last_claim_scheduler: int
    reserved_job: int = 0
    reserved_priority: int = 0
    reserved_until: float = 0.0


@record(eq=True)
class JobFound:
    """A job that the caller has claimed, as the transaction finds it.

    `amounts` are a slot's. `placed` counts the slots that are not told to stop, and the tasks that have ended
    for good: what a gang's minimum asks for. `pending` counts the tasks that may be placed now: unnumbered
    ones and retries that are due, and no more than max_running (0: no limit) lets in beside those placed.
    alternatives: machine ids, best first.
    """

    amounts: Amounts
    priority: int
    detection: Detection
    commit: CommitMode
    gang_min: int
    task_count: int
    placed: int
    pending: int
    max_running: int = 0
    alternatives: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VictimFound:
    """A placement that a claim names, as the transaction finds it: what it holds, and its job's rank.

    devices: a mask. `taken`: an earlier transaction's claim took its place.
    """

    machine_id: int
    amounts: Amounts
    devices: int
    priority: int
    preemptible: bool
    taken: bool


class Found:
    """What the transaction finds, less what its claims have taken so far."""

    def __init__(
        self,
        *,
        now: float,
        machines: Mapping[int, MachineFound],
        victims: Mapping[PlacementKey, VictimFound],
    ) -> None:
        self.machines = machines
        self.victims = victims
        self.taken: set[PlacementKey] = set()
        self._now = now
        self._rooms: dict[int, Room] = {}

    def barred(self, job: JobFound, job_id: int, machine_id: int) -> tuple[Reason, int]:
        """Why nothing of the job may be placed on the machine, however much room there is; ACCEPTED if it may."""
        machine = self.machines.get(machine_id)
        if machine is None:
            return Reason.MACHINE_UNKNOWN, 0
        if not machine.up:
            return Reason.MACHINE_DOWN, 0
        if not machine.schedulable:
            return Reason.MACHINE_CORDONED, 0
        kept_for_another = machine.reserved_job not in (0, job_id) and machine.reserved_until > self._now
        if kept_for_another and machine.reserved_priority >= job.priority:
            return Reason.MACHINE_RESERVED, machine.reserved_job
        return Reason.ACCEPTED, 0

    def room(self, machine_id: int) -> Room:
        """What is free on a known machine, to be changed as claims are kept."""
        room = self._rooms.get(machine_id)
        if room is None:
            room = self._rooms[machine_id] = self.machines[machine_id].room.copy()
        return room

    def take_victim(self, key: PlacementKey) -> None:
        """Let a victim's room be free."""
        victim = self.victims[key]
        self.room(victim.machine_id).give(victim.amounts, devices=victim.devices)
        self.taken.add(key)

    def give_victim_back(self, key: PlacementKey) -> None:
        """Undo take_victim."""
        victim = self.victims[key]
        self.room(victim.machine_id).take(victim.amounts, devices=victim.devices)
        self.taken.discard(key)
