"""An attempt from begin to finish, on the in-memory store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from omegacell.cellstate.errors import PolicyError, TokenLost
from omegacell.cellstate.model import (
    AntiAffinity,
    ClaimedJob,
    CommitMode,
    Constraint,
    Detection,
    JobState,
    Operator,
    Reason,
    Transaction,
    Verdict,
)
from omegacell.schedulers.attempt import nothing_claimed
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.config import REFERENCE, SchedulerConfig
from omegacell.schedulers.policies.best_fit import BestFit
from omegacell.schedulers.policies.first_fit import FirstFit
from omegacell.schedulers.policy import CellView, Plan, Request
from omegacell.schedulers.retry import Done, GiveUp, RetryAt
from omegacell.schedulers.scheduler import PolicyChoice, Scheduler
from omegacell.schedulers.service import ServiceScheduler
from tests.unit.schedulers.builders import START, MemoryCell


def on(cell: MemoryCell, job_id: int) -> dict[int, int]:
    """How many tasks of a job each machine holds."""
    held: dict[int, int] = {}
    for placement in cell.store.placements(job_id):
        held[placement.machine_id] = held.get(placement.machine_id, 0) + placement.count
    return held


def explained(cell: MemoryCell, job_id: int) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(cell.store.explanation(job_id))
    return told


def test_jobs_of_an_attempt_see_the_claims_of_those_before() -> None:
    cell = MemoryCell(4_000, 4_000)
    jobs = [cell.submit(2, cpu=2_000), cell.submit(2, cpu=2_000)]
    finished = cell.run(cell.scheduler(BatchScheduler, policy=FirstFit))
    assert [on(cell, job) for job in jobs] == [{1: 2}, {2: 2}]
    assert finished.next == (Done(), Done())
    assert finished.conflicts == 0
    assert cell.store.check() == ()


def test_empty_queue_makes_an_idle_attempt_and_sends_nothing() -> None:
    cell = MemoryCell(1_000)
    scheduler = cell.scheduler(BatchScheduler)
    attempt = scheduler.begin(START)
    assert attempt.idle
    scheduler.finish(attempt, START)
    assert cell.store.schedulers()[0].transactions_succeeded == 0


def test_snapshot_is_as_the_store_after_an_attempt() -> None:
    cell = MemoryCell(4_000, 4_000, 1_000)
    scheduler = cell.scheduler(BatchScheduler)
    for _ in range(5):
        cell.submit(2, cpu=700)
        cell.run(scheduler)
    used = {machine.machine_id: machine.used.vector().tolist() for machine in cell.store.machines()}
    snapshot = scheduler.snapshot
    assert dict(zip(snapshot.machine_id.tolist(), snapshot.used.tolist(), strict=True)) == used
    assert (snapshot.free == snapshot.capacity - snapshot.used).all()


def test_loser_of_a_race_keeps_what_fits_and_retries_the_rest_at_once() -> None:
    cell = MemoryCell(3_000, 3_000)
    first, second = (
        cell.scheduler(BatchScheduler, name=name, policy=FirstFit, config=SchedulerConfig(jobs_per_attempt=1))
        for name in ("s-1", "s-2")
    )
    jobs = [cell.submit(2), cell.submit(2)]
    attempts = first.begin(START), second.begin(START)
    first.finish(attempts[0], START)
    lost = second.finish(attempts[1], START)
    assert on(cell, jobs[1]) == {1: 1}
    assert lost.next == (RetryAt(at=START),)
    assert (lost.placed, lost.conflicts) == (1, 1)
    told = explained(cell, jobs[1])
    assert told["lost"][0]["machine"] == "m1"
    assert told["lost"][0]["reason"] == "cpu"
    assert told["lost"][0]["rival_scheduler"] == first.lease.holder_id
    assert cell.run(second).next == (Done(),)
    assert on(cell, jobs[1]) == {1: 1, 2: 1}


def test_loser_of_a_race_is_in_sync_without_asking() -> None:
    cell = MemoryCell(3_000)
    first, second = (cell.scheduler(BatchScheduler, name=name) for name in ("s-1", "s-2"))
    cell.submit(2)
    attempt = first.begin(START)
    cell.submit(3)
    rival = second.begin(START)
    first.finish(attempt, START)
    second.finish(rival, START)
    assert second.snapshot.free[:, 0].tolist() == [0]


def test_coarse_detection_refuses_a_machine_claimed_since() -> None:
    cell = MemoryCell(9_000)
    first, second = (
        cell.scheduler(BatchScheduler, name=name, config=SchedulerConfig(jobs_per_attempt=1))
        for name in ("s-1", "s-2")
    )
    cell.submit()
    job = cell.submit(detection=Detection.COARSE)
    attempts = first.begin(START), second.begin(START)
    first.finish(attempts[0], START)
    lost = second.finish(attempts[1], START)
    assert lost.verdict.reason.tolist() == [Reason.SEQUENCE]
    assert cell.run(second).next == (Done(),)
    assert on(cell, job) == {1: 1}


class RefusesEverything:
    """A store whose commit refuses every claim as a conflict; all else is the store's own."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.transactions: list[Transaction] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, transaction: Transaction) -> Verdict:
        self.transactions.append(transaction)
        claims = len(transaction.job_id)
        nothing = np.zeros(claims, dtype=np.int64)
        return replace(
            nothing_claimed(transaction, 3),
            accepted=nothing,
            tasks=nothing,
            reason=np.full(claims, Reason.CPU, dtype=np.int64),
            machine_id=transaction.machine_id,
            free=nothing,
            first_index=nothing - 1,
            preempted=nothing,
            rival_txn=(None,) * claims,
            rival_scheduler=nothing,
        )


def test_when_everything_is_refused_jobs_go_back_and_nothing_is_lost() -> None:
    cell = MemoryCell(8_000)
    jobs = [cell.submit(2), cell.submit(3)]
    store = RefusesEverything(cell.store)
    scheduler = cell.scheduler(BatchScheduler, store=store)
    finished = cell.run(scheduler)
    assert finished.next == (RetryAt(at=START), RetryAt(at=START))
    assert finished.placed == 0
    assert [cell.store.job(job).attempts for job in jobs] == [1, 1]
    assert cell.store.job(jobs[0]).claimed_by == 0
    cell.run(scheduler)
    ids = [transaction.txn_id for transaction in store.transactions]
    assert len(set(ids)) == 2
    assert scheduler.snapshot.free[:, 0].tolist() == [8_000]


def test_claims_of_one_job_stand_together_in_the_order_of_the_jobs() -> None:
    cell = MemoryCell(1_000, 1_000, 1_000, 1_000)
    jobs = [cell.submit(2), cell.submit(2)]
    attempt = cell.scheduler(BatchScheduler).begin(START)
    assert attempt.transaction.job_id.tolist() == [jobs[0], jobs[0], jobs[1], jobs[1]]
    assert attempt.bounds == (0, 2, 4)


def test_restarted_scheduler_with_the_same_seed_makes_other_transaction_ids() -> None:
    cell = MemoryCell(8_000)
    cell.submit()
    first = cell.scheduler(BatchScheduler, seed=7).begin(START)
    second = cell.scheduler(BatchScheduler, seed=7).begin(START)
    assert first.transaction.txn_id != second.transaction.txn_id


def test_replaced_scheduler_stops() -> None:
    cell = MemoryCell(8_000)
    job = cell.submit()
    old = cell.scheduler(BatchScheduler)
    attempt = old.begin(START)
    cell.scheduler(BatchScheduler)
    with pytest.raises(TokenLost, match="no longer valid"):
        old.finish(attempt, START)
    with pytest.raises(TokenLost):
        old.begin(START)
    assert on(cell, job) == {}


def test_impossible_job_says_why_and_starts_when_a_machine_that_fits_joins() -> None:
    cell = MemoryCell(4_000, 2_000)
    job = cell.submit(cpu=64_000)
    scheduler = cell.scheduler(BatchScheduler)
    finished = cell.run(scheduler)
    (step,) = finished.next
    assert isinstance(step, RetryAt)
    assert START + 0.05 <= step.at <= START + 0.1
    told = explained(cell, job)
    assert told["room"]["dimensions"] == {"cpu_milli": 2}
    assert told["room"]["largest"]["cpu_milli"] == 4_000
    assert told["room"]["nearest"] == "m1"
    cell.add(64_000, first=3)
    cell.clock.advance(0.1)
    assert cell.run(scheduler).next == (Done(),)
    assert on(cell, job) == {3: 1}


def test_constraints_and_anti_affinity_hold_over_attempts() -> None:
    cell = MemoryCell(*[9_000] * 4, attributes=[{"rack": rack} for rack in "aabb"])
    job = cell.submit(
        6,
        constraints=(Constraint(attribute="machine", operator=Operator.NE, values=("m4",)),),
        anti_affinity=(AntiAffinity(attribute="rack", limit=2), AntiAffinity(attribute="machine", limit=1)),
    )
    scheduler = cell.scheduler(BatchScheduler, config=SchedulerConfig(max_slots_per_attempt=1))
    for _ in range(6):
        cell.run(scheduler)
        cell.clock.advance(5.0)
    assert on(cell, job) == {1: 1, 2: 1, 3: 1}
    assert explained(cell, job)["room"]["anti_affinity"] == 3


def test_gang_too_large_for_the_room_sends_no_claims() -> None:
    cell = MemoryCell(4_000)
    job = cell.submit(6, commit=CommitMode.GANG)
    store = RefusesEverything(cell.store)
    finished = cell.run(cell.scheduler(BatchScheduler, store=store))
    assert store.transactions == []
    told = explained(cell, job)
    assert (told["gang"], told["planned"]) == (6, 4)
    assert isinstance(finished.next[0], RetryAt)


def test_gang_is_not_cut_by_the_budget() -> None:
    cell = MemoryCell(9_000)
    job = cell.submit(8, commit=CommitMode.GANG)
    cell.run(cell.scheduler(BatchScheduler, config=SchedulerConfig(max_slots_per_attempt=2)))
    assert on(cell, job) == {1: 8}


def test_large_job_goes_in_slices_and_a_newcomer_gets_its_share() -> None:
    cell = MemoryCell(90_000)
    config = SchedulerConfig(max_slots_per_attempt=10)
    scheduler = cell.scheduler(BatchScheduler, config=config)
    large = cell.submit(50)
    cell.run(scheduler)
    small = cell.submit(3)
    cell.run(scheduler)
    assert (on(cell, large), on(cell, small)) == ({1: 17}, {1: 3})


def test_reference_preset_gives_a_job_up_after_101_attempts() -> None:
    cell = MemoryCell(1_000)
    job = cell.submit(cpu=5_000)
    scheduler = cell.scheduler(BatchScheduler, config=REFERENCE)
    steps = []
    for _ in range(101):
        steps += cell.run(scheduler).next
        cell.clock.advance(1.0)
    assert all(isinstance(step, RetryAt) for step in steps[:-1])
    assert steps[-1] == GiveUp(attempts=101)
    status = cell.store.job(job)
    assert status.state is JobState.CANCELLED
    assert "gave up" in status.reason


def test_very_short_tasks_share_slots_and_all_of_them_count_as_placed() -> None:
    cell = MemoryCell(4_000)
    job = cell.submit(20, expected_duration_seconds=0.001)
    finished = cell.run(cell.scheduler(BatchScheduler))
    assert finished.attempt.transaction.tasks.tolist() == [7, 6]
    assert (finished.placed, finished.next) == (20, (Done(),))
    assert [slot.count for slot in cell.store.placements(job)] == [7, 7, 6]
    plain = cell.scheduler(BatchScheduler, name="s-2", config=SchedulerConfig(ranges=False))
    cell.submit(1, expected_duration_seconds=0.001)
    assert len(plain.begin(START).transaction.tasks) == 0


def test_budget_of_an_attempt_counts_slots() -> None:
    cell = MemoryCell(9_000)
    cell.submit(100, expected_duration_seconds=0.001)
    config = SchedulerConfig(max_slots_per_attempt=3)
    finished = cell.run(cell.scheduler(BatchScheduler, config=config))
    assert finished.placed == 24  # eight to a slot


def test_think_time_grows_with_the_unplaced_tasks() -> None:
    cell = MemoryCell(1_000)
    cell.submit(30)
    scheduler = cell.scheduler(BatchScheduler, config=REFERENCE)
    attempt = scheduler.begin(START)
    assert scheduler.think_seconds(attempt.jobs[0].job) == pytest.approx(0.1 + 30 * 0.005)


class Raises:
    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        raise ZeroDivisionError("by mistake")


class RaisesBytes:
    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        raise ValueError("\0\udcff")  # the store can keep neither


class OverCommits:
    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        return Plan(rows=np.array([0]), slots=np.array([request.count]))


class ReturnsNothing:
    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Any:
        return None


class WritesToItsView:
    def score(self, request: Request, cell: CellView, rows: Any) -> Any:
        cell.free("cpu_milli")[rows] = 0
        return rows * 1.0


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Raises, "ZeroDivisionError: by mistake"),
        (OverCommits, "9 tasks on machine 'm1', which may take 1"),
        (RaisesBytes, "ValueError: \N{REPLACEMENT CHARACTER}?"),
        (ReturnsNothing, "returned NoneType; expected a Plan"),
        (WritesToItsView, "read-only"),
    ],
)
def test_bad_policy_costs_its_job_the_attempt_and_nobody_else(policy: type, words: str) -> None:
    path = f"{policy.__module__}:{policy.__qualname__}"
    cell = MemoryCell(1_000, 1_000)
    bad, good = cell.submit(9, policy=path), cell.submit()
    scheduler = cell.scheduler(BatchScheduler)
    finished = cell.run(scheduler)
    assert on(cell, bad) == {}
    assert sum(on(cell, good).values()) == 1
    assert words in explained(cell, bad)["error"]
    assert isinstance(finished.next[0], RetryAt)
    assert finished.next[0].at > START


def test_unknown_policy_of_a_job_names_the_known_ones() -> None:
    cell = MemoryCell(1_000)
    job = cell.submit(policy="beste_fit")
    cell.run(cell.scheduler(BatchScheduler))
    assert "'beste_fit' is unknown; expected one of best_fit, first_fit" in explained(cell, job)["error"]


def test_unknown_policy_of_a_scheduler_is_an_error_at_once() -> None:
    with pytest.raises(PolicyError, match="'beste_fit' is unknown"):
        MemoryCell(1_000).scheduler(BatchScheduler, policy="beste_fit")


def test_job_names_its_policy_over_the_scheduler() -> None:
    cell = MemoryCell(9_000, 2_000)
    job = cell.submit(2, policy="best_fit")
    cell.run(cell.scheduler(BatchScheduler, policy="worst_fit"))
    assert on(cell, job) == {2: 2}


def test_service_replicas_are_spread_and_come_back_where_they_are_missing() -> None:
    cell = MemoryCell(9_000, 9_000, 9_000)
    job = cell.submit(3, scheduler="service", service=True)
    scheduler = cell.scheduler(ServiceScheduler)
    cell.run(scheduler)
    assert on(cell, job) == {1: 1, 2: 1, 3: 1}
    cell.store.drain("m2")
    cell.store.uncordon("m2")
    cell.add(9_000, first=2)  # the machine registers anew: what it held is lost
    cell.clock.advance(60.0)
    cell.run(scheduler)
    assert on(cell, job) == {1: 1, 2: 1, 3: 1}
    assert cell.store.check() == ()


class Overnight(Scheduler):
    """A kind of a user's own: small jobs first, packed."""

    kind: ClassVar[str] = "overnight"
    default_policy: ClassVar[PolicyChoice] = BestFit

    def order(self, jobs: Sequence[ClaimedJob]) -> Sequence[ClaimedJob]:
        return sorted(jobs, key=lambda job: job.pending)


class Forgetful(Overnight):
    def order(self, jobs: Sequence[ClaimedJob]) -> Sequence[ClaimedJob]:
        return jobs[1:]


class Clumsy(Overnight):
    def order(self, jobs: Sequence[ClaimedJob]) -> Sequence[ClaimedJob]:
        raise KeyError("oops")

    def policy_for(self, job: ClaimedJob) -> PolicyChoice:
        if job.pending > 1:
            raise KeyError("oops")
        return super().policy_for(job)


def test_kind_of_ones_own_orders_its_jobs() -> None:
    cell = MemoryCell(2_000)
    large, small = cell.submit(2, scheduler="overnight"), cell.submit(scheduler="overnight")
    cell.run(cell.scheduler(Overnight))
    assert (on(cell, large), on(cell, small)) == ({1: 1}, {1: 1})


@pytest.mark.parametrize("kind", [Forgetful, Clumsy])
def test_hook_that_fails_costs_its_advice_only(kind: type[Scheduler]) -> None:
    cell = MemoryCell(9_000)
    large, small = cell.submit(2, scheduler="overnight"), cell.submit(scheduler="overnight")
    cell.run(cell.scheduler(kind))
    assert on(cell, small) == {1: 1}
    assert on(cell, large) == ({1: 2} if kind is Forgetful else {})


def test_many_schedulers_on_a_nearly_full_cell_conflict_and_keep_the_invariants() -> None:
    cell = MemoryCell(*[4_000] * 10)
    schedulers = [
        cell.scheduler(
            BatchScheduler,
            name=f"s-{n}",
            seed=n,
            policy="best_fit",
            config=SchedulerConfig(jobs_per_attempt=2),
        )
        for n in range(4)
    ]
    jobs = [cell.submit(5, cpu=500) for _ in range(16)]
    for _ in range(16):
        attempts = [scheduler.begin(cell.clock.now()) for scheduler in schedulers]
        for scheduler, attempt in zip(schedulers, attempts, strict=True):
            scheduler.finish(attempt, cell.clock.now())
        cell.clock.advance(2.0)
    assert sum(status.transactions_failed for status in cell.store.schedulers()) > 0
    assert sum(sum(on(cell, job).values()) for job in jobs) == 80
    assert cell.store.check() == ()
