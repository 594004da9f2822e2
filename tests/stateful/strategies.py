"""What random histories are made of: each name draws a value from a Random.

Not Hypothesis' strategies: in some dozens of examples those repeat themselves, and rare things stay out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from omegacell.cellstate.model import AttemptState, CommitMode, Detection, OnLost

_Value = TypeVar("_Value")
Draw = Callable[[Random], _Value]


def one_of(values: Iterable[_Value]) -> Draw[_Value]:
    """Any of the values; what is there twice comes twice as often."""
    among = tuple(values)
    return lambda random: random.choice(among)


def between(low: int, high: int) -> Draw[int]:
    """An integer, both ends included."""
    return lambda random: random.randint(low, high)


def some(draw: Draw[_Value], least: int, most: int) -> Draw[list[_Value]]:
    """A list of so many."""
    return lambda random: [draw(random) for _ in range(random.randint(least, most))]


def at_times(draw: Draw[list[_Value]]) -> Draw[list[_Value]]:
    """A list, empty as often as not."""
    return lambda random: draw(random) if random.random() < 0.5 else []


def fields(drawn: Mapping[str, Draw[Any]]) -> Draw[dict[str, Any]]:
    """A value for each name."""
    return lambda random: {name: draw(random) for name, draw in drawn.items()}


def built(kind: Callable[..., _Value], **drawn: Draw[Any]) -> Draw[_Value]:
    """What `kind` makes of the fields."""
    return lambda random: kind(**fields(drawn)(random))


LEASE_SECONDS = 8.0
MACHINES = ("m0", "m1", "m2")
USUAL_CAPACITY: dict[str, dict[str, Any]] = {
    "m0": {"devices": 2, "custom": {"licence": 2000}},
    "m1": {"devices": 2},
    "m2": {"devices": 3, "custom": {"licence": 1000, "port": 3000}},
}
"""What these machines have beside 4 cores, unless a history gives them something else."""

picks = between(0, 11)
"""An index into whatever list there is, modulo its length."""

either = one_of((True, False))
mostly = one_of((True, True, True, True, False))
who = one_of((0, 0, 0, 0, 0, 0, 1, 2, 5))
"""Which incarnation acts, newest first: mostly a living one, sometimes one that was replaced long ago."""

seconds = one_of((0.25, 1.0, 1.0, 3.0, LEASE_SECONDS))
capacities = fields(
    {
        "cpu": one_of((1000, 4000, 4000)),
        "devices": one_of((0, 2, 3)),
        "custom": one_of(({}, {"licence": 2000}, {"licence": 1000, "port": 3000})),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPick:
    """One claim: indexes of a job and a machine, how stale, and what else it asks for.

    `devices` is the first of those it names, -1 for none; `victims` are indexes into what the machine holds.
    Where it is `bold`, its devices are the wrong ones and its victims such as may not be taken or are gone.
    """

    job: int
    machine: int
    slots: int
    behind: int
    tasks: int
    devices: int
    victims: list[int]
    bold: bool


claim_picks = built(
    ClaimPick,
    job=picks,
    machine=picks,
    slots=between(1, 4),
    behind=one_of((0, 0, 0, 1, 2)),
    tasks=one_of((1, 2, 3, 5)),
    devices=one_of((-1, -1, -1, 0, 1)),
    victims=at_times(some(picks, 1, 4)),
    bold=one_of((False, False, False, False, True)),
)
claim_lists = some(claim_picks, 1, 5)

alternatives = at_times(some(picks, 1, 3))
"""Machines that the jobs of a transaction try next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPick:
    """The report of one slot: of its first `said` tasks; the last of them, or all alike, ended in `state`.

    `kept`: the slot goes on with the task after them, where there is one.
    """

    slot: int
    said: int
    state: AttemptState
    alike: bool
    kept: bool


report_picks = built(
    ReportPick,
    slot=picks,
    said=one_of((0, 1, 1, 2, 3, 12, 12)),
    state=one_of(AttemptState),
    alike=either,
    kept=one_of((False, False, True)),
)
report_lists = some(report_picks, 1, 4)

specifications = fields(
    {
        "tasks": one_of((1, 2, 4, 9, 12, 20, 20)),
        "cpu": one_of((0, 500, 1000, 2000, 3000, 4000)),
        "memory": one_of((0, 0, 2**30, 3 * 2**30)),
        "disk": one_of((0, 0, 0, 3 * 2**30)),
        "gpu": one_of((0, 0, 0, 0, 300, 600, 1000, 2000)),
        "custom": one_of(({}, {}, {}, {}, {"licence": 500}, {"licence": 400, "port": 1000})),
        "detection": one_of(Detection),
        "commit": one_of(CommitMode),
        "gang_min": one_of((0, 1, 2)),
        "priority": one_of((100, 200, 300)),
        "preemptible": mostly,
        "service": one_of((False, False, False, False, True)),
        "retries": one_of((0, 1, 2)),
        "on_lost": one_of(OnLost),
        "max_lost": one_of((0, 1, 5)),
        "spread": one_of(("", "", "zone")),
        "key": one_of(("", "", "", "k1", "k2")),
        "max_running": one_of((0, 0, 0, 0, 0, 1, 3)),
        "max_failures": one_of((0, 0, 0, 0, 1, 2)),
        "deadline_seconds": one_of((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0)),
        "lease_seconds": one_of((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0)),
        "held": one_of((False, False, False, False, False, False, True)),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationPick:
    """What a job of a family comes after: earlier ones of its call, and jobs that there are, by picks."""

    earlier: list[int]
    existing: list[int]
    any_end: bool


families = some(
    built(RelationPick, earlier=some(picks, 0, 2), existing=at_times(some(picks, 1, 2)), any_end=either), 1, 4
)

ranges = some(built(lambda first, count: (first, count), first=between(0, 12), count=between(0, 4)), 1, 3)
"""Tasks by first index and count."""
