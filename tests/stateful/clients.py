"""What clients do to both stores."""

from __future__ import annotations

from typing import Any

from tests.contract.scene import submission
from tests.stateful.driver import Twins
from tests.stateful.steps import step
from tests.stateful.strategies import (
    MACHINES,
    RelationPick,
    families,
    one_of,
    picks,
    some,
    specifications,
)


class ClientSteps(Twins):
    """Submit, cancel, drain, purge; also again, and of what does not exist."""

    @step(specs=some(specifications, 1, 1))
    def submit(self, specs: list[dict[str, Any]]) -> None:
        submissions = [
            submission(submission_id=self.new_id(), backoff_seconds=1.0, backoff_max_seconds=4.0, **spec)
            for spec in specs
        ]
        if self.same(lambda store, _: store.submit(submissions)) is not None:
            self.submissions += submissions

    @step(weight=2, specs=some(specifications, 4, 4), relations=families)
    def submit_family(self, specs: list[dict[str, Any]], relations: list[RelationPick]) -> None:
        """Jobs of one call that come after each other, and after jobs that there are.

        Such that nothing is refused after ids were given: PostgreSQL does not give those again.
        """
        existing = self.job_ids()[-8:]
        related: list[dict[str, Any]] = []
        for number, (spec, relation) in enumerate(zip(specs, relations, strict=False)):
            earlier = tuple(pick % number for pick in relation.earlier) if number else ()
            after = tuple(sorted({existing[pick % len(existing)] for pick in relation.existing if existing}))
            ways = ("earlier_any", "after") if relation.any_end else ("earlier", "after_any")
            key = spec["key"] if len(relations) == 1 else ""
            related.append(spec | {"key": key, ways[0]: earlier, ways[1]: after})
        self.submit(related)

    @step(pick=picks)
    def submit_again(self, pick: int) -> None:
        again = self.submissions[pick % len(self.submissions)]
        self.same(lambda store, _: store.submit([again]))

    @step(pick=picks)
    def cancel(self, pick: int) -> None:
        job_ids = [*self.job_ids(), 99]
        self.same(lambda store, _: store.cancel(job_ids[pick % len(job_ids)]))

    def drain(self, name: str, *, evict: bool) -> None:
        self.same(lambda store, _: store.drain(name, evict=evict))

    def uncordon(self, name: str) -> None:
        self.same(lambda store, _: store.uncordon(name))

    @step(name=one_of((*MACHINES, "nowhere")), how=one_of(("drain", "cordon", "uncordon")))
    def turn_machine(self, name: str, how: str) -> None:
        if how == "uncordon":
            self.uncordon(name)
        else:
            self.drain(name, evict=how == "drain")

    @step(older_than=one_of((0.0, 1.0, 4.0)))
    def purge(self, older_than: float) -> None:
        """Jobs alone: partitions are PostgreSQL's own, and none is old enough in a test."""
        forgotten = self.same(lambda store, _: store.purge(older_than_seconds=older_than).jobs)
        self.happened["a job was purged"] += forgotten
