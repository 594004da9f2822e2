"""Machines: registration, cordon and drain, loss."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import MachineInUse, NotFound, SpecInvalid, TokenLost
from omegacell.cellstate.model import AttemptState, JobState, Stop
from tests.contract.scene import Scene, machine_spec


def test_a_new_machine_is_up_and_counts_from_one(scene: Scene) -> None:
    worker = scene.worker()
    (machine,) = worker.bring(machine_spec("a", cpu=8000, zone="eu", gen="3"))
    assert (machine.machine_id, machine.name, machine.epoch) == (1, "a", 1)
    status = scene.machine(1)
    assert (status.up, status.schedulable, status.worker_id) == (True, True, worker.lease.holder_id)
    assert (status.epoch, status.version, status.claim_sequence, status.placements) == (1, 1, 1, 0)
    assert (status.capacity.cpu_milli, status.used.cpu_milli) == (8000, 0)
    assert status.attributes == {"zone": "eu", "gen": "3"}


def test_machine_ids_count_in_the_order_given(scene: Scene) -> None:
    worker = scene.worker()
    worker.bring(machine_spec("b"), machine_spec("a"))
    registered = worker.bring(machine_spec("c"), machine_spec("a"), machine_spec("d"))
    assert [(machine.name, machine.machine_id, machine.epoch) for machine in registered] == [
        ("c", 3, 1),
        ("a", 2, 2),
        ("d", 4, 1),
    ]


def test_thousands_of_machines_in_one_call(scene: Scene) -> None:
    registered = scene.worker().bring(*(machine_spec(f"m{number}") for number in range(3000)))
    assert [machine.machine_id for machine in registered] == list(range(1, 3001))
    assert len(scene.store.machines()) == 3000


def test_registering_again_is_a_new_epoch_with_new_facts_and_loses_what_it_held(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine(zone="eu")
    job_id = scene.submit(tasks=3)
    scene.scheduler().place(job_id, machine_id, 2)
    before = scene.machine(machine_id)
    worker.machine(cpu=1000, zone="us")
    after = scene.machine(machine_id)
    assert (after.epoch, after.version, after.claim_sequence) == (
        before.epoch + 1,
        before.version + 1,
        before.claim_sequence + 1,
    )
    assert (after.capacity.cpu_milli, after.used.cpu_milli, after.placements) == (1000, 0, 0)
    assert after.attributes == {"zone": "us"}
    assert [retry.first_index for retry in scene.store.retries(job_id)] == [0, 1]


def test_a_cordoned_machine_stays_cordoned_through_registration(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine()
    scene.store.drain("m")
    worker.machine()
    assert scene.machine(machine_id).schedulable is False


def test_a_machine_of_a_live_worker_is_in_use_and_nothing_is_changed(scene: Scene) -> None:
    scene.worker("a").machine("taken")
    other = scene.worker("b")
    with pytest.raises(MachineInUse, match="taken"):
        other.bring(machine_spec("free"), machine_spec("taken"))
    assert [(machine.name, machine.worker_id) for machine in scene.store.machines()] == [("taken", 1)]


def test_a_machine_of_a_dead_worker_may_be_taken_over(scene: Scene) -> None:
    machine_id = scene.worker("a").machine()
    job_id = scene.submit()
    scene.scheduler(lease_seconds=100.0).place(job_id, machine_id)
    scene.clock.advance(10.0)
    other = scene.worker("b")
    other.machine()
    status = scene.machine(machine_id)
    assert (status.worker_id, status.epoch, status.placements) == (other.lease.holder_id, 2, 0)
    assert [outcome.state for outcome in scene.outcomes(job_id)] == [AttemptState.LOST]
    assert [worker.machine_count for worker in scene.store.workers()] == [0, 1]


def test_a_machine_of_a_worker_that_left_may_be_taken_over(scene: Scene) -> None:
    leaving = scene.worker("a")
    machine_id = leaving.machine()
    leaving.release()
    scene.worker("b").machine()
    assert (scene.machine(machine_id).up, scene.machine(machine_id).epoch) == (True, 3)


def test_a_name_twice_in_one_call_is_misuse(scene: Scene) -> None:
    with pytest.raises(SpecInvalid, match="twin"):
        scene.worker().bring(machine_spec("twin"), machine_spec("twin"))
    assert scene.store.machines() == ()


def test_machines_of_an_old_incarnation_are_refused(scene: Scene) -> None:
    old = scene.worker()
    scene.worker()
    with pytest.raises(TokenLost):
        old.machine()


def test_a_drained_machine_takes_nothing_and_preempts_what_it_has(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit(tasks=2)
    scene.scheduler().place(job_id, machine_id, 2)
    before = scene.machine(machine_id)
    after = scene.store.drain("m")
    assert after == scene.machine(machine_id)
    assert (after.schedulable, after.up) == (False, True)
    assert (after.version, after.claim_sequence) == (before.version + 1, before.claim_sequence + 1)
    assert [placement.stop for placement in scene.store.placements(job_id)] == [Stop.PREEMPT] * 2
    assert after.used == before.used


def test_draining_again_changes_nothing(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    scene.scheduler().place(scene.submit(), machine_id)
    assert scene.store.drain("m") == scene.store.drain("m")


def test_a_cordon_leaves_what_runs_and_evicting_later_is_no_new_cordon(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit()
    scene.scheduler().place(job_id, machine_id)
    cordoned = scene.store.drain("m", evict=False)
    assert scene.store.placements(job_id)[0].stop is Stop.NONE
    evicted = scene.store.drain("m")
    assert scene.store.placements(job_id)[0].stop is Stop.PREEMPT
    assert (evicted.version, evicted.claim_sequence) == (cordoned.version + 1, cordoned.claim_sequence)


def test_eviction_does_not_soften_a_cancellation(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit()
    scene.scheduler().place(job_id, machine_id)
    scene.store.cancel(job_id)
    version = scene.machine(machine_id).version
    scene.store.drain("m", evict=False)
    assert scene.store.drain("m").version == version + 1
    assert scene.store.placements(job_id)[0].stop is Stop.CANCEL


def test_an_uncordoned_machine_takes_placements_again(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    drained = scene.store.drain("m")
    status = scene.store.uncordon("m")
    assert (status.schedulable, status.version, status.claim_sequence) == (
        True,
        drained.version + 1,
        drained.claim_sequence + 1,
    )
    assert scene.store.uncordon("m") == status
    scene.scheduler().place(scene.submit(), machine_id)


def test_an_unknown_machine_is_not_found(scene: Scene) -> None:
    for call in (scene.store.drain, scene.store.uncordon):
        with pytest.raises(NotFound, match="nowhere"):
            call("nowhere")


def test_what_a_lost_machine_held_runs_again(scene: Scene) -> None:
    worker = scene.worker()
    machine_id = worker.machine("m7")
    job_id = scene.submit(tasks=2)
    scheduler = scene.scheduler()
    scheduler.place(job_id, machine_id, 2)
    before = scene.machine(machine_id)
    scene.clock.advance(1.0)
    worker.release()
    after = scene.machine(machine_id)
    assert (after.up, after.worker_id, after.placements, after.used.cpu_milli) == (False, 1, 0, 0)
    assert (after.epoch, after.version, after.claim_sequence) == (
        before.epoch + 1,
        before.version + 1,
        before.claim_sequence + 1,
    )
    outcome = scene.outcomes(job_id)[0]
    assert (outcome.state, outcome.final, outcome.exit_code) == (AttemptState.LOST, False, -1)
    assert (outcome.started_at, outcome.ended_at) == (0.0, scene.clock.now())
    assert outcome.error == "machine m7 was lost"
    assert [(retry.attempt, retry.lost, retry.not_before) for retry in scene.store.retries(job_id)] == [
        (2, 1, scene.clock.now())
    ] * 2
    assert [(job.job_id, job.pending) for job in scheduler.claim()] == [(job_id, 2)]


def test_a_cancelled_job_ends_when_its_machine_is_lost(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(tasks=2)
    scene.scheduler().place(job_id, worker.machine())
    scene.store.cancel(job_id)
    worker.release()
    assert scene.job(job_id).state is JobState.CANCELLED
