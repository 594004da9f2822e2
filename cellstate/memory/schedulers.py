"""What schedulers do: hold a lease, claim jobs, settle them, and reap the dead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omegacell.cellstate.errors import TokenLost
from omegacell.cellstate.memory import expiry, workers
from omegacell.cellstate.memory.fold import GAVE_UP, withdraw
from omegacell.cellstate.memory.machines import lose
from omegacell.cellstate.memory.queueing import requeue, unclaim
from omegacell.cellstate.memory.state import Cell, Job, Scheduler
from omegacell.cellstate.model import ClaimedJob, Lease, Renewal, SchedulerStatus, Settlement, Wanted


def register(cell: Cell, name: str, kind: str, *, lease_seconds: float, now: float) -> Lease:
    """Make a process the current incarnation of a scheduler; what the earlier one had claimed is queued."""
    first_attempts: dict[int, tuple[float, float]] = {}
    wanted, policy = Wanted.RUN, ""
    scheduler_id = cell.scheduler_of_name.get(name)
    if scheduler_id is None:
        scheduler_id = len(cell.schedulers) + 1
        cell.scheduler_of_name[name] = scheduler_id
    else:
        earlier = cell.schedulers[scheduler_id]
        _give_back(cell, earlier, now=now)
        wanted = Wanted.RUN if earlier.wanted is Wanted.DRAIN else earlier.wanted
        policy = earlier.policy
        # Counted from registered_at on, by time: what was claimed in this very moment still counts.
        first_attempts = {job_id: told for job_id, told in earlier.first_attempts.items() if told[0] >= now}
    scheduler = Scheduler(
        scheduler_id=scheduler_id,
        name=name,
        kind=kind,
        token=cell.new_token(),
        lease_seconds=lease_seconds,
        expires_at=now + lease_seconds,
        registered_at=now,
        first_attempts=first_attempts,
        wanted=wanted,
        policy=policy,
    )
    cell.schedulers[scheduler_id] = scheduler
    return Lease(
        holder_id=scheduler_id,
        token=scheduler.token,
        lease_seconds=lease_seconds,
        expires_at=scheduler.expires_at,
    )


def fenced(cell: Cell, scheduler_id: int, token: int) -> Scheduler:
    """The scheduler, if the token is its current one; TokenLost otherwise."""
    scheduler = cell.schedulers.get(scheduler_id)
    if scheduler is None or not scheduler.token or scheduler.token != token:
        raise TokenLost(
            f"token {token} of scheduler {scheduler_id} is no longer valid: a newer incarnation took over "
            "or the lease ended; this one must stop"
        )
    return scheduler


def renew(scheduler: Scheduler, *, busy_seconds: float, attempts: int, now: float) -> Renewal:
    """Extend the lease and note the totals; its new end, and what people want."""
    scheduler.busy_seconds = busy_seconds
    scheduler.attempts = attempts
    scheduler.expires_at = now + scheduler.lease_seconds
    return Renewal(expires_at=scheduler.expires_at, wanted=scheduler.wanted, policy=scheduler.policy)


def release(cell: Cell, scheduler_id: int, token: int, *, now: float) -> None:
    """End the lease in good order; an old token changes nothing."""
    scheduler = cell.schedulers.get(scheduler_id)
    if scheduler is not None and scheduler.token and scheduler.token == token:
        _end_lease(cell, scheduler, now=now)


def _end_lease(cell: Cell, scheduler: Scheduler, *, now: float) -> None:
    """Void the token and give the claimed jobs back."""
    scheduler.token = 0
    scheduler.expires_at = min(scheduler.expires_at, now)
    _give_back(cell, scheduler, now=now)


def _give_back(cell: Cell, scheduler: Scheduler, *, now: float) -> None:
    for job_id in sorted(scheduler.claimed):
        unclaim(cell, cell.jobs[job_id])
        requeue(cell, cell.jobs[job_id], now=now)


def reap(cell: Cell, *, now: float) -> int:
    """Take from holders whose lease has ended what they hold; how many machines that was.

    Every lease of this store began while it was up, so none can have ended because of an outage.
    """
    for scheduler in cell.schedulers.values():
        if scheduler.token and scheduler.expires_at <= now:
            _end_lease(cell, scheduler, now=now)
    dead = [worker for worker in cell.workers.values() if worker.token and worker.expires_at <= now]
    machine_ids = [machine_id for worker in dead for machine_id in worker.machine_ids]
    for worker in dead:
        workers.void(worker, now=now)
    reaped = sum(lose(cell, (machine_id,), now=now) for machine_id in sorted(machine_ids))
    expiry.expire(cell, now=now)
    return reaped


def claim_jobs(cell: Cell, scheduler: Scheduler, *, limit: int, now: float) -> tuple[ClaimedJob, ...]:
    """What the scheduler holds by id, then the next jobs of its kind in queue order, `limit` in all."""
    held = [cell.jobs[job_id] for job_id in sorted(scheduler.claimed)]
    room = max(limit - len(held), 0)
    taken = [cell.jobs[job_id] for job_id in cell.queue.take(scheduler.kind, limit=room, now=now)]
    for job in taken:
        job.claimed_by = scheduler.scheduler_id
        scheduler.claimed.add(job.job_id)
        if not job.first_attempt_at:
            job.first_attempt_at = now
            scheduler.first_attempts[job.job_id] = (now, now - job.submitted_at)
    return tuple(_claimed(job, now=now) for job in (*held, *taken))


def _claimed(job: Job, *, now: float) -> ClaimedJob:
    spec = job.spec
    where_counts = bool(spec.anti_affinity) or bool(spec.spread) or spec.service
    return ClaimedJob(
        job_id=job.job_id,
        name=spec.name,
        scheduler=spec.scheduler,
        policy=spec.policy,
        amounts=spec.amounts,
        constraints=spec.constraints,
        anti_affinity=spec.anti_affinity,
        spread=spec.spread,
        priority=spec.priority,
        detection=spec.detection,
        commit=spec.commit,
        gang_min=spec.gang_min,
        service=spec.service,
        expected_duration_seconds=spec.expected_duration_seconds,
        task_count=job.task_count,
        pending=job.pending(now),
        placed=job.placed,
        ended=job.ended,
        attempts=job.attempts,
        fruitless=job.fruitless,
        submitted_at=job.submitted_at,
        placed_on=dict(sorted(job.placed_on.items())) if where_counts else {},
        conflicts=job.conflicts,
        measured_tasks=job.measured_tasks,
        mean_task_seconds=job.measured_microseconds / job.measured_tasks / 1e6 if job.measured_tasks else 0.0,
        max_running=spec.max_running,
    )


def settle(cell: Cell, scheduler: Scheduler, settlements: Sequence[Settlement], *, now: float) -> None:
    """Give jobs back, by id; those not held are passed over."""
    for settlement in sorted(settlements, key=lambda settlement: settlement.job_id):
        if settlement.job_id not in scheduler.claimed:
            continue
        job = cell.jobs[settlement.job_id]
        job.attempts += 1
        job.fruitless = 0 if settlement.placed_any else job.fruitless + 1
        job.conflicts = job.conflicts + 1 if settlement.conflicted else 0
        job.explanation = settlement.explanation
        if settlement.gave_up:
            withdraw(cell, job, GAVE_UP, stop_placements=False, now=now)
        else:
            unclaim(cell, job)
            requeue(cell, job, now=now, not_before=settlement.not_before)


def statuses(cell: Cell, *, now: float) -> tuple[SchedulerStatus, ...]:
    """All schedulers by id."""
    return tuple(status(scheduler, now=now) for scheduler in cell.schedulers.values())


def status(scheduler: Scheduler, *, now: float) -> SchedulerStatus:
    """A scheduler for people to look at."""
    waits = [wait for _, wait in scheduler.first_attempts.values()]
    p50, p99 = np.percentile(waits, (50, 99)).tolist() if waits else (0.0, 0.0)
    return SchedulerStatus(
        scheduler_id=scheduler.scheduler_id,
        name=scheduler.name,
        kind=scheduler.kind,
        token=scheduler.token,
        expires_at=scheduler.expires_at,
        alive=scheduler.expires_at > now,
        registered_at=scheduler.registered_at,
        transactions_succeeded=scheduler.transactions_succeeded,
        transactions_failed=scheduler.transactions_failed,
        claims=scheduler.claims,
        claims_refused=scheduler.claims_refused,
        placements=scheduler.placements,
        attempts=scheduler.attempts,
        busy_seconds=scheduler.busy_seconds,
        jobs_claimed=len(waits),
        wait_p50_seconds=p50,
        wait_p99_seconds=p99,
        wanted=scheduler.wanted,
        policy=scheduler.policy,
    )
