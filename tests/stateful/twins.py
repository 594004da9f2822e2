"""Random histories over two stores at once: every answer and everything visible must be equal at every step."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from omegacell.cellstate.model import AttemptState, CommitMode
from tests.stateful.schedulers import SchedulerRules
from tests.stateful.strategies import MACHINES, claim_rows, mostly, picks, seconds, specifications, who
from tests.stateful.workers import WorkerRules


class TwinStores(SchedulerRules, WorkerRules):
    """All rules, and those in which several parties act."""

    @initialize()
    def begin(self) -> None:
        """A cell that can do something from the first step on."""
        self.register_worker(0, 0, proven_dead=False, brings=True)
        self.register_scheduler(0)
        self.submit([{"tasks": 3, "retries": 1}, {"tasks": 2, "commit": CommitMode.ALL_OR_NOTHING}])

    @rule(
        rows=claim_rows,
        spec=specifications,
        reports=st.lists(picks, min_size=1, max_size=4),
        state=st.sampled_from(AttemptState),
        passed=st.sampled_from((0.25, 1.0, 3.0)),
    )
    def go_on(
        self,
        *,
        rows: list[tuple[int, int, int, int]],
        spec: dict[str, Any],
        reports: list[int],
        state: AttemptState,
        passed: float,
    ) -> None:
        """A while in which all goes well: without it few histories get as far as a second attempt."""
        if self.schedulers[-1].leases["one"].token not in {one.token for one in self.one.schedulers()}:
            self.register_scheduler(0)
        if self.workers[-1].leases["one"].token not in {one.token for one in self.one.workers()}:
            self.register_worker(0, 0, proven_dead=True, brings=True)
        self.schedule(0, rows, True, spec)
        self.work(0, reports, state)
        self.advance(passed, True)

    @rule(passed=seconds, renewed=mostly)
    def advance(self, passed: float, renewed: bool) -> None:
        """Time passes; holders renew in time, or nobody does."""
        if renewed:
            self.renew_scheduler(0)
            self.renew_worker(0)
        self.clock.advance(passed)

    @rule(
        change=st.sampled_from(
            ("register scheduler", "register worker", "register machines", "release", "renew")
        ),
        pick=who,
        number=st.integers(0, 1),
        pid=st.integers(0, 1),
        proven_dead=st.booleans(),
        cpu=st.sampled_from((1000, 4000)),
        flag=mostly,
    )
    def holders_change(
        self, *, change: str, pick: int, number: int, pid: int, proven_dead: bool, cpu: int, flag: bool
    ) -> None:
        """Somebody comes, comes again, leaves or says that it is alive."""
        match change:
            case "register scheduler":
                self.register_scheduler(number)
            case "register worker":
                self.register_worker(number, pid, proven_dead=proven_dead, brings=flag)
            case "register machines":
                self.register_machines(pick, cpu, list(MACHINES[number : number + 1 + pid]))
            case "release" if flag:
                self.release_scheduler(pick)
            case "release":
                self.release_worker(pick)
            case _:
                self.renew_scheduler(pick)
                self.renew_worker(pick)

    @rule(pick=who, behind=st.integers(0, 1), limit=st.integers(0, 4), job_pick=picks)
    def look(self, pick: int, behind: int, limit: int, job_pick: int) -> None:
        """What is asked again and again and should change nothing of what others see."""
        self.pull(pick, behind)
        self.sync(pick)
        self.claim_jobs(pick, limit)
        self.fold(job_pick)
