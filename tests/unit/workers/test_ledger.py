"""What the agent remembers between a pull, an end and its report."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from omegacell.cellstate.model import AttemptState, Ended, Kept, Placement, Stop
from omegacell.workers.ledger import Ledger
from omegacell.workers.runner import Report, Running, key_of
from tests.unit.workers.test_reconcile import held, placement


def end_of(placed: Placement) -> Report:
    return Report(key=key_of(placed), ended=(task_end(placed, placed.first_index),))


def task_end(placed: Placement, index: int, state: AttemptState = AttemptState.SUCCEEDED) -> Ended:
    return Ended(
        job_id=placed.job_id,
        first_index=placed.first_index,
        task_index=index,
        attempt=placed.attempt,
        machine_id=placed.machine_id,
        epoch=placed.epoch,
        state=state,
        exit_code=0,
        started_at=0.0,
        ended_at=1.0,
    )


def test_an_answer_asked_for_before_the_report_starts_nothing_again() -> None:
    ledger = Ledger()
    asked_at = time.monotonic()
    ledger.decide(held(placement()), asked_at)
    ledger.note([end_of(placement())])
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
    ledger.note([end_of(placement())])
    ledger.close()
    assert ledger.next_batch() is None


def test_an_end_is_noted_once() -> None:
    ledger = Ledger()
    ledger.decide(held(placement()), 0.0)
    ledger.note([end_of(placement()), end_of(placement())])
    batch = ledger.next_batch()
    assert batch is not None
    assert len(batch.ended) == 1


def test_ends_that_could_not_be_delivered_come_first_again() -> None:
    ledger = Ledger()
    first, second = placement(0), placement(1)
    ledger.decide(held(first, second), 0.0)
    ledger.note([end_of(first)])
    batch = ledger.next_batch()
    assert batch is not None
    ledger.put_back(batch)
    ledger.note([end_of(second)])
    again = ledger.next_batch()
    assert again is not None
    assert [end.first_index for end in again.ended] == [0, 1]


def test_a_start_is_reported_after_the_window_and_only_if_it_still_runs() -> None:
    ledger = Ledger()
    lasting, short = placement(0), placement(1)
    ledger.decide(held(lasting, short), 0.0)
    ledger.began([key_of(lasting), key_of(short)])
    ledger.note([end_of(short)])
    first, second = ledger.next_batch(), ledger.next_batch()
    assert first is not None
    assert second is not None
    assert (len(first.ended), first.started) == (1, ())
    assert [start.first_index for start in second.started] == [0]


def test_an_end_wakes_whoever_waits_for_it() -> None:
    ledger = Ledger()
    ledger.decide(held(placement(stop=Stop.CANCEL)), 0.0)
    timer = threading.Timer(0.02, lambda: ledger.note([end_of(placement())]))
    timer.start()
    batch = ledger.next_batch()
    timer.join()
    assert batch is not None
    assert len(batch.ended) == 1


def slot(count: int, first: int = 0) -> Placement:
    return placement(first, count=count)


def split_of(whole: Placement, index: int) -> Report:
    """It goes on with that task alone; those before it have ended."""
    ends = tuple(task_end(whole, at) for at in range(whole.first_index, index))
    key = key_of(whole)
    kept = Kept(
        job_id=key.job_id,
        first_index=key.first_index,
        task_index=index,
        attempt=key.attempt,
        machine_id=key.machine_id,
        epoch=key.epoch,
    )
    return Report(key=key, ended=ends, kept=(kept,), given_back=whole.first_index + whole.count - index - 1)


def end_of_kept(whole: Placement, index: int) -> Report:
    return Report(key=key_of(whole), ended=(task_end(replace(whole, first_index=index), index),))


def test_a_slot_is_never_divided_between_two_reports() -> None:
    ledger = Ledger()
    slots = [slot(999, first=1000 * n) for n in range(4)]
    ledger.decide(held(*slots), 0.0)
    ledger.note([Report(key=key_of(one), ended=tuple(task_end(one, n) for n in range(999))) for one in slots])
    first, second = ledger.next_batch(), ledger.next_batch()
    assert first is not None
    assert second is not None
    assert [len(first.ended), len(second.ended)] == [3 * 999, 999]


def test_the_two_reports_of_a_split_slot_never_travel_together() -> None:
    ledger, other = Ledger(), placement(7)
    ledger.decide(held(slot(5), other), 0.0)
    ledger.note([split_of(slot(5), 2), end_of_kept(slot(5), 2), end_of(other)])
    first, second = ledger.next_batch(), ledger.next_batch()
    assert first is not None
    assert second is not None
    assert ([end.task_index for end in first.ended], [kept.task_index for kept in first.kept]) == (
        [0, 1],
        [2],
    )
    assert ([end.first_index for end in second.ended], second.kept) == ([2, 7], ())


def test_nor_do_they_after_the_first_could_not_be_delivered() -> None:
    ledger = Ledger()
    ledger.decide(held(slot(5)), 0.0)
    ledger.note([split_of(slot(5), 2)])
    batch = ledger.next_batch()
    assert batch is not None
    ledger.note([end_of_kept(slot(5), 2)])
    ledger.put_back(batch)
    assert ledger.next_batch() == batch


def test_a_split_slot_is_neither_started_again_nor_killed_whatever_answer_comes_first() -> None:
    ledger = Ledger()
    whole, kept = slot(5), placement(2)
    ledger.decide(held(whole), 0.0)
    ledger.note([split_of(whole, 2)])
    batch = ledger.next_batch()
    assert batch is not None
    for answered in (whole, kept, whole):
        decision = ledger.decide(held(answered), time.monotonic())
        assert (decision.start, decision.kill) == ((), ())
    ledger.delivered(batch)
    assert ledger.decide(held(kept), time.monotonic()).kill == ()
    ledger.note([end_of_kept(whole, 2)])
    assert ledger.decide(held(kept), time.monotonic()).start == ()


def test_what_tells_its_start_itself_runs_when_it_says_so_and_on_its_ports() -> None:
    ledger = Ledger()
    ledger.decide(held(placement(0)), 0.0)
    ledger.note(
        [Running(key=key_of(placement(0)), ports=(("http", 4711),)), Running(key=key_of(placement(1)))]
    )
    batch = ledger.next_batch()
    assert batch is not None
    assert [(start.first_index, start.ports) for start in batch.started] == [(0, (("http", 4711),))]


def test_the_start_of_a_split_slot_is_told_under_the_key_it_goes_by() -> None:
    ledger = Ledger()
    ledger.decide(held(slot(5)), 0.0)
    ledger.began([key_of(slot(5))])
    ledger.note([split_of(slot(5), 2)])
    first, second = ledger.next_batch(), ledger.next_batch()
    assert first is not None
    assert second is not None
    assert [start.first_index for start in (*first.started, *second.started)] == [2]


def test_a_split_slot_that_the_store_gave_up_is_killed() -> None:
    ledger = Ledger()
    ledger.decide(held(slot(5)), 0.0)
    ledger.note([split_of(slot(5), 2)])
    assert ledger.decide(held(), 0.0).kill == (key_of(slot(5)),)


def test_a_report_of_the_machine_tells_whether_a_winner_waits_there() -> None:
    ledger = Ledger()
    victim, winner = placement(job_id=7), placement()
    ledger.decide(held(victim), 0.0)
    ledger.decide(held(replace(victim, stop=Stop.PREEMPT, preempted_by=1), winner), 0.0)
    ledger.note([end_of(victim)])
    batch = ledger.next_batch()
    assert batch is not None
    assert ledger.delivered(batch)
    assert ledger.decide(held(winner), time.monotonic()).start == (winner,)
    assert not ledger.delivered(batch)


def test_an_answer_that_a_report_has_overtaken_is_known_not_to_be_the_last_word_on_a_waiting_winner() -> None:
    ledger = Ledger()
    victim, winner = placement(job_id=7), placement()
    ledger.decide(held(victim), 0.0)
    ledger.note([end_of(victim)])
    asked_at = time.monotonic()
    batch = ledger.next_batch()
    assert batch is not None
    assert not ledger.delivered(batch)
    late = ledger.decide(held(replace(victim, stop=Stop.PREEMPT, preempted_by=1), winner), asked_at)
    assert ledger.overtaken(late)
    assert not ledger.overtaken(ledger.decide(held(winner), time.monotonic()))


def test_on_leaving_a_stopped_task_is_left_to_be_lost_and_the_others_of_its_slot_are_not() -> None:
    ledger = Ledger()
    several, single, done = slot(5), placement(7), placement(8)
    ledger.decide(held(several, single, done), 0.0)
    assert set(ledger.leave()) == {key_of(several), key_of(single), key_of(done)}
    stopped = task_end(several, 2, AttemptState.PREEMPTED)
    ends = (*(task_end(several, at) for at in range(2)), stopped)
    ledger.note([Report(key=key_of(several), ended=ends, given_back=2), end_of(done)])
    ledger.note([Report(key=key_of(single), ended=(task_end(single, 7, AttemptState.PREEMPTED),))])
    ledger.close()
    batch = ledger.next_batch()
    assert batch is not None
    assert [end.task_index for end in batch.ended] == [0, 1, 8]
    assert [(kept.first_index, kept.task_index) for kept in batch.kept] == [(0, 2)]
    assert ledger.next_batch() is None
