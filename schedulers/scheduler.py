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
from omegacell.cellstate.snapshot import Snapshot
from omegacell.cellstate.store import SchedulerStore
from omegacell.schedulers import explain, plugins, queue, retry, score
from omegacell.schedulers.attempt import (
    Attempt,
    Finished,
    JobAttempt,
    gang_too_small,
    least_useful,
    nothing_claimed,
    tally,
    transaction_of,
)
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.policies.random_first_fit import RandomFirstFit
from omegacell.schedulers.policies.spread import Spread
from omegacell.schedulers.policy import NOWHERE, Plan, Policy, Request
from omegacell.schedulers.refusals import NOT_ASKED, count_refusals
from omegacell.schedulers.view import AttemptView

log = logging.getLogger(__name__)

PolicyChoice = str | Policy | type
"""A policy: its registered name or dotted path, an object, or a class that is made without arguments."""


class Scheduler:
    """One incarnation of one scheduler, holding `lease`. Not for several threads.

    `policy` overrides the kind's default; a job's own policy overrides both. `busy_seconds` and `attempts`
    are totals that its driver keeps by `account`.
    """

    kind: ClassVar[str] = ""
    default_policy: ClassVar[PolicyChoice] = RandomFirstFit
    default_config: ClassVar[SchedulerConfig] = SchedulerConfig()

    def __init__(
        self,
        store: SchedulerStore,
        *,
        name: str,
        lease: Lease,
        rng: np.random.Generator,
        policy: PolicyChoice = "",
        config: SchedulerConfig | None = None,
    ) -> None:
        self.store = store
        self.name = name
        self.lease = lease
        self.rng = rng
        self.config = config or self.default_config
        self.snapshot = Snapshot()
        self.busy_seconds = 0.0
        self.attempts = 0
        self._policy: PolicyChoice = policy or self.default_policy
        self._loaded: dict[str | type, Policy] = {}
        self._transactions = 0
        self._load(self._policy)  # an unknown policy is an error now, not a job's misfortune later

    # --- hooks for kinds of one's own

    def order(self, jobs: Sequence[ClaimedJob]) -> Sequence[ClaimedJob]:
        """The order in which an attempt plans its jobs; here that of the queue."""
        return jobs

    def policy_for(self, job: ClaimedJob) -> PolicyChoice:
        """The policy for a job: its own; the one that spreads if it asks for that; else this scheduler's."""
        return job.policy or (Spread if job.spread else self._policy)

    # --- what drivers call

    def begin(self, now: float) -> Attempt:
        """Take jobs, catch up with the cell, and plan them, each seeing the claims of those before it."""
        jobs = self.store.claim_jobs(
            self.lease.holder_id, self.lease.token, limit=self.config.jobs_per_attempt
        )
        if not jobs:
            return self._attempt(now, ())
        self.snapshot.apply(self.store.sync(self.snapshot.watermark))
        view = AttemptView(self.snapshot)
        try:
            planned = self._plan_all(self._ordered(jobs), view)
        finally:
            view.rollback(0)
        return self._attempt(now, planned)

    def finish(self, attempt: Attempt, now: float) -> Finished:
        """Commit the claims, take the fresh rows, and settle every job that has something left.

        TokenLost if another incarnation took over, whether the store raised it or refused with it.
        """
        verdict = self._commit(attempt)
        tallies = tally(attempt, verdict)
        nexts = tuple(
            retry.decide(self.config.retry, planned.job, tallied, now=now, rng=self.rng)
            for planned, tallied in zip(attempt.jobs, tallies, strict=True)
        )
        finished = Finished(attempt=attempt, verdict=verdict, tallies=tallies, next=nexts)
        settlements = [
            self._settlement(finished, position, now)
            for position, step in enumerate(nexts)
            if not isinstance(step, retry.Done)
        ]
        if settlements:
            self.store.settle(self.lease.holder_id, self.lease.token, settlements)
        return finished

    def account(self, seconds: float) -> None:
        """Add an attempt, and the time it kept this scheduler busy, to the totals."""
        self.busy_seconds += seconds
        self.attempts += 1

    # --- planning

    def _ordered(self, jobs: Sequence[ClaimedJob]) -> Sequence[ClaimedJob]:
        """The hook's order; the queue's if the hook fails or does not return the same jobs."""
        try:
            ordered = tuple(self.order(jobs))
        except Exception:  # users' code: it costs the order, not the scheduler
            log.exception("scheduler %s: order() failed; planning in queue order", self.name)
            return jobs
        if sorted(job.job_id for job in ordered) != sorted(job.job_id for job in jobs):
            log.error("scheduler %s: order() lost or added jobs; planning in queue order", self.name)
            return jobs
        return ordered

    def _plan_all(self, jobs: Sequence[ClaimedJob], view: AttemptView) -> tuple[JobAttempt, ...]:
        granted = queue.shares(
            [job.pending for job in jobs],
            [least_useful(job) for job in jobs],
            self.config.max_tasks_per_attempt,
        )
        return tuple(self._plan(job, asked, view) for job, asked in zip(jobs, granted, strict=True))

    def _plan(self, job: ClaimedJob, asked: int, view: AttemptView) -> JobAttempt:
        """Plan one job and count its claims in the view; a policy's failure is noted and plans nothing."""
        view.expect(job.job_id, job.placed_on)
        request = Request.of(job, asked)
        name, plan, error = self._ask(job, request, view)
        withheld = gang_too_small(job, plan.placed)
        claimed = NOWHERE if withheld else plan
        if len(claimed.rows):
            view.claim(request, claimed.rows, claimed.slots)
        short = plan.placed < asked and not error
        return JobAttempt(
            job=job,
            policy=name,
            asked=asked,
            planned=plan.placed,
            withheld=withheld,
            machine_id=self.snapshot.machine_id[claimed.rows],
            slots=claimed.slots,
            claim_sequence=self.snapshot.claim_sequence[claimed.rows],
            refusals=count_refusals(request, view) if short and self.config.explain else NOT_ASKED,
            error=error,
        )

    def _ask(self, job: ClaimedJob, request: Request, view: AttemptView) -> tuple[str, Plan, str]:
        """The policy's name, its plan, and what went wrong with it ("" for nothing)."""
        if not request.count:
            return "", NOWHERE, ""
        name = ""
        try:
            choice = self.policy_for(job)
            name = plugins.policy_name(choice)
            return name, score.make_plan(self._load(choice), request, view, self.rng), ""
        except Exception as error:  # users' code: it costs the job this attempt, not the scheduler
            log.debug("policy %s failed on job %d", name, job.job_id, exc_info=True)
            return name, NOWHERE, f"{type(error).__name__}: {error}"

    def _load(self, choice: PolicyChoice) -> Policy:
        """The policy itself, made once per name or class."""
        if not isinstance(choice, str | type):
            return choice
        if choice not in self._loaded:
            self._loaded[choice] = plugins.policy(choice)
        return self._loaded[choice]

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
        return Attempt(started_at=now, jobs=jobs, transaction=transaction)

    def _commit(self, attempt: Attempt) -> Verdict:
        if not len(attempt.transaction.job_id):
            return nothing_claimed(attempt.transaction, len(self.snapshot.dimensions))
        verdict = self.store.commit(attempt.transaction)
        if verdict.reason[0] == Reason.TOKEN_LOST:
            raise TokenLost(
                f"token {self.lease.token} of scheduler {self.name!r} is no longer valid: "
                "its lease ended or a newer incarnation took over"
            )
        self.snapshot.apply_rows(verdict.rows)
        return verdict

    def _settlement(self, finished: Finished, position: int, now: float) -> Settlement:
        step = finished.next[position]
        planned = finished.attempt.jobs[position]
        text = "{}"
        if self.config.explain:
            text = explain.build(self.name, finished, position, self.snapshot, now=now)
        return Settlement(
            job_id=planned.job.job_id,
            not_before=step.at if isinstance(step, retry.RetryAt) else now,
            gave_up=isinstance(step, retry.GiveUp),
            placed_any=finished.tallies[position].accepted > 0,
            explanation=text,
        )
