"""Driving two stores as one: the same call to both, equal answers, and everything visible equal after each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine, invariant

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import Lease, Placement, Submission, Transaction, Watermark
from omegacell.cellstate.store import Store
from tests.stateful import observation

Which = Literal["one", "other"]
WHICH: tuple[Which, Which] = ("one", "other")


@dataclass(kw_only=True)
class Holder:
    """One incarnation of a scheduler or worker: its lease in each store, and how far it has read the feed."""

    leases: dict[Which, Lease]
    watermarks: dict[Which, Watermark | None] = field(default_factory=lambda: {"one": None, "other": None})

    @property
    def holder_id(self) -> int:
        """Equal in both stores."""
        return self.leases["one"].holder_id

    def key(self, which: Which) -> tuple[int, int]:
        """Its id and its token in a store."""
        return self.holder_id, self.leases[which].token


class Twins(RuleBasedStateMachine):
    """Two empty stores under one clock, and what has been seen of them so far."""

    def __init__(self, one: Store, other: Store, clock: ManualClock) -> None:
        super().__init__()
        self.stores: dict[Which, Store] = {"one": one, "other": other}
        self.clock = clock
        self.schedulers: list[Holder] = []
        self.workers: list[Holder] = []
        self.submissions: list[Submission] = []
        self.placements: list[Placement] = []
        self.transactions: list[dict[Which, Transaction]] = []
        self.ids = 0
        self.seen: dict[str, Any] = {}
        self.sound = False

    def both(
        self, call: Callable[[Store, Which], Any], seen: Callable[[Any], Any]
    ) -> dict[Which, Any] | None:
        """Do the same to both stores and hold the answers equal; the answers, None where both raised."""
        answers = {
            which: observation.outcome_of(lambda which=which: call(self.stores[which], which))  # type: ignore[misc]  # bound at once
            for which in WHICH
        }
        compared = {
            which: (kind, seen(value) if kind == "returned" else value)
            for which, (kind, value) in answers.items()
        }
        assert compared["one"] == compared["other"], observation.difference(
            compared["one"], compared["other"]
        )
        if answers["one"][0] != "returned":
            return None
        return {which: value for which, (_, value) in answers.items()}

    def same(self, call: Callable[[Store, Which], Any]) -> Any:
        """The answer both stores gave alike, None where both raised."""
        answers = self.both(call, observation.plain)
        return answers["one"] if answers is not None else None

    def new_id(self) -> UUID:
        """An id that is the same whenever this history is replayed."""
        self.ids += 1
        return UUID(int=self.ids)

    @property
    def one(self) -> Store:
        """The store from which operations take what they may act on."""
        return self.stores["one"]

    def job_ids(self) -> list[int]:
        """All jobs, oldest first."""
        return [job.job_id for job in reversed(self.one.jobs(limit=1000))]

    @invariant()
    def the_cells_are_equal_and_right(self) -> None:
        """All that is cheap to see, and of the rest what has changed in the first store."""
        self.sound = False
        one, other = (observation.cell(self.stores[which]) for which in WHICH)
        assert one["violations"] == []
        assert one == other, observation.difference(one, other)
        for part, look in self.parts():
            found = look(self.one)
            if self.seen.get(part) != found:
                self.seen[part] = found
                self.compare(part, look)
        self.sound = True

    def parts(self) -> list[tuple[str, Callable[[Store], Any]]]:
        """What takes many calls to see, piece by piece."""
        return [
            ("holders", observation.holders),
            *((f"job j{number}", partial(observation.of_job, job_id=number)) for number in self.job_ids()),
        ]

    def compare(self, part: str, look: Callable[[Store], Any]) -> None:
        """Hold one piece equal in both."""
        one, other = (look(self.stores[which]) for which in WHICH)
        assert one == other, f"{part}: {observation.difference(one, other)}"

    def teardown(self) -> None:
        """At the end of a history without a difference, also the pieces that stayed in the first store."""
        if self.sound:
            for part, look in self.parts():
                self.compare(part, look)
