"""From the jobs of an attempt to their claims: slices, the policy's plan, and what helps where that falls short.

A job is planned in this order: how many slots it may ask for; the policy, on part of the cell if rivals are
about (contention.py); victims for the slots that found no room (preempt.py); a gang that still cannot start
claims nothing, and may get machines reserved (reserve.py); alternatives for a job that has lost again and
again (alternatives.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from omegacell.cellstate.model import ClaimedJob, CommitMode, Int64
from omegacell.cellstate.model.amounts import no_entries
from omegacell.cellstate.snapshot import Snapshot
from omegacell.schedulers import alternatives, feasible, plugins, queue, ranges, reserve, score
from omegacell.schedulers.attempt import (
    NO_HOLD,
    Hold,
    JobAttempt,
    JobClaims,
    gang_too_small,
    least_useful,
    make_claims,
    make_job_attempt,
)
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.contention import Width, seen
from omegacell.schedulers.imagined import Emptied, Narrowed
from omegacell.schedulers.policy import NOWHERE, Plan, Policy, Request
from omegacell.schedulers.refusals import NOT_ASKED, count_refusals
from omegacell.schedulers.seize import NOTHING_SEIZED, AskPreemptible, Seized, Seizer, close
from omegacell.schedulers.view import AttemptView

log = logging.getLogger(__name__)

PolicyChoice = str | Policy | type
"""A policy: its registered name or dotted path, an object, or a class that is made without arguments."""


@dataclass(slots=True, kw_only=True)
class _Scene:
    """What the jobs of one attempt share: the snapshot, and the view with the claims so far.

    `victims_left` may still be named, not on the rows `seized`: what is free there once the victims have gone is
    known only to the commit. `jobs_to_come` will look at the view after the job that is being planned.
    """

    snapshot: Snapshot
    view: AttemptView
    now: float
    victims_left: int
    jobs_to_come: int
    seized: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """Where slots of a job may go: as the policy planned, and in the place of others."""

    plan: Plan
    seized: Seized = NOTHING_SEIZED

    @property
    def slots(self) -> int:
        """All of them."""
        return self.plan.placed + len(self.seized.rows)


class Planner:
    """Plans attempts for one scheduler, and remembers what helps with the next.

    `policy_for` chooses each job's policy; `ask_preemptible` is the store's `preemptible`.
    """

    def __init__(
        self,
        config: SchedulerConfig,
        rng: np.random.Generator,
        *,
        policy_for: Callable[[ClaimedJob], PolicyChoice],
        ask_preemptible: AskPreemptible,
    ) -> None:
        self.width = Width()
        self.ages = reserve.Ages()
        self._config = config
        self._rng = rng
        self._policy_for = policy_for
        self._seizer = Seizer(ask_preemptible, rng)
        self._loaded: dict[str | type, Policy] = {}
        self._names: dict[str | type, str] = {}

    def load(self, choice: PolicyChoice) -> Policy:
        """The policy itself, made once per name or class; PolicyError for an unknown one."""
        if not isinstance(choice, str | type):
            return choice
        if choice not in self._loaded:
            self._loaded[choice] = plugins.policy(choice)
        return self._loaded[choice]

    def _name(self, choice: PolicyChoice) -> str:
        """What to call it, looked up once per name or class."""
        if not isinstance(choice, str | type):
            return plugins.policy_name(choice)
        if choice not in self._names:
            self._names[choice] = plugins.policy_name(choice)
        return self._names[choice]

    def plan(self, jobs: Sequence[ClaimedJob], snapshot: Snapshot, now: float) -> tuple[JobAttempt, ...]:
        """Plan each job in turn, on the snapshot as those before it would leave it."""
        asked = self._shares(jobs)
        view = AttemptView(snapshot, now)
        budget = self._config.max_victims_per_attempt if self._config.preemption else 0
        scene = _Scene(snapshot=snapshot, view=view, now=now, victims_left=budget, jobs_to_come=len(jobs))
        try:
            planned = []
            for job, tasks in zip(jobs, asked, strict=True):
                scene.jobs_to_come -= 1
                planned.append(self._plan(job, tasks, scene))
            return tuple(planned)
        finally:
            view.rollback(0)

    # --- how much to ask for

    def _shares(self, jobs: Sequence[ClaimedJob]) -> Sequence[int]:
        """How many tasks of each job to plan."""
        budget = self._config.max_slots_per_attempt
        if len(jobs) == 1 and self._plainly_wanted(jobs[0]) and jobs[0].pending <= budget:
            return (jobs[0].pending,)
        tasks = [self._tasks_per_slot(job, job.pending) for job in jobs]
        wanted = [self._slots_wanted(job, each) for job, each in zip(jobs, tasks, strict=True)]
        granted = queue.shares(wanted, [least_useful(job) for job in jobs], budget)
        return [min(job.pending, slots * each) for job, slots, each in zip(jobs, granted, tasks, strict=True)]

    def _plainly_wanted(self, job: ClaimedJob) -> bool:
        """Whether a slot for each pending task is what to ask for: no ranges, nothing lost, alone in the attempt."""
        return not (self._config.ranges or job.conflicts)

    def _tasks_per_slot(self, job: ClaimedJob, asked: int) -> int:
        return ranges.tasks_per_slot(job, asked) if self._config.ranges else 1

    def _slots_wanted(self, job: ClaimedJob, tasks: int) -> int:
        """The slots worth asking for in this attempt, before sharing."""
        slots = ranges.slots_for(job.pending, tasks)
        if alternatives.needed(job, self._config.alternatives_after_conflicts):
            return alternatives.slots_at_most(job, slots)
        if self._config.split and job.commit is CommitMode.ALL_OR_NOTHING:
            return -(-slots >> min(job.conflicts, 30))
        return slots

    # --- one job

    def _plan(self, job: ClaimedJob, asked: int, scene: _Scene) -> JobAttempt:
        """Plan `asked` tasks and count their claims in the view."""
        view = scene.view
        view.expect(job.job_id, job.placed_on)
        tasks = self._tasks_per_slot(job, asked)
        request = Request.of(job, ranges.slots_for(asked, tasks))
        policy, plan, error = self._ask(job, request, view)
        if tasks == 1 and plan.placed == request.count and self._straight(job, request.count):
            return self._as_planned(job, policy, request, plan, scene)
        others = self._alternatives(job, request, plan, view)
        found = _Found(plan=plan) if error else self._find(job, request, plan, scene)
        withheld = gang_too_small(job, found.slots)
        hold = self._hold(job, scene)
        short = found.slots < request.count and not error
        return JobAttempt(
            job=job,
            policy=policy,
            asked=asked,
            planned=min(found.slots * tasks, asked),
            withheld=withheld,
            claims=JobClaims() if withheld else _claims(found, others, scene.snapshot, asked, tasks),
            hold=hold,
            to_reserve=self._to_reserve(job, request, scene)
            if withheld and short and not hold
            else no_entries(),
            refusals=count_refusals(request, view) if short and self._config.explain else NOT_ASKED,
            error=error,
        )

    def _straight(self, job: ClaimedJob, planned: int) -> bool:
        """Whether a plan for all that was asked may be claimed as it is."""
        after = self._config.alternatives_after_conflicts
        return not alternatives.needed(job, after) and not gang_too_small(job, planned)

    def _as_planned(
        self, job: ClaimedJob, policy: str, request: Request, plan: Plan, scene: _Scene
    ) -> JobAttempt:
        """Nothing else to look for: everything asked for found room."""
        if scene.jobs_to_come:
            scene.view.claim(request, plan.rows, plan.slots, plan.devices)
        return make_job_attempt(
            job=job,
            policy=policy,
            asked=request.count,
            planned=request.count,
            claims=_plain_claims(plan, scene.snapshot),
            hold=self._hold(job, scene),
        )

    def _ask(self, job: ClaimedJob, request: Request, view: AttemptView) -> tuple[str, Plan, str]:
        """The policy's name, its plan, and what went wrong with it ("" for nothing)."""
        if not request.count:
            return "", NOWHERE, ""
        name = ""
        try:
            choice = self._policy_for(job)
            name = self._name(choice)
            return name, self._choose(self.load(choice), request, view), ""
        except Exception as error:  # users' code: it costs the job this attempt, not the scheduler
            log.debug("policy %s failed on job %d", name, job.job_id, exc_info=True)
            return name, NOWHERE, f"{type(error).__name__}: {error}"

    def _choose(self, policy: Policy, request: Request, view: AttemptView) -> Plan:
        """The policy's plan, among some of the machines if that is enough for all."""
        share = self.width.share(view.machines, request.count) if self._config.widen else 1.0
        if share < 1.0:
            part = Narrowed(view, seen(view.machines, share, self._rng))
            plan = score.make_plan(policy, request, part, self._rng)
            if plan.placed == request.count:
                return plan
        return score.make_plan(policy, request, view, self._rng)

    def _alternatives(self, job: ClaimedJob, request: Request, plan: Plan, view: AttemptView) -> Int64:
        """The rows that the claims should name as alternatives; none where the job has no need of them."""
        if not len(plan.rows) or not alternatives.needed(job, self._config.alternatives_after_conflicts):
            return no_entries()
        open_ = feasible.room(request, view) > 0
        for limit in feasible.group_limits(request, view):
            open_ &= limit.left[limit.group] > 0
        return alternatives.ranked(
            plan.rows, np.flatnonzero(open_), self._config.alternatives_at_most, self._rng
        )

    def _find(self, job: ClaimedJob, request: Request, plan: Plan, scene: _Scene) -> _Found:
        """The plan, with what may be seized beside it; counted in the view unless it is too small for the gang."""
        view, mark = scene.view, scene.view.mark()
        if len(plan.rows):
            view.claim(request, plan.rows, plan.slots, plan.devices)
        found = _Found(plan=plan)
        missing = request.count - plan.placed
        if missing and scene.victims_left and job.priority > 0:
            found = replace(found, seized=self._seize(job, replace(request, count=missing), plan, scene))
        if gang_too_small(job, found.slots):
            view.rollback(mark)
        elif len(found.seized.rows):
            scene.victims_left -= len(found.seized.victims.claim)
            scene.seized.update(found.seized.rows.tolist())
            close(request, found.seized, view)
        return found

    def _seize(self, job: ClaimedJob, request: Request, plan: Plan, scene: _Scene) -> Seized:
        """What may be seized for the missing slots; nothing if a gang would be incomplete all the same."""
        seized = self._seizer.seize(
            job, request, scene.view, scene.snapshot, but=scene.seized, budget=scene.victims_left
        )
        return NOTHING_SEIZED if gang_too_small(job, plan.placed + len(seized.rows)) else seized

    # --- reservations

    def _hold(self, job: ClaimedJob, scene: _Scene) -> Hold:
        """The machines reserved for the job at present, as far as the snapshot knows."""
        reserved = scene.snapshot.reserved
        if not len(reserved.rows):
            return NO_HOLD
        mine = (reserved.job_id == job.job_id) & (reserved.until > scene.now)
        if not mine.any():
            return NO_HOLD
        self.ages.reserved(job)
        return Hold(machines=int(mine.sum()), until=float(reserved.until[mine].max()))

    def _to_reserve(self, job: ClaimedJob, request: Request, scene: _Scene) -> Int64:
        """The machines to keep for a gang that is due; those kept for another job are not to be had."""
        if not self.ages.due(job, self._config, now=scene.now):
            return no_entries()
        view, snapshot = scene.view, scene.snapshot
        missing = replace(request, count=least_useful(job))
        capacity = feasible.room(missing, Emptied(view))
        capacity[snapshot.reserved.rows[snapshot.reserved.until > scene.now]] = 0
        rows = reserve.machines_for(
            missing.count, capacity, feasible.room(missing, view), feasible.group_limits(missing, view)
        )
        return snapshot.machine_id[rows]


def _claims(found: _Found, others: Int64, snapshot: Snapshot, asked: int, tasks: int) -> JobClaims:
    """The slots found as claims: the plan's, then one for each slot that is seized; `others` as alternatives."""
    planned = ranges.claims_of(found.plan, asked, tasks)
    if len(others):
        planned = alternatives.one_slot_each(planned)
    seized = found.seized
    rows = np.concatenate((planned.rows, seized.rows))
    nothing, ones = np.zeros_like(seized.rows), np.ones_like(seized.rows)
    left = asked - int((planned.slots * planned.tasks).sum()) - tasks * np.arange(len(ones))
    return JobClaims(
        machine_id=snapshot.machine_id[rows],
        slots=np.concatenate((planned.slots, ones)),
        claim_sequence=snapshot.claim_sequence[rows],
        tasks=np.concatenate((planned.tasks, np.minimum(left, tasks))),
        devices=np.concatenate((planned.devices, nothing)) if len(planned.devices) else planned.devices,
        victims=replace(seized.victims, claim=seized.victims.claim + len(planned.rows)),
        alternatives=snapshot.machine_id[others],
    )


def _plain_claims(plan: Plan, snapshot: Snapshot) -> JobClaims:
    """A plan as claims for slots of one task."""
    return make_claims(
        machine_id=snapshot.machine_id.take(plan.rows),
        slots=plan.slots,
        claim_sequence=snapshot.claim_sequence.take(plan.rows),
        devices=plan.devices,
    )
