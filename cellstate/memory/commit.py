"""Judging a transaction and doing what was judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

from omegacell.cellstate.found import JobFound, MachineFound
from omegacell.cellstate.judge import Claim, Ruling, judge, tasks_per_slot
from omegacell.cellstate.memory import preemption, slots
from omegacell.cellstate.memory.log import ClaimsJudged
from omegacell.cellstate.memory.queueing import unclaim
from omegacell.cellstate.memory.reservations import let_go
from omegacell.cellstate.memory.rows import machine_rows
from omegacell.cellstate.memory.state import TRANSACTIONS_KEPT, Cell, CommittedClaim, Job, Machine, Scheduler
from omegacell.cellstate.model import (
    JobState,
    Placement,
    Reason,
    RetryRange,
    Stop,
    Transaction,
    Verdict,
)
from omegacell.cellstate.room import device_indexes
from omegacell.cellstate.rulings import claims_of, verdict_of
from omegacell.cellstate.transactions import check_transaction


def commit(cell: Cell, transaction: Transaction, *, now: float) -> Verdict:
    """Judge and apply the claims, once per transaction id. The work grows with the claims only."""
    check_transaction(transaction)
    claims = claims_of(transaction)
    answer = cell.transactions.get(transaction.txn_id)
    if answer is None:
        scheduler = cell.schedulers.get(transaction.scheduler_id)
        if scheduler is None or not scheduler.token or scheduler.token != transaction.token:
            rulings = judge(token_valid=False, now=now, claims=claims, jobs={}, machines={}, victims={})
            answer = tuple(CommittedClaim(ruling=ruling) for ruling in rulings)
            return _verdict(cell, transaction, answer, now=now)
        answer = _apply(cell, transaction, claims, scheduler, now=now)
        cell.transactions[transaction.txn_id] = answer
        if len(cell.transactions) > TRANSACTIONS_KEPT:
            del cell.transactions[next(iter(cell.transactions))]
    return _verdict(cell, transaction, answer, now=now)


def _apply(
    cell: Cell, transaction: Transaction, claims: Sequence[Claim], scheduler: Scheduler, *, now: float
) -> tuple[CommittedClaim, ...]:
    jobs = {
        job_id: job
        for job_id in {claim.job_id for claim in claims}
        if (job := cell.jobs.get(job_id)) is not None and job.claimed_by == scheduler.scheduler_id
    }
    alternatives = _alternatives(transaction)
    found = {job_id: _job_found(job, alternatives.get(job_id, ()), now=now) for job_id, job in jobs.items()}
    rulings = judge(
        token_valid=True,
        now=now,
        claims=claims,
        jobs=found,
        machines=_machines_found(cell, _machine_ids(transaction)),
        victims=preemption.found(cell, (key for claim in claims for key in claim.victims)),
    )
    answer = tuple(
        _place(cell, claim, ruling, tasks_per_slot(found[claim.job_id], claim), now=now)
        if ruling.accepted
        else CommittedClaim(ruling=ruling)
        for claim, ruling in zip(claims, rulings, strict=True)
    )
    touched = {ruling.machine_id for ruling in rulings if ruling.accepted}
    for machine_id in touched:
        _note_claim(cell.machines[machine_id], transaction)
    cell.feed.append(sorted(touched))
    cell.log.append(ClaimsJudged(at=now, scheduler_id=scheduler.scheduler_id, claims=claims, rulings=rulings))
    for claim, ruling in zip(claims, rulings, strict=True):
        if ruling.accepted:
            let_go(cell, jobs[claim.job_id])
    for job in jobs.values():
        if not job.has_work:
            unclaim(cell, job)
            job.attempts += 1
            job.fruitless = job.conflicts = 0
    _count(scheduler, claims, rulings)
    return answer


def _alternatives(transaction: Transaction) -> dict[int, tuple[int, ...]]:
    """The machines each job would take instead, best first."""
    listed = transaction.alternatives
    machines: defaultdict[int, list[int]] = defaultdict(list)
    for job_id, machine_id in zip(listed.job_id.tolist(), listed.machine_id.tolist(), strict=True):
        machines[job_id].append(machine_id)
    return {job_id: tuple(ranked) for job_id, ranked in machines.items()}


def _job_found(job: Job, alternatives: tuple[int, ...], *, now: float) -> JobFound:
    return JobFound(
        amounts=job.spec.amounts,
        priority=job.spec.priority,
        detection=job.spec.detection,
        commit=job.spec.commit,
        gang_min=job.spec.gang_min,
        task_count=job.task_count,
        placed=job.live_slots + job.ended,
        pending=job.pending(now),
        max_running=job.spec.max_running,
        alternatives=alternatives,
    )


def _machine_ids(transaction: Transaction) -> set[int]:
    """Every machine that the transaction names."""
    return {*transaction.machine_id.tolist(), *transaction.alternatives.machine_id.tolist()}


def _machines_found(cell: Cell, machine_ids: Iterable[int]) -> dict[int, MachineFound]:
    return {
        machine_id: MachineFound(
            room=machine.room,
            claim_sequence=machine.claim_sequence,
            up=machine.up,
            schedulable=machine.schedulable,
            last_claim_txn=machine.last_claim_txn,
            last_claim_scheduler=machine.last_claim_scheduler,
            reserved_job=machine.reserved_job,
            reserved_priority=machine.reserved_priority,
            reserved_until=machine.reserved_until,
        )
        for machine_id in machine_ids
        if (machine := cell.machines.get(machine_id)) is not None
    }


def _note_claim(machine: Machine, transaction: Transaction) -> None:
    machine.version += 1
    machine.claim_sequence += 1
    machine.last_claim_txn = transaction.txn_id
    machine.last_claim_scheduler = transaction.scheduler_id


def _place(cell: Cell, claim: Claim, ruling: Ruling, tasks: int, *, now: float) -> CommittedClaim:
    """Take the victims' place, then number and place the accepted slots, due retries first."""
    job, machine = cell.jobs[claim.job_id], cell.machines[ruling.machine_id]
    for key in ruling.victims:
        preemption.preempt(cell, key, winner_job=job.job_id, now=now)
    numbered: list[RetryRange] = []
    for devices in ruling.devices or (0,) * ruling.accepted:
        task = _next_tasks(job, tasks, now=now)
        slots.put(
            cell,
            Placement(
                job_id=job.job_id,
                first_index=task.first_index,
                count=task.count,
                attempt=task.attempt,
                failures=task.failures,
                lost=task.lost,
                machine_id=machine.machine_id,
                epoch=machine.epoch,
                amounts=job.spec.amounts,
                running=False,
                stop=Stop.NONE,
                placed_at=now,
                devices=device_indexes(devices),
            ),
        )
        numbered.append(task)
    if job.state is JobState.PENDING:
        job.state = JobState.RUNNING
        job.first_placed_at = job.first_placed_at or now
    return CommittedClaim(
        ruling=ruling, first_index=numbered[0].first_index, tasks=sum(task.count for task in numbered)
    )


def _next_tasks(job: Job, tasks: int, *, now: float) -> RetryRange:
    """Up to so many tasks of the due retries of the lowest index, else the next that have never run."""
    if job.retries.due(now):
        return job.retries.take(tasks)
    first_index, count = job.next_index, min(tasks, job.unnumbered)
    job.next_index += count
    return RetryRange(
        job_id=job.job_id, first_index=first_index, count=count, attempt=1, failures=0, lost=0, not_before=now
    )


def _count(scheduler: Scheduler, claims: Sequence[Claim], rulings: Sequence[Ruling]) -> None:
    """Add to the scheduler's counters: transactions per job, claims in slots."""
    pairs = zip(claims, rulings, strict=True)
    for _, of_job in groupby(pairs, key=lambda pair: pair[0].job_id):
        group = list(of_job)
        accepted = sum(ruling.accepted for _, ruling in group)
        if any(ruling.reason.conflict for _, ruling in group):
            scheduler.transactions_failed += 1
        elif accepted:
            scheduler.transactions_succeeded += 1
        scheduler.placements += accepted
        for claim, ruling in group:
            scheduler.claims += claim.slots
            if ruling.reason.conflict or ruling.reason in (Reason.GROUP, Reason.GANG):
                scheduler.claims_refused += claim.slots - ruling.accepted


def _verdict(
    cell: Cell, transaction: Transaction, answer: Sequence[CommittedClaim], *, now: float
) -> Verdict:
    """The answer as arrays, with the machines as they are now."""
    return verdict_of(
        transaction,
        [claim.ruling for claim in answer],
        tasks=(claim.tasks for claim in answer),
        first_index=(claim.first_index for claim in answer),
        rows=machine_rows(cell, _machine_ids(transaction) & cell.machines.keys(), now=now),
    )
