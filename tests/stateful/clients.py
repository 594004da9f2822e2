"""What clients do to both stores."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.contract.scene import submission
from tests.stateful.driver import Twins
from tests.stateful.strategies import MACHINES, picks, specifications


class ClientRules(Twins):
    """Submit, cancel, drain; also again, and of what does not exist."""

    @rule(specs=st.lists(specifications, min_size=1, max_size=1))
    def submit(self, specs: list[dict[str, Any]]) -> None:
        submissions = [
            submission(
                submission_id=self.new_id(), backoff_seconds=1.0, backoff_max_seconds=4.0, inputs=(), **spec
            )
            for spec in specs
        ]
        if self.same(lambda store, _: store.submit(submissions)) is not None:
            self.submissions += submissions

    @rule(pick=picks)
    def submit_again(self, pick: int) -> None:
        again = self.submissions[pick % len(self.submissions)]
        self.same(lambda store, _: store.submit([again]))

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        job_ids = [*self.job_ids(), 99]
        self.same(lambda store, _: store.cancel(job_ids[pick % len(job_ids)]))

    def drain(self, name: str, *, evict: bool) -> None:
        self.same(lambda store, _: store.drain(name, evict=evict))

    def uncordon(self, name: str) -> None:
        self.same(lambda store, _: store.uncordon(name))

    @rule(name=st.sampled_from((*MACHINES, "nowhere")), how=st.sampled_from(("drain", "cordon", "uncordon")))
    def turn_machine(self, name: str, how: str) -> None:
        if how == "uncordon":
            self.uncordon(name)
        else:
            self.drain(name, evict=how == "drain")
