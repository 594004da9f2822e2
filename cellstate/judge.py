"""The commit rule: which claims of a transaction are kept, and why the others are not. Pure.

The in-memory store commits by it; sql/functions/judge_claims.sql is its twin, and the stateful tests hold
the two equal. What goes in is the state *before* the transaction; each claim is judged against that plus
the accepted claims before it, so a refused claim never takes room from a later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import UUID

from omegacell.cellstate.model import DIMENSIONS, CommitMode, Detection, Reason

_DIMENSION_REASONS = (Reason.CPU, Reason.MEMORY, Reason.DISK)
assert len(_DIMENSION_REASONS) == len(DIMENSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A wish for `slots` placements of a job on a machine, made when its claim_sequence was the one given."""

    job_id: int
    machine_id: int
    slots: int
    claim_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFound:
    """A machine as the transaction finds it; tuples are in the order of DIMENSIONS.

    `last_claim_scheduler` is who committed `last_claim_txn`; None and 0 where the machine was never claimed.
    """

    capacity: tuple[int, ...]
    used: tuple[int, ...]
    claim_sequence: int
    up: bool
    schedulable: bool
    last_claim_txn: UUID | None
    last_claim_scheduler: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFound:
    """A job that the caller has claimed, as the transaction finds it.

    `placed` counts the tasks that hold a placement or have ended for good: what a gang's minimum asks for.
    `pending` counts those that may be placed now: unnumbered ones and retries that are due.
    """

    amounts: tuple[int, ...]
    detection: Detection
    commit: CommitMode
    gang_min: int
    task_count: int
    placed: int
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The answer to one claim, in Verdict's terms."""

    accepted: int
    reason: Reason
    free: int = 0
    rival_txn: UUID | None = None
    rival_scheduler: int = 0


def judge(
    *,
    token_valid: bool,
    claims: Sequence[Claim],
    jobs: Mapping[int, JobFound],
    machines: Mapping[int, MachineFound],
) -> tuple[Ruling, ...]:
    """One ruling per claim, in order.

    The claims of a job stand together and ask for at least one slot each; jobs are judged in order of their
    first claim. `jobs` holds only those the caller has claimed and may place, `machines` only known ones.
    """
    if not token_valid:
        return (Ruling(accepted=0, reason=Reason.TOKEN_LOST),) * len(claims)
    room = _Room(machines)
    rulings: list[Ruling] = []
    for job_id, of_job in groupby(claims, key=lambda claim: claim.job_id):
        group = tuple(of_job)
        job = jobs.get(job_id)
        if job is None:
            rulings += [Ruling(accepted=0, reason=Reason.JOB_NOT_CLAIMED)] * len(group)
        else:
            rulings += _judge_job(job, group, machines, room)
    return tuple(rulings)


def _judge_job(
    job: JobFound, claims: Sequence[Claim], machines: Mapping[int, MachineFound], room: _Room
) -> list[Ruling]:
    """Judge every claim of one job, also after a refusal, and undo them all if the group is refused."""
    left = job.pending
    rulings: list[Ruling] = []
    for claim in claims:
        ruling = _judge_claim(job, claim, machines.get(claim.machine_id), room, left)
        if ruling.accepted:
            room.take(claim.machine_id, job.amounts, ruling.accepted)
            left -= ruling.accepted
        rulings.append(ruling)
    refusal = _group_refusal(job, rulings, accepted=job.pending - left)
    if refusal is Reason.ACCEPTED:
        return rulings
    for claim, ruling in zip(claims, rulings, strict=True):
        if ruling.accepted:
            room.take(claim.machine_id, job.amounts, -ruling.accepted)
    return [_undone(ruling, refusal) for ruling in rulings]


def _judge_claim(job: JobFound, claim: Claim, machine: MachineFound | None, room: _Room, left: int) -> Ruling:
    """One claim against the room its accepted predecessors left, and the `left` tasks of its job."""
    if machine is None:
        return Ruling(accepted=0, reason=Reason.MACHINE_UNKNOWN)
    if not machine.up:
        return Ruling(accepted=0, reason=Reason.MACHINE_DOWN)
    if not machine.schedulable:
        return Ruling(accepted=0, reason=Reason.MACHINE_CORDONED)
    was_claimed = claim.claim_sequence != machine.claim_sequence
    rival_txn = machine.last_claim_txn if was_claimed else None
    rival_scheduler = machine.last_claim_scheduler if was_claimed else 0
    if was_claimed and job.detection is Detection.COARSE:
        return Ruling(
            accepted=0,
            reason=Reason.SEQUENCE,
            free=machine.claim_sequence,
            rival_txn=rival_txn,
            rival_scheduler=rival_scheduler,
        )
    ruling = Ruling(accepted=claim.slots, reason=Reason.ACCEPTED)
    fit, dimension = _fit(room.free(claim.machine_id), job.amounts, wanted=claim.slots)
    if fit < claim.slots:
        ruling = Ruling(
            accepted=fit,
            reason=_DIMENSION_REASONS[dimension],
            free=room.free(claim.machine_id)[dimension],
            rival_txn=rival_txn,
            rival_scheduler=rival_scheduler,
        )
    if ruling.accepted > left:
        ruling = Ruling(accepted=left, reason=Reason.NOTHING_TO_PLACE, free=left)
    if job.commit is CommitMode.ALL_OR_NOTHING and ruling.reason is not Reason.ACCEPTED:
        return replace(ruling, accepted=0)
    return ruling


def _fit(free: Sequence[int], amounts: Sequence[int], *, wanted: int) -> tuple[int, int]:
    """How many of `wanted` slots fit, and the first dimension that allows no more (if fewer than wanted)."""
    fit, dimension = wanted, 0
    for index, amount in enumerate(amounts):
        if amount > 0 and free[index] // amount < fit:
            fit, dimension = free[index] // amount, index
    return max(fit, 0), dimension


def _group_refusal(job: JobFound, rulings: Iterable[Ruling], *, accepted: int) -> Reason:
    """Why the job's claims are refused together; ACCEPTED where each stands for itself or all are kept."""
    if job.commit is CommitMode.ALL_OR_NOTHING:
        complete = all(ruling.reason is Reason.ACCEPTED for ruling in rulings)
        return Reason.ACCEPTED if complete else Reason.GROUP
    if job.commit is CommitMode.GANG:
        return Reason.ACCEPTED if job.placed + accepted >= (job.gang_min or job.task_count) else Reason.GANG
    return Reason.ACCEPTED


def _undone(ruling: Ruling, refusal: Reason) -> Ruling:
    """A ruling of a refused group: what failed keeps its own reason, what had passed gets the group's."""
    if ruling.reason is Reason.ACCEPTED:
        return Ruling(accepted=0, reason=refusal)
    return replace(ruling, accepted=0)


class _Room:
    """What is free on each machine, less what this transaction has taken so far."""

    def __init__(self, machines: Mapping[int, MachineFound]) -> None:
        self._machines = machines
        self._free: dict[int, list[int]] = {}

    def free(self, machine_id: int) -> list[int]:
        """Free amounts of a known machine, in the order of DIMENSIONS."""
        if machine_id not in self._free:
            machine = self._machines[machine_id]
            self._free[machine_id] = [
                capacity - used for capacity, used in zip(machine.capacity, machine.used, strict=True)
            ]
        return self._free[machine_id]

    def take(self, machine_id: int, amounts: Sequence[int], slots: int) -> None:
        """Count `slots` placements of `amounts`; negative gives them back."""
        free = self.free(machine_id)
        for index, amount in enumerate(amounts):
            free[index] -= slots * amount
