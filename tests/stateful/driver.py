"""Driving two stores as one: the same call to both, equal answers, and everything visible equal after each step."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import JobStatus, Lease, Placement, Submission, Transaction, Watermark
from omegacell.cellstate.store import Store
from tests.stateful import happenings, observation

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


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of what can be seen of a store: how to look at it, and how to make it comparable."""

    look: Callable[[Store], Any]
    plain: Callable[[Any], Any] = observation.plain
    only_at_end: bool = False


def of_job(job_id: int) -> dict[str, Part]:
    """What one job holds, waits for and has behind it."""
    return {
        "placements": Part(lambda store: store.placements(job_id)),
        "retries": Part(lambda store: store.retries(job_id)),
        "outcomes": Part(lambda store: store.outcomes(job_id)),
        "preemptions": Part(lambda store: store.preemptions(job_id), observation.of_preemptions),
        "dependencies": Part(lambda store: store.dependencies(job_id)),
        "specification": Part(lambda store: store.specification(job_id), only_at_end=True),
        "inputs": Part(lambda store: store.inputs(job_id, 0, 1000), only_at_end=True),
        "explanation": Part(lambda store: store.explanation(job_id), json.loads, only_at_end=True),
    }


class Twins:
    """Two empty stores under one clock, and what has been seen of them so far; `happened` counts what did."""

    def __init__(self, one: Store, other: Store, clock: ManualClock, happened: Counter[str]) -> None:
        self.happened = happened
        self.stores: dict[Which, Store] = {"one": one, "other": other}
        self.clock = clock
        self.schedulers: list[Holder] = []
        self.workers: list[Holder] = []
        self.submissions: list[Submission] = []
        self.placements: list[Placement] = []
        self.held: list[Placement] = []
        self.jobs: dict[int, JobStatus] = {}
        self.endings: dict[int, dict[Which, Watermark | None]] = {}
        self.transactions: list[dict[Which, Transaction]] = []
        self.ids = 0
        self.seen: dict[str, Any] = {}
        self.beginning = {which: store.events(None).watermark for which, store in self.stores.items()}

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

    def held_placements(self) -> list[Placement]:
        """What all jobs hold, the newest jobs' last."""
        return [placement for job_id in self.job_ids() for placement in self.one.placements(job_id)]

    def compare_cells(self) -> None:
        """All that is cheap to see, and of the rest what has changed in the first store."""
        one, other = (observation.cell(self.stores[which]) for which in WHICH)
        held = self.held_placements()
        self.happened += happenings.of_step(self.held, held, self.one.machines())
        self.placements += [slot for slot in held if slot not in self.held]
        self.held = held
        jobs = {job.job_id: job for job in self.one.jobs(limit=1000)}
        self.happened += happenings.of_jobs(self.jobs, jobs)
        self.jobs = jobs
        assert one == other, observation.difference(one, other)
        assert self.one.check() == ()
        for name, part in self.parts().items():
            if part.only_at_end:
                continue
            found = part.look(self.one)
            if self.seen.get(name, ()) != found:  # what a new job has nothing of waits for the end
                self.seen[name] = found
                self.compare(name, part)

    def parts(self) -> dict[str, Part]:
        """What would take too many calls to look at after each step in the slower store."""
        parts = {
            "workers": Part(lambda store: store.workers()),
            "schedulers": Part(lambda store: store.schedulers()),
            "reservations": Part(lambda store: store.reservations()),
        }
        for job_id in self.job_ids():
            parts |= {f"{name} of j{job_id}": part for name, part in of_job(job_id).items()}
        return parts

    def compare(self, name: str, part: Part) -> None:
        """Hold one piece equal in both."""
        one, other = (part.plain(part.look(self.stores[which])) for which in WHICH)
        assert one == other, f"{name}: {observation.difference(one, other)}"

    def compare_all(self) -> None:
        """At the end of a history, also the pieces that stayed as they were in the first store.

        Equal to a store that is right after each step, the other is too: its own check comes here.
        """
        assert self.stores["other"].check() == ()
        self.same(lambda store, _: store.statuses([99, *self.job_ids()]))
        for job_id in self.job_ids():
            self.read_endings(job_id)
        for name, part in self.parts().items():
            self.compare(name, part)
        self.compare("conflicts", Part(lambda store: store.conflicts(since=0.0)))
        one, other = (
            observation.of_events(self.stores[which].events(self.beginning[which]).events) for which in WHICH
        )
        assert one == other, f"events: {observation.difference(one, other)}"

    def read_endings(self, job_id: int) -> None:
        """What is new of the final outcomes of a job, if it was submitted open."""
        read = self.endings.setdefault(job_id, {"one": None, "other": None})
        answers = self.both(lambda store, which: store.ended(job_id, read[which]), observation.of_endings)
        if answers is not None:
            self.endings[job_id] = {which: answers[which].watermark for which in WHICH}
            self.happened["endings were read"] += len(answers["one"].outcomes)
