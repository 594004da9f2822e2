"""Held against running: what to start and what to stop."""

from __future__ import annotations

from omegacell.cellstate.model import Amounts, Holdings, Placement, Stop
from omegacell.workers.reconcile import reconcile
from omegacell.workers.runner import TaskKey, key_of


def placement(index: int = 0, *, stop: Stop = Stop.NONE, attempt: int = 1, epoch: int = 1) -> Placement:
    return Placement(
        job_id=1,
        first_index=index,
        count=1,
        attempt=attempt,
        failures=0,
        lost=0,
        machine_id=5,
        epoch=epoch,
        amounts=Amounts(),
        running=False,
        stop=stop,
        placed_at=0.0,
    )


def held(*placements: Placement) -> list[Holdings]:
    return [Holdings(machine_id=5, version=1, epoch=1, placements=placements)]


def running(*placements: Placement) -> dict[int, dict[TaskKey, Stop]]:
    return {5: {key_of(each): each.stop for each in placements}}


def test_what_is_held_and_does_not_run_is_started() -> None:
    assert reconcile(held(placement()), {}, set()).start == (placement(),)


def test_what_is_held_and_runs_is_left_alone() -> None:
    decision = reconcile(held(placement()), running(placement()), set())
    assert (decision.start, decision.stop, decision.refuse, decision.kill) == ((), (), (), ())


def test_a_stop_is_passed_on_once() -> None:
    stopping = placement(stop=Stop.CANCEL)
    assert reconcile(held(stopping), running(placement()), set()).stop == ((key_of(stopping), Stop.CANCEL),)
    assert reconcile(held(stopping), running(stopping), set()).stop == ()


def test_a_stop_of_what_never_started_is_answered_without_starting_it() -> None:
    stopping = placement(stop=Stop.PREEMPT)
    decision = reconcile(held(stopping), {}, set())
    assert (decision.start, decision.refuse) == ((), (stopping,))


def test_what_runs_and_is_no_longer_held_is_killed() -> None:
    assert reconcile(held(), running(placement()), set()).kill == (key_of(placement()),)


def test_a_new_attempt_replaces_the_old_one() -> None:
    decision = reconcile(held(placement(attempt=2)), running(placement()), set())
    assert (decision.start, decision.kill) == ((placement(attempt=2),), (key_of(placement()),))


def test_what_has_ended_here_is_not_started_by_an_answer_that_was_late() -> None:
    assert reconcile(held(placement()), {}, {key_of(placement())}).start == ()


def test_machines_without_an_answer_stay_as_they_are() -> None:
    assert reconcile([], running(placement()), set()).kill == ()
