"""Judging a transaction and doing what was judged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from omegacell.cellstate.judge import Claim, JobFound, MachineFound, Ruling, judge
from omegacell.cellstate.memory.fold import unclaim
from omegacell.cellstate.memory.rows import machine_rows
from omegacell.cellstate.memory.state import TRANSACTIONS_KEPT, Cell, CommittedClaim, Job, Scheduler
from omegacell.cellstate.model import JobState, Placement, Reason, RetryRange, Stop, Transaction, Verdict
from omegacell.cellstate.transactions import check_transaction


def commit(cell: Cell, transaction: Transaction, *, now: float) -> Verdict:
    """Judge and apply the claims, once per transaction id. The work grows with the claims only."""
    check_transaction(transaction)
    claims = _claims(transaction)
    answer = cell.transactions.get(transaction.txn_id)
    if answer is None:
        scheduler = cell.schedulers.get(transaction.scheduler_id)
        if scheduler is None or not scheduler.token or scheduler.token != transaction.token:
            rulings = judge(token_valid=False, claims=claims, jobs={}, machines={})
            answer = tuple(CommittedClaim(ruling=ruling, first_index=-1) for ruling in rulings)
            return _verdict(cell, transaction, answer)
        answer = _apply(cell, transaction, claims, scheduler, now=now)
        cell.transactions[transaction.txn_id] = answer
        if len(cell.transactions) > TRANSACTIONS_KEPT:
            del cell.transactions[next(iter(cell.transactions))]
    return _verdict(cell, transaction, answer)


def _claims(transaction: Transaction) -> list[Claim]:
    """The claims one by one."""
    columns = (transaction.job_id, transaction.machine_id, transaction.slots, transaction.claim_sequence)
    return [
        Claim(job_id=job_id, machine_id=machine_id, slots=slots, claim_sequence=claim_sequence)
        for job_id, machine_id, slots, claim_sequence in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _apply(
    cell: Cell, transaction: Transaction, claims: Sequence[Claim], scheduler: Scheduler, *, now: float
) -> tuple[CommittedClaim, ...]:
    jobs = {
        job_id: job
        for job_id in {claim.job_id for claim in claims}
        if (job := cell.jobs.get(job_id)) is not None and job.claimed_by == scheduler.scheduler_id
    }
    rulings = judge(
        token_valid=True,
        claims=claims,
        jobs={job_id: _job_found(job, now=now) for job_id, job in jobs.items()},
        machines=_machines_found(cell, claims),
    )
    answer = tuple(
        CommittedClaim(ruling=ruling, first_index=_place(cell, claim, ruling, now=now))
        for claim, ruling in zip(claims, rulings, strict=True)
    )
    touched = {claim.machine_id for claim, ruling in zip(claims, rulings, strict=True) if ruling.accepted}
    for machine_id in touched:
        machine = cell.machines[machine_id]
        machine.version += 1
        machine.claim_sequence += 1
        machine.last_claim_txn = transaction.txn_id
        machine.last_claim_scheduler = scheduler.scheduler_id
    cell.feed.append(sorted(touched))
    for job in jobs.values():
        if not job.has_work:
            unclaim(cell, job)
            job.attempts += 1
            job.fruitless = 0
    _count(scheduler, claims, rulings)
    return answer


def _job_found(job: Job, *, now: float) -> JobFound:
    return JobFound(
        amounts=job.amounts,
        detection=job.spec.detection,
        commit=job.spec.commit,
        gang_min=job.spec.gang_min,
        task_count=job.spec.task_count,
        placed=len(job.placements) + job.succeeded + job.failed + job.cancelled,
        pending=job.unnumbered + job.retries.due(now),
    )


def _machines_found(cell: Cell, claims: Sequence[Claim]) -> dict[int, MachineFound]:
    return {
        machine_id: MachineFound(
            capacity=machine.capacity,
            used=tuple(machine.used),
            claim_sequence=machine.claim_sequence,
            up=machine.up,
            schedulable=machine.schedulable,
            last_claim_txn=machine.last_claim_txn,
            last_claim_scheduler=machine.last_claim_scheduler,
        )
        for machine_id in {claim.machine_id for claim in claims}
        if (machine := cell.machines.get(machine_id)) is not None
    }


def _place(cell: Cell, claim: Claim, ruling: Ruling, *, now: float) -> int:
    """Number and place the accepted slots, due retries first; the first index, -1 if none was accepted."""
    if not ruling.accepted:
        return -1
    job, machine = cell.jobs[claim.job_id], cell.machines[claim.machine_id]
    indexes: list[int] = []
    for _ in range(ruling.accepted):
        task = _next_task(job, now=now)
        job.placements[task.first_index] = Placement(
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
        )
        machine.holds.add((job.job_id, task.first_index))
        indexes.append(task.first_index)
    for index, amount in enumerate(job.amounts):
        machine.used[index] += ruling.accepted * amount
    job.placed_on[machine.machine_id] += ruling.accepted
    if job.state is JobState.PENDING:
        job.state = JobState.RUNNING
        job.first_placed_at = now
    return indexes[0]


def _next_task(job: Job, *, now: float) -> RetryRange:
    """The due retry of the lowest index, else the next task that has never run."""
    if job.retries.due(now):
        return job.retries.take()
    first_index = job.next_index
    job.next_index += 1
    return RetryRange(
        job_id=job.job_id, first_index=first_index, count=1, attempt=1, failures=0, lost=0, not_before=now
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


def _verdict(cell: Cell, transaction: Transaction, answer: Sequence[CommittedClaim]) -> Verdict:
    """The answer as arrays, with the machines as they are now."""
    rulings = [claim.ruling for claim in answer]
    known = {machine_id for machine_id in transaction.machine_id.tolist() if machine_id in cell.machines}
    return Verdict(
        txn_id=transaction.txn_id,
        accepted=np.array([ruling.accepted for ruling in rulings], dtype=np.int64),
        reason=np.array([ruling.reason.value for ruling in rulings], dtype=np.int64),
        free=np.array([ruling.free for ruling in rulings], dtype=np.int64),
        first_index=np.array([claim.first_index for claim in answer], dtype=np.int64),
        rival_txn=tuple(ruling.rival_txn for ruling in rulings),
        rival_scheduler=np.array([ruling.rival_scheduler for ruling in rulings], dtype=np.int64),
        rows=machine_rows(cell, known),
    )
