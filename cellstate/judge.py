"""The commit rule: which claims of a transaction are kept, and why the others are not. Pure.

The in-memory store commits by it; sql/functions/judge_claims.sql is its twin, and the stateful tests hold
the two equal. What goes in is the state *before* the transaction; each claim is judged against that plus
the accepted claims before it, so a refused claim never takes room from a later one.

A claim of a job that its caller holds, in this order:
1. Its machine must be known, up, schedulable, not reserved (for another job, of a priority no lower than
   this job's, until a time after now), and under coarse detection as it was seen.
2. As many slots as fit are kept: in every dimension, then on devices, then in each named resource by name; the
   first that allows fewest is the reason. Devices: a share goes on the device with least room that has enough,
   of equals the first; whole devices are the first that are entirely free. Named devices (one slot) must be as
   many as the task wants, and all have room. `free` then is the most that one device has free (share),
   DEVICE_MILLI x free devices (whole), or the least free of those named (0 if there are too many or too few or
   one does not exist).
3. If nothing fits, tasks are left, and it names victims: one after another gives its room, until it fits. One that
   is not placed there under its attempt, or was taken by another claim, before or in this transaction, is gone
   and passed over; one that is not preemptible or not of lower priority refuses the claim (VICTIM_PROTECTED). If
   they do not suffice none is taken, and the reason is VICTIM_GONE if one was gone, else what did not fit.
4. No more slots than ceil(tasks left / tasks per slot): NOTHING_TO_PLACE with `free` = tasks left. (Left are those
   that may be placed now: with max_running, no more than it lets in, one a slot.) What it keeps
   lowers what is left by slots x tasks per slot, at most to zero. (Slots may hold fewer where retry ranges are
   short: then more is left than was counted, never less.)
5. If nothing is kept because of the machine, the sequence, or room (1 to 3, not VICTIM_PROTECTED), and tasks are
   left: the job's alternatives, by rank, each as in 1 and 2 under fine detection and without named devices; the
   first with room takes the claim, which is then accepted.
Then the group: all_or_nothing keeps a job's claims only if every one is accepted in full; gang only if the slots
placed (those told to stop do not count), the tasks ended and the slots kept reach its minimum. A refused group
gives back everything, victims too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import UUID

from omegacell.cellstate.found import Found, JobFound, MachineFound, PlacementKey, VictimFound
from omegacell.cellstate.model import CommitMode, Detection, Reason
from omegacell.cellstate.room import Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A wish for `slots` placements of a job on a machine, made when its claim_sequence was the one given.

    Each slot is to run `tasks` tasks. devices: a mask of those the one slot wants, 0 for any.
    """

    job_id: int
    machine_id: int
    slots: int
    claim_sequence: int
    tasks: int = 1
    devices: int = 0
    victims: tuple[PlacementKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The answer to one claim, in Verdict's terms; `devices` has a mask per slot of a job that needs devices."""

    accepted: int
    reason: Reason
    machine_id: int
    free: int = 0
    rival_txn: UUID | None = None
    rival_scheduler: int = 0
    devices: tuple[int, ...] = ()
    victims: tuple[PlacementKey, ...] = ()


def judge(
    *,
    token_valid: bool,
    now: float,
    claims: Sequence[Claim],
    jobs: Mapping[int, JobFound],
    machines: Mapping[int, MachineFound],
    victims: Mapping[PlacementKey, VictimFound],
) -> tuple[Ruling, ...]:
    """One ruling per claim, in order.

    The claims of a job stand together and ask for at least one slot each; jobs are judged in order of their
    first claim. `jobs` holds only those the caller has claimed and may place, `machines` only known ones (of
    claims and alternatives), `victims` those of the named placements that there are.
    """
    if not token_valid:
        return tuple(_refused(claim, Reason.TOKEN_LOST) for claim in claims)
    found = Found(now=now, machines=machines, victims=victims)
    rulings: list[Ruling] = []
    for job_id, of_job in groupby(claims, key=lambda claim: claim.job_id):
        group = tuple(of_job)
        job = jobs.get(job_id)
        if job is None:
            rulings += [_refused(claim, Reason.JOB_NOT_CLAIMED) for claim in group]
        else:
            rulings += _judge_job(job, group, found)
    return tuple(rulings)


def tasks_per_slot(job: JobFound, claim: Claim) -> int:
    """How many tasks a slot of the claim may hold.

    One where it matters how many run: a gang's run together, and of a job with max_running no more than so many.
    """
    return 1 if job.commit is CommitMode.GANG or job.max_running else claim.tasks


def _judge_job(job: JobFound, claims: Sequence[Claim], found: Found) -> list[Ruling]:
    """Judge every claim of one job, also after a refusal, and undo them all if the group is refused."""
    left = job.pending
    rulings: list[Ruling] = []
    for claim in claims:
        ruling = _judge_claim(job, claim, found, left)
        left = max(left - ruling.accepted * tasks_per_slot(job, claim), 0)
        rulings.append(ruling)
    refusal = _group_refusal(job, rulings)
    if refusal is Reason.ACCEPTED:
        return rulings
    for ruling in reversed(rulings):
        _undo(job, ruling, found)
    return [
        _refused(claim, refusal)
        if ruling.reason is Reason.ACCEPTED
        else replace(ruling, accepted=0, devices=(), victims=())
        for claim, ruling in zip(claims, rulings, strict=True)
    ]


def _group_refusal(job: JobFound, rulings: Sequence[Ruling]) -> Reason:
    """Why the job's claims are refused together; ACCEPTED where each stands for itself or all are kept."""
    if job.commit is CommitMode.ALL_OR_NOTHING:
        complete = all(ruling.reason is Reason.ACCEPTED for ruling in rulings)
        return Reason.ACCEPTED if complete else Reason.GROUP
    if job.commit is CommitMode.GANG:
        together = job.placed + sum(ruling.accepted for ruling in rulings)
        return Reason.ACCEPTED if together >= (job.gang_min or job.task_count) else Reason.GANG
    return Reason.ACCEPTED


def _undo(job: JobFound, ruling: Ruling, found: Found) -> None:
    """Give back what a kept claim took, victims too."""
    if not ruling.accepted:
        return
    room = found.room(ruling.machine_id)
    if ruling.devices:
        for devices in ruling.devices:
            room.give(job.amounts, devices=devices)
    else:
        room.give(job.amounts, slots=ruling.accepted)
    for key in ruling.victims:
        found.give_victim_back(key)


def _judge_claim(job: JobFound, claim: Claim, found: Found, left: int) -> Ruling:
    """One claim against the room its accepted predecessors left and the `left` tasks of its job; takes its room."""
    ruling = _on_its_machine(job, claim, found, left)
    if ruling.accepted or not left or ruling.reason in (Reason.NOTHING_TO_PLACE, Reason.VICTIM_PROTECTED):
        return ruling
    for machine_id in job.alternatives:
        barred, _ = found.barred(job, claim.job_id, machine_id)
        if barred is Reason.ACCEPTED and found.room(machine_id).fit(job.amounts, wanted=1).slots:
            devices = found.room(machine_id).place(job.amounts, slots=1)
            return Ruling(accepted=1, reason=Reason.ACCEPTED, machine_id=machine_id, devices=devices)
    return ruling


def _on_its_machine(job: JobFound, claim: Claim, found: Found, left: int) -> Ruling:
    """One claim on the machine it names."""
    reason, free = found.barred(job, claim.job_id, claim.machine_id)
    if reason is not Reason.ACCEPTED:
        return _refused(claim, reason, free)
    machine = found.machines[claim.machine_id]
    rival = machine if claim.claim_sequence != machine.claim_sequence else None
    if rival and job.detection is Detection.COARSE:
        return _refused(claim, Reason.SEQUENCE, machine.claim_sequence, rival=rival)
    room = found.room(claim.machine_id)
    fit = room.fit(job.amounts, wanted=claim.slots, named=claim.devices)
    victims: tuple[PlacementKey, ...] = ()
    if not fit.slots and left and claim.victims:
        fit, victims = _make_room(job, claim, found, fit)
    slots_left = -(-left // tasks_per_slot(job, claim))
    if fit.slots > slots_left:
        fit = Fit(slots_left, Reason.NOTHING_TO_PLACE, left)
    accepted = fit.slots
    if job.commit is CommitMode.ALL_OR_NOTHING and fit.reason is not Reason.ACCEPTED:
        accepted = 0
    devices = room.place(job.amounts, slots=accepted, named=claim.devices) if accepted else ()
    if fit.reason is not Reason.ACCEPTED:
        refused = _refused(claim, fit.reason, fit.free, rival=rival)
        return replace(refused, accepted=accepted, devices=devices) if accepted else refused
    return Ruling(
        accepted=accepted,
        reason=Reason.ACCEPTED,
        machine_id=claim.machine_id,
        devices=devices,
        victims=victims,
    )


def _make_room(job: JobFound, claim: Claim, found: Found, unfit: Fit) -> tuple[Fit, tuple[PlacementKey, ...]]:
    """Take the claim's victims until its slot fits: that, and whom it took; else none, and why not.

    A victim is not looked at before its turn, so that one no longer needed may well be gone or protected.
    """
    room = found.room(claim.machine_id)
    taken: list[PlacementKey] = []
    for key in claim.victims:
        victim = found.victims.get(key)
        if victim is None or victim.machine_id != claim.machine_id or victim.taken or key in found.taken:
            unfit = unfit._replace(reason=Reason.VICTIM_GONE)
            continue
        if not victim.preemptible or victim.priority >= job.priority:
            unfit = Fit(0, Reason.VICTIM_PROTECTED, 0)
            break
        found.take_victim(key)
        taken.append(key)
        fit = room.fit(job.amounts, wanted=1, named=claim.devices)
        if fit.slots:
            return fit, tuple(taken)
    for key in taken:
        found.give_victim_back(key)
    return unfit, ()


def _refused(claim: Claim, reason: Reason, free: int = 0, *, rival: MachineFound | None = None) -> Ruling:
    """A ruling that keeps nothing; `rival` is the claim's machine if that was claimed since it was seen."""
    told = rival if rival and reason.conflict else None
    return Ruling(
        accepted=0,
        reason=reason,
        machine_id=claim.machine_id,
        free=free,
        rival_txn=told.last_claim_txn if told else None,
        rival_scheduler=told.last_claim_scheduler if told else 0,
    )
