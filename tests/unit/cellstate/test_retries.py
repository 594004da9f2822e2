"""Ranges of tasks that wait to run again, against the plainest model: a row per task."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.memory.retries import Retries
from omegacell.cellstate.model import RetryRange


def waiting(first_index: int, count: int, *, not_before: float = 0.0, attempt: int = 2) -> RetryRange:
    """A range of tasks of one job."""
    return RetryRange(
        job_id=1,
        first_index=first_index,
        count=count,
        attempt=attempt,
        failures=1,
        lost=0,
        not_before=not_before,
    )


def test_what_is_left_of_a_range_stays_one_with_all_else_the_same() -> None:
    retries = Retries()
    retries.add(waiting(5, 4, not_before=3.0))
    assert retries.due(2.0) == 0
    assert (retries.due(3.0), len(retries)) == (4, 4)
    assert retries.take(3) == waiting(5, 3, not_before=3.0)
    assert list(retries) == [waiting(8, 1, not_before=3.0)]
    assert (retries.due(3.0), len(retries)) == (1, 1)


def test_ranges_are_never_joined() -> None:
    retries = Retries()
    retries.add(waiting(2, 2))
    retries.add(waiting(0, 2))
    assert retries.due(0.0) == 4
    assert [retries.take(9), retries.take(9)] == [waiting(0, 2), waiting(2, 2)]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from((0.0, 1.0, 2.0))), max_size=8),
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from((0.0, 0.0, 1.0))), max_size=12),
)
def test_they_count_and_give_what_a_row_per_task_would(
    ranges: list[tuple[int, float]], steps: list[tuple[int, float]]
) -> None:
    retries, tasks, now = Retries(), dict[int, tuple[int, float]](), 0.0
    first_index = 0
    for number, (count, not_before) in enumerate(ranges):
        retries.add(waiting(first_index, count, not_before=not_before))
        tasks |= dict.fromkeys(range(first_index, first_index + count), (number, not_before))
        first_index += count
    for limit, later in steps:
        now += later
        due = sorted(task for task, (_, not_before) in tasks.items() if not_before <= now)
        assert (retries.due(now), len(retries)) == (len(due), len(tasks))
        if due:
            taken = retries.take(limit)
            of_range = [task for task in due if tasks[task][0] == tasks[due[0]][0]][:limit]
            assert list(range(taken.first_index, taken.first_index + taken.count)) == of_range
            for task in of_range:
                del tasks[task]
    assert [
        task for one in retries for task in range(one.first_index, one.first_index + one.count)
    ] == sorted(tasks)
