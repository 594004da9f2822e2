"""What people want of a scheduler, how it learns of it, and the fleet they ask for."""

from __future__ import annotations

import pytest

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import Renewal, SchedulerStatus, Wanted
from tests.contract.scene import LEASE_SECONDS, Scene


def told(status: SchedulerStatus) -> tuple[Wanted, str]:
    return status.wanted, status.policy


def test_a_new_scheduler_is_to_run_with_its_own_policy(scene: Scene) -> None:
    scheduler = scene.scheduler()
    assert scheduler.renew() == Renewal(
        expires_at=scene.clock.now() + LEASE_SECONDS, wanted=Wanted.RUN, policy=""
    )
    assert told(scene.store.schedulers()[0]) == (Wanted.RUN, "")


@pytest.mark.parametrize("wanted", Wanted)
def test_a_scheduler_learns_what_is_wanted_with_its_next_renewal(scene: Scene, wanted: Wanted) -> None:
    scheduler = scene.scheduler()
    status = scene.store.control_scheduler("s", wanted=wanted)
    assert (status.scheduler_id, status.name, status.alive) == (scheduler.lease.holder_id, "s", True)
    assert told(status) == told(scene.store.schedulers()[0]) == (wanted, "")
    assert scheduler.renew().wanted is wanted


def test_what_is_not_said_stays_as_it_was(scene: Scene) -> None:
    scheduler = scene.scheduler()
    scene.store.control_scheduler("s", policy="best_fit")
    assert told(scene.store.control_scheduler("s", wanted=Wanted.HOLD)) == (Wanted.HOLD, "best_fit")
    assert told(scene.store.control_scheduler("s")) == (Wanted.HOLD, "best_fit")
    assert told(scene.store.control_scheduler("s", policy="")) == (Wanted.HOLD, "")
    renewal = scheduler.renew()
    assert (renewal.wanted, renewal.policy) == (Wanted.HOLD, "")


def test_only_the_scheduler_named_is_told(scene: Scene) -> None:
    scene.scheduler("a")
    other = scene.scheduler("b")
    scene.store.control_scheduler("a", wanted=Wanted.HOLD, policy="worst_fit")
    renewal = other.renew()
    assert (renewal.wanted, renewal.policy) == (Wanted.RUN, "")


def test_a_hold_and_a_policy_outlive_the_process(scene: Scene) -> None:
    scene.scheduler().release()
    scene.store.control_scheduler("s", wanted=Wanted.HOLD, policy="mine:Policy")
    renewal = scene.scheduler().renew()
    assert (renewal.wanted, renewal.policy) == (Wanted.HOLD, "mine:Policy")


def test_a_drain_is_over_when_the_name_registers_again(scene: Scene) -> None:
    first = scene.scheduler()
    scene.store.control_scheduler("s", wanted=Wanted.DRAIN, policy="best_fit")
    first.release()
    assert told(scene.store.schedulers()[0]) == (Wanted.DRAIN, "best_fit")
    renewal = scene.scheduler().renew()
    assert (renewal.wanted, renewal.policy) == (Wanted.RUN, "best_fit")


def test_an_unknown_scheduler_cannot_be_told_anything(scene: Scene) -> None:
    with pytest.raises(NotFound, match="scheduler nobody does not exist"):
        scene.store.control_scheduler("nobody", wanted=Wanted.HOLD)


def test_the_fleet_is_what_was_asked_for_last(scene: Scene) -> None:
    assert scene.store.fleet() == {}
    scene.store.set_fleet("service", 1)
    scene.store.set_fleet("batch", 2)
    scene.store.set_fleet("batch", 0)
    assert list(scene.store.fleet().items()) == [("batch", 0), ("service", 1)]
