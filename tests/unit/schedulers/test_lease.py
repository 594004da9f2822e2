"""The lease of a scheduler: renewed by a thread, dropped plans after a freeze."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from omegacell.cellstate.errors import StoreUnavailable, TokenLost
from omegacell.schedulers.lease import KeptLease

PATIENCE_SECONDS = 20.0


class Store:
    """Renewals as the store sees them; raises `failing` while it is set."""

    def __init__(self) -> None:
        self.renewals = 0
        self.failing: Exception | None = None
        self.called = threading.Semaphore(0)

    def renew(self) -> None:
        self.renewals += 1
        self.called.release()
        if self.failing is not None:
            raise self.failing


class Awake:
    """CLOCK_BOOTTIME in a test's hands."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked = threading.Semaphore(0)

    def __call__(self) -> float:
        self.asked.release()
        return self.now


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def awake() -> Awake:
    return Awake()


def lease(
    store: Store, awake: Awake, *, lease_seconds: float = 10.0, stall_seconds: float = 300.0
) -> KeptLease:
    """A lease asked for at 100; its thread does not run."""
    return KeptLease(
        store.renew,
        sent_at=100.0,
        lease_seconds=lease_seconds,
        stall_seconds=stall_seconds,
        clock=awake,
    )


@pytest.fixture
def quick(store: Store, awake: Awake) -> Iterator[KeptLease]:
    """One whose thread renews every few milliseconds."""
    kept = lease(store, awake, lease_seconds=0.02, stall_seconds=50.0)
    kept.start()
    yield kept
    kept.stop()


def test_lease_holds_until_its_end_counted_from_the_sending(store: Store, awake: Awake) -> None:
    kept = lease(store, awake)
    term = kept.hold()
    awake.now = 109.9
    assert kept.held(term)
    awake.now = 110.0
    assert not kept.held(term)
    assert store.renewals == 0


def test_plan_from_before_a_freeze_does_not_hold_although_the_lease_is_renewed(
    store: Store, awake: Awake
) -> None:
    kept = lease(store, awake)
    before = kept.hold()
    awake.now = 150.0
    after = kept.hold()
    assert store.renewals == 1
    assert not kept.held(before)
    assert kept.held(after)


def test_lease_lost_meanwhile_is_told_to_the_next_who_asks(store: Store, awake: Awake) -> None:
    kept = lease(store, awake)
    term = kept.hold()
    awake.now = 150.0
    store.failing = TokenLost("replaced")
    with pytest.raises(TokenLost, match="replaced"):
        kept.hold()
    assert not kept.held(term)
    with pytest.raises(TokenLost):
        kept.hold()
    assert store.renewals == 1


def test_renewing_ahead_of_time_begins_no_new_term(store: Store, awake: Awake) -> None:
    kept = lease(store, awake)
    term = kept.hold()
    awake.now = 109.0
    kept.renew()
    awake.now = 118.0
    assert kept.held(term)
    assert store.renewals == 1


def test_renewing_ahead_of_time_tells_of_a_loss(store: Store, awake: Awake) -> None:
    kept = lease(store, awake)
    store.failing = TokenLost("replaced")
    with pytest.raises(TokenLost, match="replaced"):
        kept.renew()


def test_store_that_is_away_costs_the_term_only_if_the_lease_ends(store: Store, awake: Awake) -> None:
    kept = lease(store, awake)
    store.failing = StoreUnavailable("away")
    awake.now = 150.0
    with pytest.raises(StoreUnavailable):
        kept.hold()
    store.failing = None
    assert kept.held(kept.hold())


def test_thread_renews_while_the_policy_thinks(quick: KeptLease, store: Store) -> None:
    term = quick.hold()
    for _ in range(5):
        assert store.called.acquire(timeout=PATIENCE_SECONDS)
    assert quick.held(term)


def test_thread_goes_on_when_the_store_comes_back(quick: KeptLease, store: Store) -> None:
    store.failing = StoreUnavailable("away")
    for _ in range(3):
        assert store.called.acquire(timeout=PATIENCE_SECONDS)
    store.failing = None
    for _ in range(3):
        assert store.called.acquire(timeout=PATIENCE_SECONDS)
    assert quick.held(quick.hold())


def test_thread_does_not_renew_for_a_policy_that_hangs(store: Store, awake: Awake) -> None:
    kept = lease(store, awake, lease_seconds=0.02, stall_seconds=50.0)
    awake.now = 151.0
    kept.start()
    for _ in range(3):
        assert awake.asked.acquire(timeout=PATIENCE_SECONDS)
    assert store.renewals == 0
    kept.hold()  # it was slow, and comes back
    for _ in range(3):
        assert store.called.acquire(timeout=PATIENCE_SECONDS)
    kept.stop()


def test_thread_that_learns_of_the_loss_ends(quick: KeptLease, store: Store) -> None:
    store.failing = TokenLost("replaced")
    assert store.called.acquire(timeout=PATIENCE_SECONDS)
    quick.stop()
    with pytest.raises(TokenLost):
        quick.hold()
