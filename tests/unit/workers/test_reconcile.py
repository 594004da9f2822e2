"""Held against running: what to start and what to stop."""

from __future__ import annotations

from dataclasses import replace

from omegacell.cellstate.model import Amounts, Holdings, Placement, Stop
from omegacell.workers.reconcile import reconcile
from omegacell.workers.runner import SlotKey, key_of


def placement(
    index: int = 0,
    *,
    count: int = 1,
    stop: Stop = Stop.NONE,
    attempt: int = 1,
    epoch: int = 1,
    job_id: int = 1,
    preempted_by: int = 0,
) -> Placement:
    return Placement(
        job_id=job_id,
        first_index=index,
        count=count,
        attempt=attempt,
        failures=0,
        lost=0,
        machine_id=5,
        epoch=epoch,
        amounts=Amounts(),
        running=False,
        stop=stop,
        placed_at=0.0,
        preempted_by=preempted_by,
    )


def held(*placements: Placement) -> list[Holdings]:
    return [Holdings(machine_id=5, version=1, epoch=1, placements=placements)]


def running(*placements: Placement) -> dict[int, dict[SlotKey, Stop]]:
    return {5: {key_of(each): each.stop for each in placements}}


def test_what_is_held_and_does_not_run_is_started() -> None:
    assert reconcile(held(placement()), {}, set(), {}).start == (placement(),)


def test_what_is_held_and_runs_is_left_alone() -> None:
    decision = reconcile(held(placement()), running(placement()), set(), {})
    assert (decision.start, decision.stop, decision.refuse, decision.kill) == ((), (), (), ())


def test_a_stop_is_passed_on_once() -> None:
    stopping = placement(stop=Stop.CANCEL)
    assert reconcile(held(stopping), running(placement()), set(), {}).stop == (
        (key_of(stopping), Stop.CANCEL),
    )
    assert reconcile(held(stopping), running(stopping), set(), {}).stop == ()


def test_a_stop_of_what_never_started_is_answered_without_starting_it() -> None:
    stopping = placement(stop=Stop.PREEMPT)
    decision = reconcile(held(stopping), {}, set(), {})
    assert (decision.start, decision.refuse) == ((), (stopping,))


def test_what_runs_and_is_no_longer_held_is_killed() -> None:
    assert reconcile(held(), running(placement()), set(), {}).kill == (key_of(placement()),)


def test_a_new_attempt_replaces_the_old_one() -> None:
    decision = reconcile(held(placement(attempt=2)), running(placement()), set(), {})
    assert (decision.start, decision.kill) == ((placement(attempt=2),), (key_of(placement()),))


def test_what_has_ended_here_is_not_started_by_an_answer_that_was_late() -> None:
    assert reconcile(held(placement()), {}, {key_of(placement())}, {}).start == ()


def test_machines_without_an_answer_stay_as_they_are() -> None:
    assert reconcile([], running(placement()), set(), {}).kill == ()


VICTIM = placement(job_id=7, stop=Stop.PREEMPT, preempted_by=1)
RUNNING_VICTIM = running(replace(VICTIM, stop=Stop.NONE, preempted_by=0))


def test_a_winner_waits_while_its_victim_is_held() -> None:
    decision = reconcile(held(VICTIM, placement()), RUNNING_VICTIM, set(), {})
    assert decision.stop == ((key_of(VICTIM), Stop.PREEMPT),)
    assert (decision.start, decision.refuse, decision.kill) == ((), (), ())
    assert decision.waiting == {5}


def test_a_winner_waits_also_for_a_victim_that_has_ended_here_and_is_still_in_the_answer() -> None:
    assert reconcile(held(VICTIM, placement()), {}, {key_of(VICTIM)}, {}).start == ()


def test_a_winner_starts_when_an_answer_shows_its_victims_gone() -> None:
    decision = reconcile(held(placement()), {}, {key_of(VICTIM)}, {})
    assert (decision.start, decision.waiting) == ((placement(),), frozenset())


def test_others_start_beside_a_waiting_winner_and_what_ran_of_its_job_runs_on() -> None:
    other, older = placement(job_id=2), placement(3)
    decision = reconcile(held(VICTIM, placement(), other, older), running(older), set(), {})
    assert (decision.start, decision.kill) == ((other,), ())


def test_a_winner_that_is_stopped_before_it_started_ends_without_running_once_its_victims_are_gone() -> None:
    stopped = placement(stop=Stop.CANCEL)
    decision = reconcile(held(VICTIM, stopped), RUNNING_VICTIM, set(), {})
    assert (decision.start, decision.refuse) == ((), ())
    assert decision.waiting == {5}
    assert reconcile(held(stopped), {}, set(), {}).refuse == (stopped,)


def test_the_winner_of_a_waiting_winner_waits_for_its_victims_too() -> None:
    between = placement(stop=Stop.PREEMPT, preempted_by=3)
    best = placement(job_id=3)
    decision = reconcile(held(VICTIM, between, best), RUNNING_VICTIM, set(), {})
    assert (decision.start, decision.refuse) == ((), ())
    decision = reconcile(held(between, best), {}, set(), {})
    assert (decision.start, decision.refuse) == ((), (between,))


def test_a_split_slot_is_found_by_either_key() -> None:
    whole, kept = placement(count=5), placement(2)
    for answered in (whole, kept):
        decision = reconcile(held(answered), running(whole), set(), {key_of(kept): key_of(whole)})
        assert (decision.start, decision.kill) == ((), ())


def test_a_stop_of_the_task_that_a_slot_was_split_for_is_passed_on_by_the_key_it_was_started_under() -> None:
    whole, kept = placement(count=5), placement(2, stop=Stop.CANCEL)
    decision = reconcile(held(kept), running(whole), set(), {key_of(kept): key_of(whole)})
    assert decision.stop == ((key_of(whole), Stop.CANCEL),)


def test_a_slot_that_is_over_is_not_started_again_under_its_other_key() -> None:
    whole, kept = placement(count=5), placement(2)
    decision = reconcile(held(kept), {}, {key_of(whole)}, {key_of(kept): key_of(whole)})
    assert (decision.start, decision.refuse) == ((), ())
