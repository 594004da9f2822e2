"""How choices are spread among rivals, and which alternatives are named."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from omegacell.schedulers.alternatives import one_slot_each, ranked
from omegacell.schedulers.contention import Width, seen
from omegacell.schedulers.ranges import SlotClaims


def test_without_conflicts_everything_is_seen() -> None:
    width = Width()
    width.learn(conflicted=False)
    assert width.share(1_000, 1) == 1.0
    assert seen(1_000, 1.0, np.random.default_rng(1)).all()


def test_conflicts_narrow_the_view_and_a_lull_opens_it() -> None:
    width = Width()
    for _ in range(3):
        width.learn(conflicted=True)
    assert width.share(1_000, 1) == 1 / 8
    assert 80 < seen(1_000, 1 / 8, np.random.default_rng(1)).sum() < 170
    for _ in range(40):
        width.learn(conflicted=False)
    assert width.share(1_000, 1) == 1.0


def test_large_request_sees_as_many_machines_as_it_may_need() -> None:
    width = Width()
    for _ in range(10):
        width.learn(conflicted=True)
    assert width.share(1_000, 496) == 0.5
    assert width.share(1_000, 2_000) > 1.0
    assert width.share(0, 1) > 1.0


def test_width_settles_where_about_one_attempt_in_ten_conflicts() -> None:
    """32 rivals pick the best of what each sees of 1,000 machines, in rounds; the same pick is a conflict."""
    rng = np.random.default_rng(1)
    rivals = [Width() for _ in range(32)]
    lost = 0
    for round_number in range(200):
        picks = [int(seen(1_000, rival.share(1_000, 1), rng).argmax()) for rival in rivals]
        for number, (rival, pick) in enumerate(zip(rivals, picks, strict=True)):
            conflicted = pick in picks[:number]
            rival.learn(conflicted=conflicted)
            lost += conflicted and round_number >= 100
    assert 0.05 < lost / 3_200 < 0.15


def test_alternatives_begin_with_the_plan_in_its_order() -> None:
    rows = ranked(np.array([5, 2, 5]), np.arange(8), 100, np.random.default_rng(1)).tolist()
    assert rows[:2] == [5, 2]
    assert sorted(rows) == list(range(8))


@given(st.lists(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.integers(1, 40))
def test_alternatives_are_distinct_and_bounded(planned: list[int], feasible: set[int], at_most: int) -> None:
    rows = ranked(
        np.array(planned, dtype=np.int64),
        np.array(sorted(feasible), dtype=np.int64),
        at_most,
        np.random.default_rng(1),
    ).tolist()
    assert len(rows) == len(set(rows)) == min(len(feasible | set(planned)), at_most)


def test_claims_with_alternatives_have_one_slot_each() -> None:
    claims = SlotClaims(
        rows=np.array([4, 7]),
        slots=np.array([2, 1]),
        tasks=np.array([8, 3]),
        devices=np.zeros(0, dtype=np.int64),
    )
    each = one_slot_each(claims)
    assert (each.rows.tolist(), each.slots.tolist(), each.tasks.tolist()) == ([4, 4, 7], [1, 1, 1], [8, 8, 3])
