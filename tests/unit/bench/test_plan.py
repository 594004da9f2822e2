"""What is measured for what was asked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from omegacell.bench.throughput.plan import (
    Combination,
    Feature,
    Plan,
    choices,
    combinations,
    numbers,
    warm_up,
)
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import CommitMode, Detection


def plan(placements: int) -> Plan:
    return Plan(combinations=(), machines=1, placements=placements, repeat=1, seed=1)


def test_lists_name_numbers_and_choices_once_each_in_their_order() -> None:
    assert numbers("100,1,100", "claims") == (100, 1)
    assert choices("coarse,fine,coarse", Detection, "detection") == (Detection.COARSE, Detection.FINE)


@pytest.mark.parametrize("words", ["", "1,x", "0", "10,-1"])
def test_list_of_other_than_positive_numbers_is_invalid(words: str) -> None:
    with pytest.raises(SpecInvalid, match=r"claims .* expected a list like"):
        numbers(words, "claims")


@pytest.mark.parametrize("words", ["", "devices,gpus"])
def test_list_with_an_unknown_choice_names_those_that_exist(words: str) -> None:
    with pytest.raises(SpecInvalid, match="none,devices,custom,ranges"):
        choices(words, Feature, "features")


def planned(*commits: CommitMode, features: Sequence[Feature]) -> tuple[Combination, ...]:
    return combinations(
        claims=[1, 10], schedulers=[1, 2], detections=list(Detection), commits=commits, features=features
    )


def test_every_combination_is_planned_but_a_gang_of_ranges() -> None:
    found = planned(*CommitMode, features=list(Feature))
    assert len(set(found)) == 2 * 2 * 2 * (3 * len(Feature) - 1)
    assert not any(one.commit is CommitMode.GANG and one.feature is Feature.RANGES for one in found)


def test_nothing_but_a_gang_of_ranges_is_invalid() -> None:
    with pytest.raises(SpecInvalid, match="a gang's slots hold one task each"):
        planned(CommitMode.GANG, features=[Feature.RANGES])


def test_placements_are_shared_out_over_the_sessions() -> None:
    assert plan(50_000).transactions(1_000, 1) == 50
    assert plan(50_000).transactions(1_000, 2) == 25


def test_small_transactions_are_at_most_five_hundred_and_large_ones_at_least_five() -> None:
    assert plan(50_000).transactions(1, 1) == 500
    assert plan(50_000).transactions(50_000, 4) == 5


def test_warm_up_is_a_fifth_within_bounds() -> None:
    assert [warm_up(transactions) for transactions in (5, 25, 500)] == [2, 5, 10]
