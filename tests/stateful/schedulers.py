"""What schedulers do to both stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from omegacell.cellstate.model import DEVICE_MILLI, CommitMode, Placement, Settlement, Transaction
from tests.contract.wishes import Wish, transaction_of
from tests.stateful import happenings, observation
from tests.stateful.clients import ClientSteps
from tests.stateful.driver import WHICH, Holder, Which
from tests.stateful.steps import step
from tests.stateful.strategies import (
    LEASE_SECONDS,
    ClaimPick,
    alternatives,
    claim_lists,
    either,
    mostly,
    one_of,
    picks,
    some,
    specifications,
    who,
)


class SchedulerSteps(ClientSteps):
    """Claim, commit, settle; old incarnations and old transactions too."""

    def register_scheduler(self, number: int) -> None:
        leases = self.both(
            lambda store, _: store.register_scheduler(f"s{number}", "batch", lease_seconds=LEASE_SECONDS),
            observation.lease,
        )
        if leases is not None:
            self.schedulers.append(Holder(leases=leases))

    def scheduler(self, pick: int) -> Holder:
        """Newest first, so that most of what is tried is by a living one."""
        return self.schedulers[-1 - pick % len(self.schedulers)]

    def claim_jobs(self, pick: int, limit: int) -> None:
        scheduler = self.scheduler(pick)
        self.same(lambda store, which: store.claim_jobs(*scheduler.key(which), limit=limit))

    @step(
        weight=4,
        pick=who,
        claims=claim_lists,
        others=alternatives,
        given_back=either,
        spec=specifications,
    )
    def schedule(
        self, *, pick: int, claims: list[ClaimPick], others: list[int], given_back: bool, spec: dict[str, Any]
    ) -> None:
        """What a scheduler does all day: claim, commit, settle; a job for it if there is none."""
        self.claim_jobs(pick, 4)
        if not self.held_by(self.scheduler(pick)):
            self.submit([spec])
            self.claim_jobs(pick, 4)
        self.commit(pick=pick, claims=claims, others=others, sound=True, by_holder=True)
        if given_back:
            held = self.held_by(self.scheduler(pick))
            self.settle(pick, [job_id - 1 for job_id in held], 0.0, False, True)

    def held_by(self, scheduler: Holder) -> list[int]:
        """Jobs that the scheduler has claimed."""
        jobs = self.one.jobs(limit=1000)
        return [job.job_id for job in reversed(jobs) if job.claimed_by == scheduler.holder_id]

    @step(weight=2, pick=who, claims=claim_lists, others=alternatives, sound=either, by_holder=mostly)
    def commit(
        self, *, pick: int, claims: list[ClaimPick], others: list[int], sound: bool, by_holder: bool
    ) -> None:
        """Claims; sound ones name machines that are available, jobs that are held where there are any."""
        scheduler = self.scheduler(pick)
        jobs = (self.held_by(scheduler) if by_holder else []) or [*self.job_ids(), 99]
        machines = {machine.machine_id: machine.claim_sequence for machine in self.one.machines()} | {99: 1}
        available = [
            machine.machine_id for machine in self.one.machines() if machine.up and machine.schedulable
        ]
        if not sound or not available:
            available = sorted(machines)
        wishes = [self.wish(claim, jobs, available, machines, alone=bool(others)) for claim in claims]
        ranked = list(dict.fromkeys(available[other % len(available)] for other in others))
        self.commit_wishes(scheduler, wishes, ranked)

    def commit_wishes(self, scheduler: Holder, wishes: list[Wish], ranked: list[int]) -> None:
        """The wishes of each job together, and with the same alternatives for all."""
        order = list(dict.fromkeys(wish.job for wish in wishes))
        wishes = sorted(wishes, key=lambda wish: order.index(wish.job))
        ranks = dict.fromkeys(order, ranked)
        txn_id = self.new_id()
        transactions = {
            which: transaction_of(scheduler.leases[which], wishes, alternatives=ranks, txn_id=txn_id)
            for which in WHICH
        }
        self.transactions.append(transactions)
        self.send(transactions)

    def wish(
        self,
        claim: ClaimPick,
        jobs: Sequence[int],
        machines: Sequence[int],
        sequences: Mapping[int, int],
        *,
        alone: bool,
    ) -> Wish:
        """The claim that was picked: of one slot where it is to be `alone` or names victims or devices."""
        job_id, machine_id = jobs[claim.job % len(jobs)], machines[claim.machine % len(machines)]
        victims, devices = self.victims(claim, job_id, machine_id), self.devices(claim, job_id)
        return Wish(
            job_id,
            machine_id,
            1 if alone or victims or devices else claim.slots,
            seen=sequences[machine_id] - claim.behind,
            tasks=claim.tasks,
            devices=devices,
            victims=victims,
        )

    def devices(self, claim: ClaimPick, job_id: int) -> tuple[int, ...]:
        """The devices the claim names: as many as the job wants, or others."""
        wanted = sum(one.amounts.gpu_milli for one in self.one.definitions([job_id]))
        if claim.devices < 0 or not (wanted or claim.bold):
            return ()
        count = -(-wanted // DEVICE_MILLI) + claim.bold
        return tuple(range(claim.devices, claim.devices + count))

    def victims(self, claim: ClaimPick, job_id: int, machine_id: int) -> tuple[Placement, ...]:
        """What the claim would end: what is there of lower priority, or anything there ever was."""
        if not claim.bold:
            return self.among(self.lower(job_id, machine_id), claim.victims)
        stale = [*self.placements, *self.held_placements()][-24:]
        return tuple(stale[pick % len(stale)] for pick in claim.victims) if stale else ()

    def lower(self, job_id: int, machine_id: int) -> list[Placement]:
        """What the machine holds of jobs of lower priority than this one's."""
        priorities = {job.job_id: job.priority for job in self.one.jobs(limit=1000)}
        return [
            slot
            for slot in self.held_placements()
            if slot.machine_id == machine_id and priorities[slot.job_id] < priorities.get(job_id, 0)
        ]

    def among(self, slots: Sequence[Placement], picked: Sequence[int]) -> tuple[Placement, ...]:
        """Some of the slots, each once."""
        chosen = [slots[pick % len(slots)] for pick in picked] if slots else []
        return tuple({(slot.job_id, slot.first_index, slot.attempt): slot for slot in chosen}.values())

    @step(pick=picks)
    def commit_again(self, pick: int) -> None:
        if self.transactions:
            self.send(self.transactions[-1 - pick % len(self.transactions)])

    def send(self, transactions: dict[Which, Transaction]) -> None:
        """Commit in both stores."""
        answers = self.both(
            lambda store, which: store.commit(transactions[which]),
            lambda verdict: observation.verdict(verdict, self.clock.now()),
        )
        assert answers is not None
        self.happened += happenings.of_verdict(transactions["one"], answers["one"])

    @step(
        pick=who,
        job_picks=some(picks, 1, 3),
        after=one_of((0.0, 1.0, 3.0)),
        gave_up=one_of((False, False, False, True)),
        placed_any=either,
    )
    def settle(self, pick: int, job_picks: list[int], after: float, gave_up: bool, placed_any: bool) -> None:
        """Give jobs back; those that placed nothing did so for a conflict as often as not."""
        scheduler = self.scheduler(pick)
        job_ids = [*self.job_ids(), 99]
        named = [job_ids[job_pick % len(job_ids)] for job_pick in job_picks]
        settlements = [
            Settlement(
                job_id=job_id,
                not_before=self.clock.now() + after,
                gave_up=gave_up,
                placed_any=placed_any,
                conflicted=not placed_any and self.ids % 2 == 0,
                explanation=f'{{"step": {self.ids}}}',
            )
            for job_id in dict.fromkeys(named)
        ]
        self.same(lambda store, which: store.settle(*scheduler.key(which), settlements))

    def renew_scheduler(self, pick: int) -> None:
        scheduler = self.scheduler(pick)
        self.same(
            lambda store, which: store.renew_scheduler(
                *scheduler.key(which), busy_seconds=self.ids / 4, attempts=self.ids
            )
        )

    def release_scheduler(self, pick: int) -> None:
        scheduler = self.scheduler(pick)
        self.same(lambda store, which: store.release_scheduler(*scheduler.key(which)))

    def sync(self, pick: int) -> None:
        scheduler = self.scheduler(pick)
        answers = self.both(
            lambda store, which: store.sync(scheduler.watermarks[which]),
            lambda changes: observation.changes(changes, self.clock.now()),
        )
        assert answers is not None
        scheduler.watermarks = {which: answers[which].watermark for which in WHICH}

    @step(
        pick=who,
        gang=mostly,
        cpu=one_of((1000, 4000)),
        machine_picks=some(picks, 1, 3),
        seconds=one_of((1.0, 4.0, 100.0)),
    )
    def reserve(self, *, pick: int, gang: bool, cpu: int, machine_picks: list[int], seconds: float) -> None:
        """Machines for a new gang that is held, or for any job."""
        if gang:
            self.submit([{"tasks": 3, "cpu": cpu, "commit": CommitMode.GANG, "priority": 200}])
            self.claim_jobs(pick, 100)
        scheduler = self.scheduler(pick)
        job_id = [99, *self.job_ids()][-1 if gang else machine_picks[0] % (len(self.job_ids()) + 1)]
        machine_ids = np.array(
            sorted({machine_pick % 4 + 1 for machine_pick in machine_picks}), dtype=np.int64
        )
        reserved = self.same(
            lambda store, which: store.reserve(*scheduler.key(which), job_id, machine_ids, seconds=seconds)
        )
        self.happened["a machine was reserved"] += reserved or 0

    def preemptible(self, below: int) -> None:
        """What may be preempted, on all machines and one that is not there."""
        machine_ids = np.array([3, 1, 2, 99], dtype=np.int64)
        self.same(lambda store, _: store.preemptible(machine_ids, below=below))

    @step(weight=2)
    def reap(self) -> None:
        self.same(lambda store, _: store.reap())
