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


def tasks_of(one: RetryRange) -> range:
    """The indexes of its tasks."""
    return range(one.first_index, one.first_index + one.count)


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


def test_what_is_cut_out_of_ranges_is_gone_and_the_rest_waits_as_before() -> None:
    retries = Retries()
    retries.add(waiting(0, 5))
    retries.add(waiting(5, 1, not_before=4.0, attempt=1))
    retries.add(waiting(6, 4, not_before=9.0))
    assert retries.due(0.0) == 5
    assert retries.cut(3, 8) == [
        waiting(3, 2),
        waiting(5, 1, not_before=4.0, attempt=1),
        waiting(6, 2, not_before=9.0),
    ]
    assert list(retries) == [waiting(0, 3), waiting(8, 2, not_before=9.0)]
    assert retries.cut(3, 8) == []
    assert (retries.due(4.0), len(retries)) == (3, 5)
    assert retries.take(9) == waiting(0, 3)
    assert retries.due(4.0) == 0
    assert retries.next_not_before() == 9.0


def test_those_that_were_placed_before_are_counted_apart() -> None:
    retries = Retries()
    retries.add(waiting(0, 5, attempt=1))
    retries.add(waiting(7, 4))
    retries.cut(8, 9)
    assert (len(retries), retries.tasks_again) == (8, 3)
    assert retries.due(0.0) == 8
    retries.take(9)
    retries.take(2)
    assert (len(retries), retries.tasks_again) == (2, 2)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from((0.0, 1.0, 2.0))), max_size=8),
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from((0.0, 0.0, 1.0)), st.integers(-20, 20)), max_size=12
    ),
)
def test_they_count_and_give_what_a_row_per_task_would(
    ranges: list[tuple[int, float]], steps: list[tuple[int, float, int]]
) -> None:
    retries, tasks, now = Retries(), dict[int, tuple[tuple[int, ...], float]](), 0.0
    first_index = 0
    for number, (count, not_before) in enumerate(ranges):
        retries.add(waiting(first_index, count, not_before=not_before))
        tasks |= dict.fromkeys(range(first_index, first_index + count), ((number,), not_before))
        first_index += count
    for number, (limit, later, at) in enumerate(steps):
        now += later
        if at >= 0:
            cut = {task: tasks.pop(task) for task in range(at, at + limit) if task in tasks}
            assert [task for one in retries.cut(at, at + limit) for task in tasks_of(one)] == list(cut)
            # Behind the cut a range is another one than before it; some of what was cut waits anew.
            tasks = {task: ((*of, number) if task > at else of, when) for task, (of, when) in tasks.items()}
            for task in list(cut)[::2]:
                retries.add(waiting(task, 1, not_before=now + limit - 2))
                tasks[task] = ((-1, number, task), now + limit - 2)
        due = sorted(task for task, (_, not_before) in tasks.items() if not_before <= now)
        assert (retries.due(now), len(retries)) == (len(due), len(tasks))
        if due:
            taken = retries.take(limit)
            of_range = [task for task in due if tasks[task][0] == tasks[due[0]][0]][:limit]
            assert list(tasks_of(taken)) == of_range
            for task in of_range:
                del tasks[task]
    assert [task for one in retries for task in tasks_of(one)] == sorted(tasks)
