"""What the agent remembers between a pull, an end and its report."""

from __future__ import annotations

import threading
import time

from omegacell.cellstate.model import AttemptState, Ended, Placement, Stop
from omegacell.workers.ledger import Ledger
from omegacell.workers.runner import key_of
from tests.unit.workers.test_reconcile import held, placement


def end_of(placed: Placement) -> Ended:
    return Ended(
        job_id=placed.job_id,
        first_index=placed.first_index,
        attempt=placed.attempt,
        machine_id=placed.machine_id,
        epoch=placed.epoch,
        state=AttemptState.SUCCEEDED,
        exit_code=0,
        started_at=0.0,
        ended_at=1.0,
    )


def test_an_answer_asked_for_before_the_report_starts_nothing_again() -> None:
    ledger = Ledger()
    asked_at = time.monotonic()
    ledger.decide(held(placement()), asked_at)
    ledger.ended([end_of(placement())])
    batch = ledger.next_batch()
    assert batch is not None
    assert ledger.decide(held(placement()), asked_at).start == ()
    ledger.delivered(batch)
    assert ledger.decide(held(placement()), asked_at).start == ()


def test_what_was_not_started_after_all_is_started_by_the_next_answer() -> None:
    ledger = Ledger()
    ledger.decide(held(placement()), 0.0)
    ledger.forget([key_of(placement())])
    assert ledger.decide(held(placement()), 0.0).start == (placement(),)


def test_ends_of_what_is_not_known_are_nobodys_concern() -> None:
    ledger = Ledger()
    ledger.ended([end_of(placement())])
    ledger.close()
    assert ledger.next_batch() is None


def test_an_end_is_noted_once() -> None:
    ledger = Ledger()
    ledger.decide(held(placement()), 0.0)
    ledger.ended([end_of(placement()), end_of(placement())])
    batch = ledger.next_batch()
    assert batch is not None
    assert len(batch.ended) == 1


def test_ends_that_could_not_be_delivered_come_first_again() -> None:
    ledger = Ledger()
    first, second = placement(0), placement(1)
    ledger.decide(held(first, second), 0.0)
    ledger.ended([end_of(first)])
    batch = ledger.next_batch()
    assert batch is not None
    ledger.put_back(batch)
    ledger.ended([end_of(second)])
    again = ledger.next_batch()
    assert again is not None
    assert [end.first_index for end in again.ended] == [0, 1]


def test_a_start_is_reported_after_the_window_and_only_if_it_still_runs() -> None:
    ledger = Ledger()
    lasting, short = placement(0), placement(1)
    ledger.decide(held(lasting, short), 0.0)
    ledger.ended([end_of(short)])
    first, second = ledger.next_batch(), ledger.next_batch()
    assert first is not None
    assert second is not None
    assert (len(first.ended), first.started) == (1, ())
    assert [start.first_index for start in second.started] == [0]


def test_an_end_wakes_whoever_waits_for_it() -> None:
    ledger = Ledger()
    ledger.decide(held(placement(stop=Stop.CANCEL)), 0.0)
    timer = threading.Timer(0.02, lambda: ledger.ended([end_of(placement())]))
    timer.start()
    batch = ledger.next_batch()
    timer.join()
    assert batch is not None
    assert len(batch.ended) == 1
