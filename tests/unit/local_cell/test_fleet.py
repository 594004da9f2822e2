"""The schedulers that a keeper is to have, as people ask the store for more or fewer and drain some."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.errors import StoreUnavailable
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.model import Wanted
from omegacell.local_cell.fleet import Fleet


class Outage(MemoryStore):
    """A store that is away while `away` is set."""

    away = False

    def fleet(self) -> Mapping[str, int]:
        if self.away:
            raise StoreUnavailable("away")
        return super().fleet()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)


@pytest.fixture
def store(clock: ManualClock) -> Outage:
    return Outage(clock)


def fleet_of(store: MemoryStore, clock: ManualClock, planned: Mapping[str, int]) -> Fleet:
    return Fleet(store, planned, clock=clock.now)


def test_what_is_planned_takes_the_place_of_earlier_wishes(store: Outage, clock: ManualClock) -> None:
    store.set_fleet("batch", 3)
    store.set_fleet("nightly", 1)
    fleet = fleet_of(store, clock, {"batch": 1, "service": 1})
    assert store.fleet() == {"batch": 1, "nightly": 0, "service": 1}
    assert fleet.kinds() == {"batch-0": "batch", "service-0": "service"}


def test_wishes_are_followed_within_a_second(store: Outage, clock: ManualClock) -> None:
    fleet = fleet_of(store, clock, {"batch": 1})
    store.set_fleet("batch", 2)
    assert fleet.kinds() == {"batch-0": "batch"}
    clock.advance(1.0)
    assert fleet.kinds() == {"batch-0": "batch", "batch-1": "batch"}
    store.set_fleet("batch", 0)
    clock.advance(1.0)
    assert fleet.kinds() == {}


def test_wishes_stay_as_they_were_while_the_store_is_away(store: Outage, clock: ManualClock) -> None:
    fleet = fleet_of(store, clock, {"batch": 1})
    store.set_fleet("batch", 2)
    store.away = True
    clock.advance(1.0)
    assert fleet.kinds() == {"batch-0": "batch"}


def test_a_drained_scheduler_is_over_until_people_want_it_again(store: Outage, clock: ManualClock) -> None:
    store.register_scheduler("batch-0", "batch", lease_seconds=10.0)
    fleet = fleet_of(store, clock, {"batch": 1})
    store.control_scheduler("batch-0", wanted=Wanted.DRAIN)
    ended_at = clock.now()
    clock.advance(0.25)
    assert fleet.is_over("batch-0", ended_at)
    store.control_scheduler("batch-0", wanted=Wanted.RUN)
    clock.advance(1.0)
    fleet.kinds()
    assert not fleet.is_over("batch-0", ended_at)


def test_a_scheduler_that_died_is_not_over(store: Outage, clock: ManualClock) -> None:
    store.register_scheduler("batch-0", "batch", lease_seconds=10.0)
    fleet = fleet_of(store, clock, {"batch": 1})
    ended_at = clock.now()
    clock.advance(0.25)
    assert not fleet.is_over("batch-0", ended_at)


def test_whether_it_was_drained_is_waited_for_while_the_store_is_away(
    store: Outage, clock: ManualClock
) -> None:
    fleet = fleet_of(store, clock, {"batch": 1})
    store.away = True
    ended_at = clock.now()
    clock.advance(0.25)
    assert fleet.is_over("batch-0", ended_at)
    store.away = False
    assert not fleet.is_over("batch-0", ended_at)
