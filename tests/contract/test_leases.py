"""Leases: who is alive, who may replace whom, and what is taken from the dead."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import MachineInUse, TokenLost
from omegacell.cellstate.model import AttemptState
from tests.contract.scene import LEASE_SECONDS, Scene, worker_spec


def test_a_workers_lease_runs_from_now_and_is_extended_from_now(scene: Scene) -> None:
    worker = scene.worker()
    assert worker.lease.expires_at == scene.clock.now() + LEASE_SECONDS
    scene.clock.advance(4.0)
    assert worker.renew() == scene.clock.now() + LEASE_SECONDS


def test_a_schedulers_lease_runs_from_now_and_is_extended_from_now(scene: Scene) -> None:
    scheduler = scene.scheduler()
    assert scheduler.lease.expires_at == scene.clock.now() + LEASE_SECONDS
    scene.clock.advance(4.0)
    assert scheduler.renew().expires_at == scene.clock.now() + LEASE_SECONDS


def test_holders_are_alive_until_their_lease_ends(scene: Scene) -> None:
    scene.worker()
    scene.scheduler()
    scene.clock.advance(LEASE_SECONDS - 0.25)
    assert [scene.store.workers()[0].alive, scene.store.schedulers()[0].alive] == [True, True]
    scene.clock.advance(0.25)
    assert [scene.store.workers()[0].alive, scene.store.schedulers()[0].alive] == [False, False]


def test_a_worker_is_listed_as_it_registered(scene: Scene) -> None:
    worker = scene.worker("w1", pid=42)
    worker.machine()
    (status,) = scene.store.workers()
    assert (status.worker_id, status.name, status.host, status.boot_id, status.pid) == (
        worker.lease.holder_id,
        "w1",
        "h1",
        "b1",
        42,
    )
    assert (status.token, status.expires_at, status.machine_count) == (
        worker.lease.token,
        worker.lease.expires_at,
        1,
    )


def test_a_scheduler_is_listed_with_the_totals_it_reports(scene: Scene) -> None:
    scheduler = scene.scheduler("s1", kind="service")
    scheduler.renew(busy_seconds=1.5, attempts=7)
    (status,) = scene.store.schedulers()
    assert (status.scheduler_id, status.name, status.kind) == (1, "s1", "service")
    assert (status.busy_seconds, status.attempts, status.registered_at) == (1.5, 7, scene.clock.now())
    assert (status.wait_p50_seconds, status.wait_p99_seconds, status.jobs_claimed) == (0.0, 0.0, 0)


def test_what_a_scheduler_did_counts_from_its_registration(scene: Scene) -> None:
    old, job_ids = scene.scheduler(), [scene.submit(), scene.submit()]
    scene.clock.advance(1.0)
    assert old.claim_ids() == job_ids
    assert scene.store.schedulers()[0].jobs_claimed == 2
    scene.clock.advance(1.0)
    new = scene.scheduler()
    (status,) = scene.store.schedulers()
    assert (status.jobs_claimed, status.wait_p50_seconds) == (0, 0.0)
    assert new.claim_ids() == job_ids
    assert scene.store.schedulers()[0].jobs_claimed == 0


def test_a_running_lease_is_not_taken_by_another_process(scene: Scene) -> None:
    first = scene.worker(pid=1)
    with pytest.raises(MachineInUse, match="w"):
        scene.store.register_worker(worker_spec("w", pid=2), lease_seconds=10.0)
    with pytest.raises(MachineInUse):
        scene.store.register_worker(
            worker_spec("w", pid=2), lease_seconds=10.0, replace_token=first.lease.token + 1
        )
    assert first.renew() > 0


def test_a_worker_proven_dead_is_replaced_and_its_machines_are_lost(scene: Scene) -> None:
    old = scene.worker(pid=1)
    machine_id = old.machine()
    job_id = scene.submit()
    scene.scheduler().place(job_id, machine_id)
    lease = scene.store.register_worker(
        worker_spec("w", pid=2), lease_seconds=10.0, replace_token=old.lease.token
    )
    assert lease.holder_id == old.lease.holder_id
    assert lease.token > old.lease.token
    assert (scene.machine(machine_id).up, scene.machine(machine_id).epoch) == (False, 2)
    assert [outcome.state for outcome in scene.outcomes(job_id)] == [AttemptState.LOST]
    assert scene.store.workers()[0].pid == 2
    with pytest.raises(TokenLost):
        old.renew()


def test_an_expired_worker_is_replaced_without_proof(scene: Scene) -> None:
    old = scene.worker(pid=1)
    machine_id = old.machine()
    scene.clock.advance(LEASE_SECONDS)
    new = scene.worker(pid=2)
    assert new.lease.token > old.lease.token
    assert scene.machine(machine_id).up is False


def test_the_same_process_may_register_again(scene: Scene) -> None:
    old, new = scene.worker(pid=1), scene.worker(pid=1)
    assert (new.lease.holder_id, new.lease.token > old.lease.token) == (old.lease.holder_id, True)


def test_reaping_takes_the_machines_of_dead_workers(scene: Scene) -> None:
    dying, living = scene.worker("dying"), scene.worker("living")
    lost = [dying.machine("a"), dying.machine("b")]
    kept = living.machine("c")
    job_id = scene.submit(tasks=9)
    scheduler = scene.scheduler()
    scheduler.place(job_id, lost[0])
    scene.clock.advance(LEASE_SECONDS - 0.25)
    assert scene.store.reap() == 0
    living.renew()
    scheduler.renew()
    scene.clock.advance(0.25)
    assert scene.store.reap() == 2
    assert [machine.machine_id for machine in scene.store.machines() if machine.up] == [kept]
    assert [outcome.state for outcome in scene.outcomes(job_id)] == [AttemptState.LOST]
    assert scene.store.reap() == 0


def test_a_reaped_worker_is_told_to_stop(scene: Scene) -> None:
    worker = scene.worker()
    worker.machine()
    bare = scene.worker("bare")
    scene.clock.advance(LEASE_SECONDS)
    scene.store.reap()
    for call in (worker.renew, worker.pull, worker.machine, worker.end, bare.renew):
        with pytest.raises(TokenLost):
            call()
    assert [status.alive for status in scene.store.workers()] == [False, False]


def test_a_late_worker_that_nobody_reaped_goes_on(scene: Scene) -> None:
    worker = scene.worker()
    worker.machine()
    scene.clock.advance(LEASE_SECONDS + 5.0)
    worker.renew()
    assert scene.store.reap() == 0
    assert len(worker.pull()) == 1


def test_reaping_gives_back_the_jobs_of_dead_schedulers(scene: Scene) -> None:
    job_id = scene.submit()
    dead = scene.scheduler("a")
    dead.claim()
    scene.clock.advance(LEASE_SECONDS)
    scene.store.reap()
    assert scene.scheduler("b").claim_ids() == [job_id]
    with pytest.raises(TokenLost):
        dead.claim()


def test_a_released_worker_can_do_nothing_more(scene: Scene) -> None:
    worker = scene.worker()
    worker.machine()
    scene.clock.advance(1.0)
    worker.release()
    worker.release()
    (status,) = scene.store.workers()
    assert (status.alive, status.expires_at) == (False, scene.clock.now())
    for call in (worker.renew, worker.pull, worker.machine):
        with pytest.raises(TokenLost):
            call()


def test_releasing_with_an_old_token_changes_nothing(scene: Scene) -> None:
    old, new = scene.worker(), scene.worker()
    machine_id = new.machine()
    old.release()
    assert scene.machine(machine_id).up is True
    assert new.renew() > 0
