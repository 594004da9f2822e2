"""Housekeeping against everybody else: purges and new partitions beside readers of the feed, reports and commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import uuid4

import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import Lease, Placement, Transaction, Verdict, Violation, Watermark
from tests.contract.scene import Scene, WorkerHand
from tests.contract.wishes import Wish, answers, transaction_of
from tests.faults.rivals import Arena, Rival, race

DAY = 86_400.0
DAYS = 10
FOREVER = 1000 * DAY


@pytest.fixture(autouse=True)
def kept_until_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daily housekeeping forgets nothing: the test's own purge does."""
    monkeypatch.setenv("OMEGA_RETENTION", "1000d")
    monkeypatch.setenv("OMEGA_LOG_RETENTION", "1000d")


def purges(rival: Rival, days: int) -> tuple[int, int]:
    """Purge what is older than so many days, one day less each round; how many jobs and partitions went."""
    jobs = partitions = 0
    for age in range(days, 0, -1):
        rival.together()
        purged = rival.store.purge(older_than_seconds=age * DAY)
        jobs += purged.jobs
        partitions += purged.partitions
    return jobs, partitions


def follows(rival: Rival, watermarks: Sequence[Watermark]) -> list[tuple[bool, dict[int, int]]]:
    """Sync from a watermark a round: whether it was a full load, and the versions of the machines it told of."""
    told = []
    for watermark in watermarks:
        rival.together()
        changes = rival.store.sync(watermark)
        told.append(
            (
                changes.full,
                dict(zip(changes.rows.machine_id.tolist(), changes.rows.version.tolist(), strict=True)),
            )
        )
    return told


def sends_again(rival: Rival, transactions: Sequence[Transaction], days: int) -> list[list[Verdict]]:
    """Commit the same transactions each round."""
    told = []
    for _ in range(days):
        rival.together()
        told.append([rival.store.commit(transaction) for transaction in transactions])
    return told


def looks(rival: Rival, days: int) -> list[Violation]:
    """Check the invariants each round, while others are at it."""
    found: list[Violation] = []
    for _ in range(days):
        rival.together()
        found += rival.store.check()
    return found


@pytest.fixture
def watermarks(scene: Scene, clock: ManualClock) -> list[Watermark]:
    """A cell that lived for days, and where the feed stood each evening.

    On each day a job of two tasks ended, and one task of a job that goes on.
    """
    worker, scheduler = scene.worker(lease_seconds=FOREVER), scene.scheduler(lease_seconds=FOREVER)
    long = scene.submit(tasks=2 * DAYS)
    found = []
    for number in range(DAYS):
        machine = worker.machine(f"m{number}")
        job = scene.submit(tasks=2)
        scheduler.claim()
        scheduler.commit((job, machine, 2), (long, machine, 1))
        worker.end_job(job)
        worker.end_job(long)
        scheduler.settle(long, placed_any=True)
        found.append(scene.store.sync(None).watermark)
        clock.advance(DAY)
        scene.store.reap()
    return found


def test_purge_against_replay(
    scene: Scene, arena: Arena, clock: ManualClock, watermarks: list[Watermark]
) -> None:
    clock.advance(1.0)
    scheduler = scene.scheduler(lease_seconds=FOREVER)
    job = scene.submit(tasks=3)
    scheduler.claim()
    sent = [
        transaction_of(scheduler.lease, [Wish(job, machine, seen=1)], txn_id=uuid4()) for machine in (1, 2, 3)
    ]
    first = [scene.store.commit(transaction) for transaction in sent]
    versions = {machine.machine_id: machine.version for machine in scene.store.machines()}
    evenings = [
        max(0, number - 2) for number in range(DAYS)
    ]  # the log of the day after is dropped in this very round
    (jobs, partitions), told, again, violations = race(
        replace(arena, now=clock.now()),
        partial(purges, days=DAYS),
        partial(follows, watermarks=[watermarks[number] for number in evenings]),
        partial(sends_again, transactions=sent, days=DAYS),
        partial(looks, days=DAYS),
    )
    assert violations == []
    assert jobs == DAYS
    assert partitions >= 2 * (DAYS - 1)  # of log and outcomes; yesterday's and today's stay
    for verdicts in again:
        assert [answers(verdict) for verdict in verdicts] == [answers(verdict) for verdict in first]
        assert [one.first_index.tolist() for one in verdicts] == [one.first_index.tolist() for one in first]
    assert len(scene.store.placements(job)) == 3
    for number, (full, seen) in zip(evenings, told, strict=True):
        # Since the evening of that day: the machines of later days were registered, and three of all claimed.
        missed = {
            machine: version for machine, version in versions.items() if machine > number + 1 or machine <= 3
        }
        assert seen == versions if full else missed.items() <= seen.items(), (number, full, seen)


def ages(rival: Rival, days: int) -> None:
    """Live for days: each round the next one begins, with its housekeeping."""
    for _ in range(days):
        rival.together()
        rival.clock.advance(DAY)
        rival.store.reap()


def reports(rival: Rival, lease: Lease, held: Sequence[Sequence[Placement]]) -> int:
    """Report the end of some slots a round, one by one, as the same days go by; how many were accepted."""
    accepted = 0
    for placements in held:
        rival.together()
        rival.clock.advance(DAY)
        accepted += sum(sum(WorkerHand(rival.scene, lease).end(one)) for one in placements)
    return accepted


def test_partitions_made_ahead_against_reports(scene: Scene, arena: Arena) -> None:
    slots = 8
    worker, scheduler = scene.worker(lease_seconds=FOREVER), scene.scheduler(lease_seconds=FOREVER)
    machines = [worker.machine(f"m{number}", cpu=1000 * slots * DAYS) for number in range(2)]
    jobs = [scene.submit(tasks=slots * DAYS) for _ in machines]
    scheduler.claim()
    scheduler.commit(*((job, machine, slots * DAYS) for job, machine in zip(jobs, machines, strict=True)))
    held = [scene.store.placements(job) for job in jobs]
    reporters = [
        partial(
            reports, lease=worker.lease, held=[mine[at : at + slots] for at in range(0, len(mine), slots)]
        )
        for mine in held
    ]
    keeper = partial(ages, days=DAYS)
    *accepted, _, _ = race(arena, *reporters, keeper, keeper)
    assert accepted == [slots * DAYS] * 2
    assert [scene.job(job).succeeded for job in jobs] == accepted
