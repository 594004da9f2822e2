"""What happened, as people are told: once each, in order, from a watermark on."""

from __future__ import annotations

import pytest

from omegacell.cellstate.model import CommitMode, Detection, Event, EventKind, JobState, Reason, Watermark
from omegacell.cellstate.store import Store
from tests.contract.scene import LEASE_SECONDS, Scene, SchedulerHand, WorkerHand
from tests.contract.wishes import Wish


class Reader:
    """Somebody who follows the cell's events from now on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watermark: Watermark = store.events(None).watermark

    def read(self) -> list[Event]:
        """What happened since it was asked last."""
        found = self._store.events(self._watermark)
        self._watermark = found.watermark
        return list(found.events)

    def kinds(self) -> list[EventKind]:
        """The kinds of the same."""
        return [event.kind for event in self.read()]


@pytest.fixture
def reader(scene: Scene) -> Reader:
    return Reader(scene.store)


def test_nothing_is_told_of_what_was_before(scene: Scene, worker: WorkerHand) -> None:
    scene.submit()
    first = scene.store.events(None)
    assert first.events == ()
    assert scene.store.events(first.watermark).events == ()


def test_everything_is_told_once(scene: Scene, worker: WorkerHand, reader: Reader) -> None:
    scene.submit()
    assert reader.kinds() == [EventKind.JOB_SUBMITTED]
    assert reader.read() == []


def test_two_readers_are_told_the_same(scene: Scene, reader: Reader) -> None:
    other = Reader(scene.store)
    scene.submit()
    assert reader.read() == other.read() != []


def test_a_job_from_submission_to_end(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, reader: Reader
) -> None:
    job_id = scene.submit(tasks=2)
    submitted_at = scene.clock.now()
    scene.clock.advance(1.0)
    scheduler.place(job_id, 1, 2)
    scene.clock.advance(1.0)
    worker.end_job(job_id)
    assert reader.read() == [
        Event(at=submitted_at, kind=EventKind.JOB_SUBMITTED, job_id=job_id, state=JobState.PENDING),
        Event(
            at=submitted_at + 1.0,
            kind=EventKind.PLACED,
            job_id=job_id,
            machine_id=1,
            scheduler_id=scheduler.lease.holder_id,
            count=2,
        ),
        Event(at=submitted_at + 2.0, kind=EventKind.JOB_ENDED, job_id=job_id, state=JobState.SUCCEEDED),
    ]


def test_a_blocked_job_is_submitted_as_such(scene: Scene, reader: Reader) -> None:
    parent = scene.submit()
    scene.submit(after=(parent,))
    assert [event.state for event in reader.read()][:2] == [JobState.PENDING, JobState.BLOCKED]


def test_what_people_change_is_told(scene: Scene, reader: Reader) -> None:
    job_id = scene.submit()
    reader.read()
    scene.store.hold(job_id)
    scene.store.release(job_id)
    scene.store.alter(job_id, priority=7)
    changed = reader.read()
    assert [(event.kind, event.job_id, event.detail) for event in changed] == [
        (EventKind.JOB_CHANGED, job_id, "held"),
        (EventKind.JOB_CHANGED, job_id, "released"),
        (EventKind.JOB_CHANGED, job_id, "priority 7"),
    ]


def test_a_claim_kept_in_part_is_placed_and_refused(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, reader: Reader
) -> None:
    job_id = scene.submit(tasks=6, cpu=1000)
    scheduler.claim()
    scheduler.commit((job_id, 1, 6))
    _, placed, refused = reader.read()
    assert (placed.kind, placed.machine_id, placed.count, placed.reason) == (
        EventKind.PLACED,
        1,
        4,
        Reason.ACCEPTED,
    )
    assert (refused.kind, refused.machine_id, refused.count, refused.reason) == (
        EventKind.REFUSED,
        1,
        2,
        Reason.CPU,
    )


def test_claims_are_told_in_order(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, reader: Reader
) -> None:
    worker.machine("m2")
    first, second = scene.submit(tasks=2), scene.submit(tasks=9, commit=CommitMode.ALL_OR_NOTHING)
    reader.read()
    scheduler.claim()
    scheduler.commit((first, 1, 1), (first, 2, 1), (second, 1, 1), (second, 2, 8))
    assert [(event.kind, event.job_id, event.machine_id, event.count, event.reason) for event in reader.read()] == [
        (EventKind.PLACED, first, 1, 1, Reason.ACCEPTED),
        (EventKind.PLACED, first, 2, 1, Reason.ACCEPTED),
        (EventKind.REFUSED, second, 1, 1, Reason.GROUP),
        (EventKind.REFUSED, second, 2, 8, Reason.CPU),
    ]  # fmt: skip


def test_a_claim_that_an_alternative_took_is_placed_there(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, reader: Reader
) -> None:
    worker.machine("m2")
    job_id = scene.submit(cpu=3000)
    other = scene.submit(cpu=3000)
    scheduler.claim()
    scheduler.commit((other, 1))
    reader.read()
    scheduler.commit((job_id, 1), alternatives={job_id: (2,)})
    (event,) = reader.read()
    assert (event.kind, event.machine_id, event.count) == (EventKind.PLACED, 2, 1)


def test_a_transaction_sent_again_is_told_once(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, reader: Reader
) -> None:
    job_id = scene.submit(tasks=2)
    scheduler.claim()
    first = scheduler.commit((job_id, 1))
    scheduler.commit((job_id, 1), txn_id=first.txn_id)
    assert reader.kinds() == [EventKind.JOB_SUBMITTED, EventKind.PLACED]


def test_machines_come_and_go(scene: Scene, reader: Reader) -> None:
    worker = scene.worker()
    machine_id, other = worker.machine(), worker.machine("other")
    scene.store.drain("m")
    scene.store.drain("m")
    scene.store.uncordon("m")
    scene.clock.advance(LEASE_SECONDS)
    scene.store.reap()
    assert [(event.kind, event.machine_id) for event in reader.read()] == [
        (EventKind.MACHINE_UP, machine_id),
        (EventKind.MACHINE_UP, other),
        (EventKind.MACHINE_DRAINED, machine_id),
        (EventKind.MACHINE_UNCORDONED, machine_id),
        (EventKind.MACHINE_LOST, machine_id),
        (EventKind.MACHINE_LOST, other),
    ]


def test_a_machine_that_was_lost_comes_up_without_being_lost_again(scene: Scene, reader: Reader) -> None:
    worker = scene.worker()
    worker.machine()
    worker.release()
    scene.worker().machine()
    assert reader.kinds() == [EventKind.MACHINE_UP, EventKind.MACHINE_LOST, EventKind.MACHINE_UP]


def test_a_machine_registered_anew_while_it_is_up_was_lost(scene: Scene, reader: Reader) -> None:
    worker = scene.worker()
    worker.machine()
    worker.machine()
    assert reader.kinds() == [EventKind.MACHINE_UP, EventKind.MACHINE_LOST, EventKind.MACHINE_UP]


def test_a_job_that_fails_with_its_machine_is_told_after_it(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, reader: Reader
) -> None:
    job_id = scene.submit(max_lost=0)
    scheduler.place(job_id, 1)
    worker.release()
    assert [(event.kind, event.state) for event in reader.read()][2:] == [
        (EventKind.MACHINE_LOST, ""),
        (EventKind.JOB_ENDED, JobState.FAILED),
    ]


def test_a_refusal_without_a_rival_is_told_too(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand, reader: Reader
) -> None:
    job_id = scene.submit(detection=Detection.COARSE)
    scheduler.claim()
    reader.read()
    scheduler.commit(Wish(job_id, 99, seen=1))
    (event,) = reader.read()
    assert (event.kind, event.machine_id, event.reason) == (EventKind.REFUSED, 99, Reason.MACHINE_UNKNOWN)
