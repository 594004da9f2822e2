"""Finding policies and kinds by name, by path, and as objects."""

from __future__ import annotations

import numpy as np
import pytest

from omegacell.cellstate.errors import PolicyError
from omegacell.schedulers import kinds, plugins
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.policies.best_fit import BestFit
from omegacell.schedulers.policy import NOWHERE, CellView, Plan, Request
from omegacell.schedulers.scheduler import Scheduler

HERE = "tests.unit.schedulers.test_plugins"


class Mine:
    """A policy of a user's own."""

    class Inner:
        def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
            return NOWHERE


class NeedsOptions(Mine.Inner):
    def __init__(self, depth: int) -> None:
        self.depth = depth


class Kindless(Scheduler):
    """Forgot to say what it serves."""


def test_policy_by_name_by_path_by_class_and_as_object() -> None:
    assert isinstance(plugins.policy("best_fit"), BestFit)
    assert isinstance(plugins.policy(f"{HERE}:Mine.Inner"), Mine.Inner)
    assert isinstance(plugins.policy(BestFit), BestFit)
    ready = NeedsOptions(3)
    assert plugins.policy(ready) is ready


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("bestfit", "policy 'bestfit' is unknown; expected one of best_fit, first_fit, random_first_fit"),
        ("no.such.module:Thing", "'no.such.module:Thing' cannot be loaded: ModuleNotFoundError"),
        (f"{HERE}:Nothing", "cannot be loaded: AttributeError"),
        (f"{HERE}:Mine", "has neither place"),
        (f"{HERE}:NeedsOptions", "cannot be made without arguments"),
    ],
)
def test_policy_that_cannot_be_had_is_one_sentence(wanted: str, words: str) -> None:
    with pytest.raises(PolicyError, match="policy") as raised:
        plugins.policy(wanted)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_kinds_by_name_and_by_path() -> None:
    assert kinds.load("batch") is BatchScheduler
    assert kinds.load("omegacell.schedulers.batch:BatchScheduler") is BatchScheduler
    assert set(kinds.names()) >= {"batch", "service"}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("bach", "scheduler kind 'bach' is unknown; expected one of batch, service"),
        (f"{HERE}:Mine", "expected a subclass of"),
        (f"{HERE}:Kindless", "has no `kind`"),
    ],
)
def test_kind_that_cannot_be_had_is_one_sentence(wanted: str, words: str) -> None:
    with pytest.raises(PolicyError) as raised:
        kinds.load(wanted)
    assert words in str(raised.value)
