"""What a commit does: numbering, charging, idempotence, fresh rows, counters."""

from __future__ import annotations

from uuid import uuid4

import numpy as np

from omegacell.cellstate.model import AttemptState, JobState, Reason, Stop
from tests.contract.scene import Scene


def test_an_accepted_claim_is_placed_and_charged(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit(tasks=3, cpu=500, memory=64)
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((job_id, machine_id, 2))
    first, second = scene.store.placements(job_id)
    assert (first.first_index, second.first_index) == (0, 1)
    assert (first.count, first.attempt, first.failures, first.lost) == (1, 1, 0, 0)
    assert (first.machine_id, first.epoch, first.running, first.stop) == (machine_id, 1, False, Stop.NONE)
    assert (first.amounts.cpu_milli, first.amounts.memory_bytes) == (500, 64)
    assert first.placed_at == scene.clock.now()
    machine = scene.machine(machine_id)
    assert (machine.used.cpu_milli, machine.used.memory_bytes, machine.placements) == (1000, 128, 2)
    assert (machine.version, machine.claim_sequence) == (2, 2)


def test_several_claims_on_a_machine_raise_its_version_once(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id, other = scene.submit(tasks=3), scene.submit()
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((job_id, machine_id, 1), (job_id, machine_id, 1), (other, machine_id, 1))
    machine = scene.machine(machine_id)
    assert (machine.version, machine.claim_sequence, machine.placements) == (2, 2, 3)


def test_a_refused_claim_leaves_the_machine_alone(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit(cpu=9000)
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((job_id, machine_id, 1))
    machine = scene.machine(machine_id)
    assert (machine.version, machine.claim_sequence) == (1, 1)
    assert scene.job(job_id).state is JobState.PENDING


def test_the_first_placement_starts_the_job(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit(tasks=2)
    scheduler = scene.scheduler()
    scene.clock.advance(3.0)
    scheduler.place(job_id, machine_id)
    started_at = scene.clock.now()
    scene.clock.advance(1.0)
    scheduler.place(job_id, machine_id)
    status = scene.job(job_id)
    assert (status.state, status.first_placed_at) == (JobState.RUNNING, started_at)
    assert (status.next_index, status.placed) == (2, 2)


def test_tasks_are_numbered_claim_by_claim(scene: Scene) -> None:
    worker = scene.worker()
    here, there = worker.machine("here"), worker.machine("there")
    job_id, other = scene.submit(tasks=9), scene.submit(tasks=9)
    scheduler = scene.scheduler()
    scheduler.claim()
    verdict = scheduler.commit(
        (other, there, 1), (job_id, here, 2), (job_id, 99, 1), (job_id, there, 3), (job_id, here, 1)
    )
    assert verdict.first_index.tolist() == [0, 0, -1, 2, 5]
    where = {placement.first_index: placement.machine_id for placement in scene.store.placements(job_id)}
    assert where == {0: here, 1: here, 2: there, 3: there, 4: there, 5: here}


def test_due_retries_are_numbered_before_new_tasks(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine()
    job_id = scene.submit(tasks=6, retries=1, backoff_seconds=1.0, backoff_max_seconds=1.0)
    scheduler = scene.scheduler()
    placements = scheduler.place(job_id, machine_id, 4)
    worker.end(placements[3], placements[1], state=AttemptState.FAILED)
    scene.clock.advance(1.0)
    worker.end(placements[0], state=AttemptState.FAILED)
    scheduler.claim()
    verdict = scheduler.commit((job_id, machine_id, 1), (job_id, machine_id, 2))
    assert verdict.first_index.tolist() == [1, 3]
    attempts = {
        placement.first_index: (placement.attempt, placement.failures)
        for placement in scene.store.placements(job_id)
    }
    assert attempts == {1: (2, 1), 2: (1, 0), 3: (2, 1), 4: (1, 0)}


def test_the_same_transaction_again_is_answered_alike_and_applied_once(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit(tasks=9)
    scheduler = scene.scheduler()
    scheduler.claim()
    txn_id = uuid4()
    first = scheduler.commit((job_id, machine_id, 3), (job_id, machine_id, 3), txn_id=txn_id)
    scene.store.drain("m")
    second = scheduler.commit((job_id, machine_id, 3), (job_id, machine_id, 3), txn_id=txn_id)
    for name in ("accepted", "reason", "free", "first_index", "rival_scheduler"):
        assert getattr(first, name).tolist() == getattr(second, name).tolist()
    assert first.rival_txn == second.rival_txn
    assert first.reason.tolist() == [Reason.ACCEPTED, Reason.CPU]
    assert scene.job(job_id).placed == 4
    assert (first.rows.available.tolist(), second.rows.available.tolist()) == ([True], [False])


def test_a_transaction_is_answered_also_after_its_scheduler_was_replaced(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit()
    old = scene.scheduler("a")
    old.claim()
    txn_id = uuid4()
    old.commit((job_id, machine_id, 1), txn_id=txn_id)
    scene.scheduler("a")
    assert old.commit((job_id, machine_id, 1), txn_id=txn_id).accepted.tolist() == [1]
    assert old.commit((job_id, machine_id, 1)).reason.tolist() == [Reason.TOKEN_LOST]


def test_the_verdict_brings_the_rows_of_every_machine_it_touched(scene: Scene) -> None:
    worker = scene.worker()
    first, second, third = (worker.machine(name) for name in "abc")
    scene.store.drain("c")
    job_id = scene.submit(tasks=9, memory=5)
    scheduler = scene.scheduler()
    scheduler.claim()
    rows = scheduler.commit(
        (job_id, second, 2), (job_id, third, 1), (job_id, 99, 1), (job_id, second, 1)
    ).rows
    order = np.argsort(rows.machine_id)
    assert rows.machine_id[order].tolist() == [second, third]
    assert rows.version[order].tolist() == [2, 2]
    assert rows.claim_sequence[order].tolist() == [2, 2]
    assert rows.used[order].tolist() == [[3000, 15, 0], [0, 0, 0]]
    assert rows.capacity[order][:, 0].tolist() == [4000, 4000]
    assert rows.available[order].tolist() == [True, False]
    assert first not in rows.machine_id


def test_a_job_with_nothing_left_is_no_longer_claimed(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    done, more = scene.submit(tasks=2), scene.submit(tasks=2)
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((done, machine_id, 2), (more, machine_id, 1))
    assert scheduler.claim_ids() == [more]
    assert (scene.job(done).claimed_by, scene.job(done).attempts) == (0, 1)
    assert (scene.job(more).claimed_by, scene.job(more).attempts) == (scheduler.lease.holder_id, 0)


def test_a_job_whose_retry_is_not_due_stays_claimed(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine()
    job_id = scene.submit(tasks=2, retries=1, backoff_seconds=4.0)
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((job_id, machine_id, 1))
    worker.end_job(job_id, AttemptState.FAILED)
    verdict = scheduler.commit((job_id, machine_id, 2))
    assert verdict.reason.tolist() == [Reason.NOTHING_TO_PLACE]
    assert scene.job(job_id).claimed_by == scheduler.lease.holder_id


def test_a_scheduler_counts_transactions_per_job_and_claims_in_slots(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    fits, conflicts, absent = scene.submit(tasks=3), scene.submit(tasks=9), scene.submit()
    scheduler = scene.scheduler()
    scheduler.claim()
    scheduler.commit((fits, machine_id, 3), (conflicts, machine_id, 4), (absent, 99, 1))
    status = scene.store.schedulers()[0]
    assert (status.transactions_succeeded, status.transactions_failed) == (1, 1)
    assert (status.claims, status.claims_refused, status.placements) == (8, 3, 4)
    scene.scheduler()
    status = scene.store.schedulers()[0]
    assert (status.transactions_succeeded, status.transactions_failed, status.claims) == (0, 0, 0)
