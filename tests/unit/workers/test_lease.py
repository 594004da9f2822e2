"""The lease's deadline, who may replace whom, and the thread that renews."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from omegacell.cellstate.clock import boottime
from omegacell.cellstate.errors import StoreUnavailable, TokenLost
from omegacell.cellstate.model import WorkerSpec, WorkerStatus
from omegacell.workers.lease import LeaseKeeper, LeaseTerm
from omegacell.workers.registration import replaceable_token
from tests.unit.workers.tasks import PATIENCE_SECONDS


def term(sent_at: float = 100.0, lease_seconds: float = 10.0) -> LeaseTerm:
    return LeaseTerm(sent_at=sent_at, lease_seconds=lease_seconds)


def test_the_deadline_counts_from_the_sending_and_ends_a_margin_early() -> None:
    assert term().deadline == 108.5
    assert not term().ended(108.4)
    assert term().ended(108.5)


def test_a_renewal_counts_from_when_it_was_sent() -> None:
    renewed = term().renewed(sent_at=102.0, answered_at=105.0)
    assert renewed is not None
    assert renewed.deadline == 110.5


def test_a_renewal_answered_after_the_deadline_is_worth_nothing() -> None:
    assert term().renewed(sent_at=102.0, answered_at=108.6) is None


def test_three_renewals_may_fail_before_the_deadline() -> None:
    assert term().next_renewal == 102.5
    assert term().retry_at(102.5) < 103.5
    assert term().retry_at(108.4) == term().deadline


class Kept:
    """A keeper over a renewal of the test's own."""

    def __init__(self, renew: Callable[[], object], lease_seconds: float = 0.4) -> None:
        self.deadlines: list[float] = []
        self.reason = ""
        self._ended = threading.Event()
        self.keeper = LeaseKeeper(
            term(boottime(), lease_seconds), renew=renew, renewed=self.deadlines.append, lost=self._lost
        )

    def _lost(self, reason: str) -> None:
        self.reason = reason
        self._ended.set()

    def wait_lost(self) -> str:
        self.keeper.start()
        assert self._ended.wait(PATIENCE_SECONDS)
        return self.reason


def test_a_lost_token_ends_it_at_once() -> None:
    def renew() -> None:
        raise TokenLost("worker w was replaced")

    assert Kept(renew).wait_lost() == "worker w was replaced"


def test_an_error_that_nobody_expects_ends_it_at_once() -> None:
    def renew() -> None:
        raise RuntimeError("cannot execute UPDATE in a read-only transaction")

    assert Kept(renew).wait_lost() == "cannot execute UPDATE in a read-only transaction"


def test_a_deadline_that_passed_before_the_next_one_was_told_is_the_end() -> None:
    kept = Kept(lambda: None)
    told: list[float] = []

    def tell_late(deadline: float) -> None:
        """As of a process that is frozen between the renewal and its passing on."""
        told.append(deadline)
        while len(told) > 1 and not kept.keeper.ended(boottime()):
            threading.Event().wait(0.01)

    kept.keeper = LeaseKeeper(term(boottime(), 0.4), renew=lambda: None, renewed=tell_late, lost=kept._lost)
    assert kept.wait_lost() == "the lease ended while its renewal was passed on"


def test_a_store_that_is_away_ends_it_at_the_deadline_and_not_before() -> None:
    def renew() -> None:
        raise StoreUnavailable("away")

    kept = Kept(renew)
    assert kept.wait_lost() == "the lease ended before it could be renewed"
    assert boottime() >= kept.deadlines[-1]


def test_a_store_that_comes_back_in_time_changes_nothing() -> None:
    answers = iter([StoreUnavailable("away"), None, None, TokenLost("enough")])

    def renew() -> None:
        answer = next(answers)
        if answer is not None:
            raise answer

    kept = Kept(renew, lease_seconds=2.0)
    assert kept.wait_lost() == "enough"
    assert len(kept.deadlines) == 3
    assert kept.deadlines == sorted(kept.deadlines)


SPEC = WorkerSpec(name="w", host="h", boot_id="b", pid=7)


def earlier(
    name: str = "w", host: str = "h", boot_id: str = "b", pid: int = 6, alive: bool = True
) -> WorkerStatus:
    return WorkerStatus(
        worker_id=1,
        name=name,
        host=host,
        boot_id=boot_id,
        pid=pid,
        log_directory="/logs",
        token=42,
        expires_at=0.0,
        alive=alive,
        machine_count=1,
    )


def token(worker: WorkerStatus, *, exists: bool = False, killed: bool = True) -> int:
    return replaceable_token(SPEC, [worker], exists=lambda _: exists, groups_killed=lambda _: killed)


def test_an_incarnation_whose_process_and_guard_are_gone_is_replaced() -> None:
    assert token(earlier()) == 42


def test_the_same_process_may_replace_itself() -> None:
    assert token(earlier(pid=7), exists=True, killed=False) == 42


@pytest.mark.parametrize(
    "worker", [earlier(host="x"), earlier(boot_id="x"), earlier(name="x"), earlier(alive=False)]
)
def test_another_host_boot_or_name_is_no_proof(worker: WorkerStatus) -> None:
    assert token(worker) == 0


def test_a_living_process_or_guard_is_not_replaced() -> None:
    assert token(earlier(), exists=True) == 0
    assert token(earlier(), killed=False) == 0
