"""Statements that would go quadratic, where the planner cannot know sizes: each beside its like that cannot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import AttemptState, CommitMode, Transaction
from omegacell.cellstate.postgres import PostgresStore
from tests.contract.scene import Scene, SchedulerHand, WorkerHand, machine_spec
from tests.contract.wishes import Wish, transaction_of


@pytest.fixture
def scene(database: str, clock: ManualClock) -> Iterator[Scene]:
    with closing(PostgresStore(database, clock=clock)) as store:
        yield Scene(store, clock)
        assert store.check() == ()


def machines(worker: WorkerHand, count: int) -> list[int]:
    return [one.machine_id for one in worker.bring(*[machine_spec(f"m{n}", cpu=1000) for n in range(count)])]


def report_seconds(scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, *, per_slot: int) -> float:
    """How long the report of 6,000 tasks takes that are in slots of so many."""
    job = scene.submit(tasks=6_000, cpu=1)
    machine = worker.machine(f"of {per_slot}", cpu=6_000)
    slots = scheduler.place(job, machine, 6_000 // per_slot, tasks=per_slot)
    begun = time.perf_counter()
    assert all(worker.end(*slots, state=AttemptState.SUCCEEDED))
    return time.perf_counter() - begun


def test_tasks_in_slots_of_many_are_reported_about_as_fast_as_in_slots_of_one(scene: Scene) -> None:
    worker, scheduler = scene.worker(), scene.scheduler()
    alone = report_seconds(scene, worker, scheduler, per_slot=1)
    together = report_seconds(scene, worker, scheduler, per_slot=100)
    assert together < 4 * alone, f"{together:.2f} s for slots of 100, {alone:.2f} s for slots of one"


def commit_seconds(scene: Scene, sent: Transaction, *, accepted: int) -> float:
    begun = time.perf_counter()
    verdict = scene.store.commit(sent)
    assert verdict.accepted.sum() == accepted
    return time.perf_counter() - begun


def test_a_gang_takes_machines_reserved_for_it_about_as_fast_as_others(scene: Scene) -> None:
    scheduler, places = scene.scheduler(), machines(scene.worker(), 2_000)
    gangs = [scene.submit(tasks=2_000, cpu=400, commit=CommitMode.GANG) for _ in range(2)]
    scheduler.claim()
    seconds = []
    for gang, reserved in zip(gangs, (0, 2_000), strict=True):
        assert scheduler.reserve(gang, *places[:reserved]) == reserved
        wishes = [Wish(gang, place, seen=0) for place in places]
        seconds.append(commit_seconds(scene, transaction_of(scheduler.lease, wishes), accepted=2_000))
    assert seconds[1] < 6 * seconds[0], f"{seconds[1]:.2f} s with reservations, {seconds[0]:.2f} s without"
    assert scene.store.reservations() == ()


def test_alternatives_without_room_are_looked_at_once_a_job(scene: Scene) -> None:
    scheduler, places = scene.scheduler(), machines(scene.worker(), 1_000)
    full = scene.submit(tasks=1_000)
    scheduler.claim()
    scheduler.commit(*[(full, place) for place in places])
    job = scene.submit(tasks=1_000)
    scheduler.claim()
    wishes = [Wish(job, places[0], seen=0)] * 1_000
    seconds = []
    for alternatives in ({}, {job: places}):
        sent = transaction_of(scheduler.lease, wishes, alternatives=alternatives, txn_id=uuid4())
        seconds.append(commit_seconds(scene, sent, accepted=0))
    assert seconds[1] < 0.1 + 6 * seconds[0], (
        f"{seconds[1]:.2f} s with alternatives, {seconds[0]:.2f} s without"
    )
