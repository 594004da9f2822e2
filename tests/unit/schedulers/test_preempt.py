"""Whose place a job of higher priority takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.model import Amounts, Preemptible
from omegacell.cellstate.room import Room
from omegacell.schedulers.feasible import GroupLimit
from omegacell.schedulers.preempt import Barren, Candidate, Seizure, choose

LARGEST = np.array([16_000, 2**30, 0], dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A placement on a row."""

    row: int = 0
    cpu: int = 1_000
    priority: int = 10
    at: float = 1.0
    gpu: int = 0
    devices: int = 0
    custom: tuple[tuple[str, int], ...] = ()


def preemptible(held: Sequence[Held]) -> Preemptible:
    def column(values: Sequence[Any]) -> Any:
        return np.array(values, dtype=np.int64)

    return Preemptible(
        machine_id=column([one.row + 1 for one in held]),
        job_id=column([7] * len(held)),
        first_index=column(range(len(held))),
        attempt=column([1] * len(held)),
        tasks=column([1] * len(held)),
        priority=column([one.priority for one in held]),
        amounts=column([(one.cpu, 0, 0) for one in held]).reshape(-1, 3),
        gpu_milli=column([one.gpu for one in held]),
        devices=column([one.devices for one in held]),
        custom=tuple(one.custom for one in held),
        placed_at=tuple(one.at for one in held),
    )


def chosen(
    *held: Held,
    wanted: int = 1,
    cpu: int = 1_000,
    gpu: int = 0,
    custom: tuple[tuple[str, int], ...] = (),
    free: Sequence[int] = (),
    devices: Sequence[int] = (),
    places: int = 9,
    budget: int = 64,
    limits: Sequence[GroupLimit] = (),
) -> list[tuple[int, tuple[int, ...]]]:
    """(row, victims by position) of each slot; rows have nothing free beside `free`."""
    rows = sorted({one.row for one in held})
    candidates = [
        Candidate(
            row=row,
            room=Room(
                [free[row] if free else 0, 2**30, 0], devices=devices, custom=dict.fromkeys(dict(custom), 0)
            ),
            places=places,
        )
        for row in rows
    ]
    found = choose(
        Amounts(cpu_milli=cpu, gpu_milli=gpu, custom=custom),
        wanted,
        candidates,
        preemptible(held),
        row_of=np.array([one.row for one in held], dtype=np.int64),
        largest=LARGEST,
        limits=limits,
        budget=budget,
    )
    return [(seizure.row, seizure.victims) for seizure in found]


def test_one_victim_rather_than_two() -> None:
    assert chosen(Held(cpu=500), Held(cpu=500), Held(row=1)) == [(1, (2,))]


def test_two_unimportant_victims_rather_than_an_important_one() -> None:
    assert chosen(Held(priority=90), Held(row=1, cpu=500, at=2.0), Held(row=1, cpu=500)) == [(1, (1, 2))]


def test_of_equals_the_smallest_goes_then_the_youngest() -> None:
    assert chosen(Held(cpu=4_000), Held(cpu=1_000), Held(row=1, cpu=2_000)) == [(0, (1,))]
    assert chosen(Held(at=5.0), Held(at=7.0), Held(at=6.0)) == [(0, (1,))]


def test_large_one_goes_where_it_spares_several_small_ones() -> None:
    assert chosen(Held(cpu=1_000), Held(cpu=1_000), Held(cpu=1_000), Held(cpu=3_000), cpu=3_000) == [
        (0, (3,))
    ]


def test_what_is_free_is_used_and_nobody_goes_in_vain() -> None:
    assert chosen(Held(cpu=1_000, at=2.0), Held(cpu=1_000), cpu=2_500, free=[1_500]) == [(0, (0,))]
    assert chosen(Held(cpu=1_000), cpu=2_500, free=[1_000]) == []


def test_room_left_by_a_large_victim_takes_further_slots() -> None:
    assert chosen(Held(cpu=4_000), cpu=1_000, wanted=6) == [(0, (0,)), (0, ()), (0, ()), (0, ())]


def test_no_placement_is_named_twice() -> None:
    slots = chosen(*[Held(row=row % 2) for row in range(6)], wanted=9)
    assert sorted(victim for _, victims in slots for victim in victims) == list(range(6))


def test_budget_bounds_the_victims_and_passes_over_what_is_too_dear() -> None:
    assert chosen(
        Held(cpu=500, priority=1), Held(cpu=500, priority=1), Held(row=1, priority=90), budget=1
    ) == [(1, (2,))]
    assert len(chosen(*[Held(row=row) for row in range(9)], wanted=9, budget=4)) == 4


def test_anti_affinity_bounds_the_slots_of_a_machine_and_of_a_group() -> None:
    held = [Held(row=row) for row in (0, 0, 1, 1)]
    assert [row for row, _ in chosen(*held, wanted=4, places=1)] == [0, 1]
    rack = GroupLimit(attribute="rack", group=np.zeros(2, dtype=np.int64), left=np.array([3]))
    assert len(chosen(*held, wanted=4, limits=[rack])) == 3


def test_share_takes_the_share_of_one_device() -> None:
    held = [Held(gpu=600, devices=1), Held(gpu=700, devices=2)]
    assert chosen(*held, cpu=1, gpu=650, devices=[400, 300]) == [(0, (0,))]
    assert chosen(Held(gpu=300, devices=1), cpu=1, gpu=500, devices=[100, 100]) == []


def test_whole_device_needs_everyone_on_it_to_go() -> None:
    held = [Held(gpu=500, devices=1), Held(gpu=500, devices=1), Held(gpu=900, devices=2), Held(cpu=9_000)]
    assert chosen(*held, cpu=1, gpu=1_000, devices=[0, 100]) == [(0, (2,))]
    assert chosen(*held, cpu=1, gpu=2_000, devices=[0, 100])[0][1] in [
        (0, 1, 2),
        (1, 0, 2),
        (2, 0, 1),
        (2, 1, 0),
    ]
    assert chosen(Held(gpu=2_000, devices=0b101), cpu=1, gpu=2_000, devices=[0, 300, 0]) == [(0, (0,))]


def test_named_resource_comes_from_who_has_it() -> None:
    held = [Held(), Held(custom=(("licence", 2_000),))]
    assert chosen(*held, cpu=500, custom=(("licence", 1_000),)) == [(0, (1,))]


@given(
    st.lists(
        st.builds(
            Held,
            row=st.integers(0, 2),
            cpu=st.integers(100, 3_000),
            priority=st.integers(0, 3),
            at=st.floats(0, 10),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(100, 5_000),
    st.integers(1, 5),
)
def test_slots_fit_in_the_order_named_and_no_victim_could_be_spared(
    held: list[Held], cpu: int, wanted: int
) -> None:
    free = dict.fromkeys(range(3), 0)
    for row, victims in chosen(*held, cpu=cpu, wanted=wanted):
        gain = [held[victim].cpu for victim in victims]
        assert all(held[victim].row == row for victim in victims)
        assert not victims or free[row] + sum(gain) - min(gain) < cpu
        free[row] += sum(gain) - cpu
        assert free[row] >= 0


@given(
    st.lists(st.tuples(st.integers(100, 3_000), st.integers(0, 3)), min_size=1, max_size=7),
    st.integers(100, 5_000),
)
def test_a_slot_is_found_where_one_exists_and_no_single_victim_would_do_less_harm(
    held: list[tuple[int, int]], cpu: int
) -> None:
    slots = chosen(*[Held(cpu=each, priority=priority) for each, priority in held], cpu=cpu)
    assert bool(slots) == (sum(each for each, _ in held) >= cpu)
    alone = [1 + priority for each, priority in held if each >= cpu]
    if alone:
        assert sum(1 + held[victim][1] for victim in slots[0][1]) <= min(alone)


def test_machine_found_barren_is_not_asked_again_until_it_changes() -> None:
    barren = Barren()
    ids, versions = np.array([1, 2, 3]), np.array([5, 5, 5])
    assert barren.worth_asking(ids, versions, below=50).tolist() == [0, 1, 2]
    barren.learn(ids, versions, preemptible([Held(row=1)]), below=50)
    assert barren.worth_asking(ids, versions, below=50).tolist() == [1]
    assert barren.worth_asking(ids, versions, below=51).tolist() == [0, 1, 2]
    assert barren.worth_asking(ids, np.array([6, 5, 5]), below=20).tolist() == [0, 1]


def test_nothing_held_gives_nothing() -> None:
    nothing: tuple[Seizure, ...] = choose(
        Amounts(cpu_milli=1),
        1,
        [],
        preemptible([]),
        row_of=np.zeros(0, dtype=np.int64),
        largest=LARGEST,
        budget=1,
    )
    assert nothing == ()
