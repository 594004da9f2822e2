"""What jobs took from each other, in words."""

from __future__ import annotations

from omegacell.cellstate.model import Preemption
from omegacell.client.preemptions import by_job, given_to, taken_from


def record(winner: int, victim: int, *, count: int = 1) -> Preemption:
    return Preemption(
        at=1.0, machine_id=1, winner_job=winner, victim_job=victim, first_index=0, count=count, attempt=1
    )


RECORDS = [record(9, 1), record(9, 2, count=3), record(9, 1), record(5, 9)]


def test_tasks_are_counted_by_the_other_job() -> None:
    assert taken_from(RECORDS, 9) == {1: 2, 2: 3}
    assert given_to(RECORDS, 9) == {5: 1}
    assert taken_from(RECORDS, 1) == {}


def test_three_jobs_are_named_those_with_most_tasks_first() -> None:
    assert by_job(taken_from([], 9), "of") == ""
    assert by_job(taken_from(RECORDS, 9), "of") == "3 of j2, 2 of j1"
    many = [record(9, victim, count=victim) for victim in (1, 2, 3, 4, 5)]
    assert by_job(taken_from(many, 9), "of") == "5 of j5, 4 of j4, 3 of j3, 3 of 2 other jobs"
