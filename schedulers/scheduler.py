"""A scheduler: takes jobs, plans them on its private snapshot, commits, and decides what comes next.

Its drivers (the live loop, the simulator) call `begin` and `finish` and nothing else; time and randomness are
arguments. A kind of your own is a subclass, found by entry point `omegacell.schedulers` or dotted path:

    class Overnight(Scheduler):
        kind = "overnight"                                  # the Job.scheduler it serves
        default_policy = BestFit
        default_config = SchedulerConfig(jobs_per_attempt=4)

        def order(self, jobs):                              # the order of planning within an attempt
            return sorted(jobs, key=lambda job: job.pending)

        def policy_for(self, job):                          # a policy, its class, its name or its dotted path
            return "worst_fit" if job.service else super().policy_for(job)

`omega scheduler run mypkg:Overnight` runs it beside the others. It need not know about conflicts: the commit
refuses what does not fit any more, and retry.py decides.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

import numpy as np

from omegacell.cellstate.errors import TokenLost
from omegacell.cellstate.model import ClaimedJob, Lease, Reason, Settlement, Verdict
from omegacell.cellstate.model.amounts import no_entries
from omegacell.cellstate.snapshot import Snapshot
from omegacell.cellstate.store import RESERVED_SECONDS_AT_MOST, PlacingStore
from omegacell.schedulers import note, retry
from omegacell.schedulers.attempt import (
    NO_HOLD,
    Attempt,
    Finished,
    Hold,
    JobAttempt,
    bounds_of,
    make_attempt,
    make_finished,
    nothing_claimed,
    tally,
    transaction_of,
)
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.planning import Planner, PolicyChoice
from omegacell.schedulers.policies.random_first_fit import RandomFirstFit
from omegacell.schedulers.policies.spread import Spread

__all__ = ["PolicyChoice", "Scheduler"]

_TOKEN_LOST = int(Reason.TOKEN_LOST)

log = logging.getLogger(__name__)


class Scheduler:
    """One incarnation of one scheduler, holding `lease`. Not for several threads.

    `policy` overrides the kind's default, and `use` changes it; a job's own policy overrides both. `busy_seconds`
    and `attempts` are totals that its driver keeps by `account`. A `snapshot` handed over is kept in step by its
    owner, as the simulator's is; without one the scheduler follows the store's feed.
    """

    kind: ClassVar[str] = ""
    default_policy: ClassVar[PolicyChoice] = RandomFirstFit
    default_config: ClassVar[SchedulerConfig] = SchedulerConfig()

    def __init__(
        self,
        store: PlacingStore,
        *,
        name: str,
        lease: Lease,
        rng: np.random.Generator,
        policy: PolicyChoice = "",
        config: SchedulerConfig | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        self.store = store
        self.name = name
        self.lease = lease
        self.rng = rng
        self.config = config or self.default_config
        self.snapshot = Snapshot() if snapshot is None else snapshot
        self._follows_feed = snapshot is None
        self.busy_seconds = 0.0
        self.attempts = 0
        self._planner = Planner(
            self.config,
            rng,
            policy_for=self.policy_for,
            ask_preemptible=lambda machine_ids, below: store.preemptible(machine_ids, below=below),
        )
        self.use(policy)
        self._transactions = 0

    # --- hooks for kinds of one's own

    def order(self, jobs: Sequence[ClaimedJob]) -> Sequence[ClaimedJob]:
        """The order in which an attempt plans its jobs; here that of the queue, losers first among equals."""
        if not self.config.losers_first:
            return jobs
        return sorted(jobs, key=lambda job: (-job.priority, -job.conflicts))

    def policy_for(self, job: ClaimedJob) -> PolicyChoice:
        """The policy for a job: its own; the one that spreads if it asks for that; else this scheduler's."""
        return job.policy or (Spread if job.spread else self.policy)

    def think_seconds(self, job: ClaimedJob) -> float:
        """How long an attempt at this job is to take: slept live, an event in virtual time.

        t_job + t_task x (tasks of the job still unplaced). Omega, section 4.
        """
        return self.config.think_job_seconds + self.config.think_task_seconds * job.pending

    # --- what drivers call

    def begin(self, now: float) -> Attempt:
        """Take jobs, catch up with the cell, and plan them, each seeing the claims of those before it."""
        jobs = self.store.claim_jobs(
            self.lease.holder_id, self.lease.token, limit=self.config.jobs_per_attempt
        )
        if not jobs:
            return self._attempt(now, ())
        if self._follows_feed:
            self.snapshot.apply(self.store.sync(self.snapshot.watermark))
        return self._attempt(now, self._planner.plan(self._ordered(jobs), self.snapshot, now))

    def finish(self, attempt: Attempt, now: float) -> Finished:
        """Commit the claims, take the fresh rows, and settle every job that has something left.

        TokenLost if another incarnation took over, whether the store raised it or refused with it.
        """
        verdict = self._commit(attempt)
        tallies = tally(attempt, verdict)
        holds, steps, unsettled = [], [], []
        for position, (planned, tallied) in enumerate(zip(attempt.jobs, tallies, strict=True)):
            self._learn(planned, tallied)
            holds.append(self._hold(planned, now) if len(planned.to_reserve) else planned.hold)
            step = retry.decide(self.config.retry, planned.job, tallied, now=now, rng=self.rng)
            steps.append(step)
            if step is not retry.DONE:
                unsettled.append(position)
        finished = make_finished(
            attempt=attempt, verdict=verdict, tallies=tallies, holds=tuple(holds), next=tuple(steps)
        )
        if unsettled:
            settlements = [self._settlement(finished, position, now) for position in unsettled]
            self.store.settle(self.lease.holder_id, self.lease.token, settlements)
        return finished

    def give_back(self, now: float) -> None:
        """Put back in the queue what it holds between attempts: its plan was dropped, or the claim's answer lost."""
        holder, token = self.lease.holder_id, self.lease.token
        settlements = [
            Settlement(
                job_id=job.job_id,
                not_before=now,
                gave_up=False,
                placed_any=False,
                explanation=note.given_back(self.name, job, now=now) if self.config.explain else "{}",
            )
            for job in self.store.claim_jobs(holder, token, limit=0)
        ]
        if settlements:
            self.store.settle(holder, token, settlements)

    def use(self, policy: PolicyChoice) -> None:
        """Place with this policy from the next attempt on, "" for the kind's own; PolicyError for an unknown one."""
        chosen = policy or self.default_policy
        self._planner.load(chosen)  # an error now, not a job's misfortune later
        self.policy = chosen

    def account(self, seconds: float) -> None:
        """Add an attempt, and the time it kept this scheduler busy, to the totals."""
        self.busy_seconds += seconds
        self.attempts += 1

    # --- planning

    def _ordered(self, jobs: Sequence[ClaimedJob]) -> Sequence[ClaimedJob]:
        """The hook's order; the queue's if the hook fails or does not return the same jobs."""
        if len(jobs) == 1:
            return jobs
        try:
            ordered = tuple(self.order(jobs))
        except Exception:  # users' code: it costs the order, not the scheduler
            log.exception("scheduler %s: order() failed; planning in queue order", self.name)
            return jobs
        if sorted(job.job_id for job in ordered) != sorted(job.job_id for job in jobs):
            log.error("scheduler %s: order() lost or added jobs; planning in queue order", self.name)
            return jobs
        return ordered

    # --- committing

    def _attempt(self, now: float, jobs: tuple[JobAttempt, ...]) -> Attempt:
        # A fixed seed makes the same draws after a restart; were transaction ids drawn too, the second life's
        # first commit would get the first life's answer. A token is never given out twice.
        self._transactions += 1
        holder, token = self.lease.holder_id % 2**32, self.lease.token % 2**48
        transaction = transaction_of(
            jobs,
            txn_id=UUID(int=holder << 96 | token << 48 | self._transactions),
            scheduler_id=self.lease.holder_id,
            token=self.lease.token,
        )
        return make_attempt(started_at=now, jobs=jobs, transaction=transaction, bounds=bounds_of(jobs))

    def _commit(self, attempt: Attempt) -> Verdict:
        if not len(attempt.transaction.job_id):
            return nothing_claimed(attempt.transaction, len(self.snapshot.dimensions))
        verdict = self.store.commit(attempt.transaction)
        if int(verdict.reason[0]) == _TOKEN_LOST:
            raise TokenLost(
                f"token {self.lease.token} of scheduler {self.name!r} is no longer valid: "
                "its lease ended or a newer incarnation took over"
            )
        if self._follows_feed:
            self.snapshot.apply_rows(verdict.rows)
        return verdict

    def _learn(self, planned: JobAttempt, tallied: retry.Tally) -> None:
        """Let the next plans know how this one fared."""
        if len(planned.claims):
            self._planner.width.learn(conflicted=tallied.conflicts > 0)
        if tallied.accepted:
            self._planner.ages.placed(planned.job.job_id)

    def _hold(self, planned: JobAttempt, now: float) -> Hold:
        """Reserve what a gang is due, all of it or nothing; the reservation it holds then."""
        scheduler, job_id, seconds = self.lease, planned.job.job_id, self.config.reserve_seconds
        machines = self.store.reserve(
            scheduler.holder_id, scheduler.token, job_id, planned.to_reserve, seconds=seconds
        )
        if machines < len(planned.to_reserve):  # another was faster: a part would only keep others out
            self.store.reserve(scheduler.holder_id, scheduler.token, job_id, no_entries(), seconds=seconds)
            return NO_HOLD
        self._planner.ages.reserved(planned.job)
        return Hold(machines=machines, until=now + min(seconds, RESERVED_SECONDS_AT_MOST))

    def _settlement(self, finished: Finished, position: int, now: float) -> Settlement:
        step = finished.next[position]
        planned = finished.attempt.jobs[position]
        text = "{}"
        if self.config.explain:
            text = note.build(self.name, finished, position, self.snapshot, now=now)
        return Settlement(
            job_id=planned.job.job_id,
            not_before=step.at if isinstance(step, retry.RetryAt) else now,
            gave_up=isinstance(step, retry.GiveUp),
            placed_any=finished.tallies[position].accepted > 0,
            explanation=text,
            conflicted=finished.tallies[position].conflicts > 0,
        )
