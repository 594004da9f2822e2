"""What schedulers do to both stores."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from omegacell.cellstate.model import Settlement, Transaction
from tests.contract.scene import transaction
from tests.stateful import observation
from tests.stateful.clients import ClientRules
from tests.stateful.driver import WHICH, Holder, Which
from tests.stateful.strategies import LEASE_SECONDS, claim_rows, mostly, picks, specifications, who


class SchedulerRules(ClientRules):
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

    @rule(pick=who, rows=claim_rows, given_back=st.booleans(), spec=specifications)
    def schedule(
        self, pick: int, rows: list[tuple[int, int, int, int]], given_back: bool, spec: dict[str, Any]
    ) -> None:
        """What a scheduler does all day: claim, commit, settle; a job for it if there is none."""
        self.claim_jobs(pick, 4)
        if not self.held_by(self.scheduler(pick)):
            self.submit([spec])
            self.claim_jobs(pick, 4)
        self.commit(pick, rows, True, True)
        if given_back:
            held = self.held_by(self.scheduler(pick))
            self.settle(pick, [job_id - 1 for job_id in held], 0.0, False, True)

    def held_by(self, scheduler: Holder) -> list[int]:
        """Jobs that the scheduler has claimed."""
        jobs = self.one.jobs(limit=1000)
        return [job.job_id for job in reversed(jobs) if job.claimed_by == scheduler.holder_id]

    @rule(pick=who, rows=claim_rows, sound=mostly, by_holder=mostly)
    def commit(self, pick: int, rows: list[tuple[int, int, int, int]], sound: bool, by_holder: bool) -> None:
        """Claims; sound ones name machines that are available, jobs that are held where there are any."""
        scheduler = self.scheduler(pick)
        held = self.held_by(scheduler)
        wanted = held if held and by_holder else [*self.job_ids(), 99]
        machines = self.one.machines()
        sequences = {machine.machine_id: machine.claim_sequence for machine in machines} | {99: 1}
        machine_ids = [machine.machine_id for machine in machines if machine.up and machine.schedulable]
        if not sound or not machine_ids:
            machine_ids = sorted(sequences)
        claims = []
        for job_pick, machine_pick, slots, behind in rows:
            machine_id = machine_ids[machine_pick % len(machine_ids)]
            job_id = wanted[job_pick % len(wanted)]
            claims.append((job_id, machine_id, slots, sequences[machine_id] - behind))
        order = list(dict.fromkeys(claim[0] for claim in claims))
        claims.sort(key=lambda claim: order.index(claim[0]))
        txn_id = self.new_id()
        transactions = {which: transaction(scheduler.leases[which], claims, txn_id=txn_id) for which in WHICH}
        self.transactions.append(transactions)
        self.send(transactions)

    @rule(pick=picks)
    def commit_again(self, pick: int) -> None:
        if self.transactions:
            self.send(self.transactions[-1 - pick % len(self.transactions)])

    def send(self, transactions: dict[Which, Transaction]) -> None:
        """Commit in both stores, and remember what it placed for reports long after."""
        answers = self.both(lambda store, which: store.commit(transactions[which]), observation.verdict)
        assert answers is not None
        job_ids = transactions["one"].job_id[answers["one"].accepted > 0].tolist()
        for job_id, _ in groupby(job_ids):
            self.placements += self.one.placements(job_id)

    @rule(
        pick=who,
        job_picks=st.lists(picks, min_size=1, max_size=3),
        after=st.sampled_from((0.0, 1.0, 3.0)),
        gave_up=st.sampled_from((False, False, False, True)),
        placed_any=st.booleans(),
    )
    def settle(self, pick: int, job_picks: list[int], after: float, gave_up: bool, placed_any: bool) -> None:
        scheduler = self.scheduler(pick)
        job_ids = [*self.job_ids(), 99]
        named = [job_ids[job_pick % len(job_ids)] for job_pick in job_picks]
        settlements = [
            Settlement(
                job_id=job_id,
                not_before=self.clock.now() + after,
                gave_up=gave_up,
                placed_any=placed_any,
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
        answers = self.both(lambda store, which: store.sync(scheduler.watermarks[which]), observation.changes)
        assert answers is not None
        scheduler.watermarks = {which: answers[which].watermark for which in WHICH}

    @rule()
    def reap(self) -> None:
        self.same(lambda store, _: store.reap())
