"""What `omega bench commit` is to measure: every combination of what was asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product
from typing import TypeVar

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import CommitMode, Detection

Choice = TypeVar("Choice", bound=StrEnum)

TRANSACTIONS_AT_MOST = 500
TRANSACTIONS_AT_LEAST = 5
RAW_SESSIONS = (1, 2, 4)
LEASE_SECONDS = 3600.0
"""No measurement takes as long."""


class Feature(StrEnum):
    """What every claim of a measurement uses beyond the plain commit; features.py says how."""

    NONE = "none"
    DEVICES = "devices"
    CUSTOM = "custom"
    RANGES = "ranges"
    VICTIMS = "victims"
    ALTERNATIVES = "alternatives"
    RESERVATIONS = "reservations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """One measurement: so many claims a transaction, from so many scheduler processes at once."""

    claims: int
    schedulers: int = 1
    detection: Detection = Detection.FINE
    commit: CommitMode = CommitMode.INCREMENTAL
    feature: Feature = Feature.NONE

    @property
    def possible(self) -> bool:
        """Whether it exists: a gang's slots hold one task each."""
        return not (self.commit is CommitMode.GANG and self.feature is Feature.RANGES)

    @property
    def competing(self) -> bool:
        """Whether one scheduler's claims may be refused for another's."""
        return self.schedulers > 1 and self.detection is Detection.COARSE

    @property
    def plain(self) -> Combination:
        """The same without the feature."""
        return replace(self, feature=Feature.NONE)

    def __str__(self) -> str:
        """As people say it."""
        who = "scheduler" if self.schedulers == 1 else "schedulers"
        return f"{self.claims:,} claims, {self.schedulers} {who}, {self.detection}, {self.commit}, {self.feature}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The measurements of one run; `placements` is about how many each is to make, `seed` that of the first.

    Of `raw_sessions`, those that can have a machine each; the best of them is the ceiling.
    """

    combinations: tuple[Combination, ...]
    machines: int
    placements: int
    repeat: int
    seed: int
    raw_sessions: tuple[int, ...] = RAW_SESSIONS

    @property
    def sizes(self) -> tuple[int, ...]:
        """The transaction sizes, in the order asked for; each has a ceiling of its own."""
        return tuple(dict.fromkeys(combination.claims for combination in self.combinations))

    @property
    def processes(self) -> int:
        """The most that are at work at a time."""
        return max([*self.ceilings, *(combination.schedulers for combination in self.combinations)])

    @property
    def ceilings(self) -> tuple[int, ...]:
        """The numbers of raw sessions to try."""
        return tuple(sessions for sessions in self.raw_sessions if sessions <= self.machines)

    def transactions(self, claims: int, sessions: int) -> int:
        """How many each of so many sessions commits while it is measured."""
        wanted = min(self.placements, TRANSACTIONS_AT_MOST * claims)
        return max(TRANSACTIONS_AT_LEAST, wanted // (claims * sessions))


def warm_up(transactions: int) -> int:
    """How many go before those that are measured: plans are made and caches filled in the first few."""
    return max(2, min(10, transactions // 5))


def combinations(
    *,
    claims: Sequence[int],
    schedulers: Sequence[int],
    detections: Sequence[Detection],
    commits: Sequence[CommitMode],
    features: Sequence[Feature],
) -> tuple[Combination, ...]:
    """All that exist, the features of one setting next to each other; SpecInvalid if none does."""
    every = [
        Combination(claims=size, schedulers=rivals, detection=detection, commit=commit, feature=feature)
        for size, rivals, detection, commit, feature in product(
            claims, schedulers, detections, commits, features
        )
    ]
    found = tuple(combination for combination in every if combination.possible)
    if not found:
        raise SpecInvalid(
            f"{every[0]}: a gang's slots hold one task each, expected another commit mode or another feature"
        )
    return found


def numbers(words: str, name: str) -> tuple[int, ...]:
    """The numbers of a list such as 1,100,1000; SpecInvalid where it is none, or one is below 1."""
    try:
        found = [int(word) for word in words.split(",")]
    except ValueError as error:
        raise SpecInvalid(f"{name} {words!r} are not numbers, expected a list like 1,100,1000") from error
    if min(found) < 1:
        raise SpecInvalid(f"{name} {words!r} include one below 1, expected a list like 1,100,1000")
    return tuple(dict.fromkeys(found))


def choices(words: str, kind: type[Choice], name: str) -> tuple[Choice, ...]:
    """The members of `kind` that a list names; SpecInvalid where it names another."""
    known = ",".join(kind)
    for word in words.split(","):
        if word not in list(kind):
            raise SpecInvalid(f"{name} {words!r} include {word!r}, expected a list of some of {known}")
    return tuple(dict.fromkeys(kind(word) for word in words.split(",")))
