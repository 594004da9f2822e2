"""Random histories over two stores at once: every answer and everything visible must be equal at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegacell.cellstate.model import CommitMode
from tests.contract.wishes import Wish
from tests.stateful.changes import ChangeSteps
from tests.stateful.schedulers import SchedulerSteps
from tests.stateful.steps import Step, step
from tests.stateful.strategies import (
    MACHINES,
    ClaimPick,
    ReportPick,
    alternatives,
    between,
    capacities,
    claim_lists,
    either,
    mostly,
    one_of,
    picks,
    report_lists,
    seconds,
    some,
    specifications,
    who,
)
from tests.stateful.workers import WorkerSteps


class TwinStores(SchedulerSteps, WorkerSteps, ChangeSteps):
    """All steps, and those in which several parties act."""

    def begin(self) -> None:
        """A cell that can do something from the first step on, with a machine that is down."""
        self.register_worker(1, 0, proven_dead=False, brings=True)
        self.release_worker(0)
        self.register_worker(0, 0, proven_dead=False, brings=True)
        self.register_scheduler(0)
        self.submit([{"tasks": 3, "retries": 1}, {"tasks": 2, "commit": CommitMode.ALL_OR_NOTHING}])

    def play(self, steps: Sequence[Step]) -> None:
        """Do the steps one after another and hold everything visible equal after each."""
        self.begin()
        self.compare_cells()
        for one in steps:
            getattr(self, one.name)(**one.arguments)
            self.compare_cells()
        self.compare_all()

    @step(
        weight=7,
        claims=claim_lists,
        others=alternatives,
        spec=specifications,
        reports=report_lists,
        passed=one_of((0.25, 1.0, 3.0)),
    )
    def go_on(
        self,
        *,
        claims: list[ClaimPick],
        others: list[int],
        spec: dict[str, Any],
        reports: list[ReportPick],
        passed: float,
    ) -> None:
        """A while in which all goes well: without it few histories get as far as a second attempt."""
        self.revive()
        self.schedule(pick=0, claims=claims, others=others, given_back=True, spec=spec)
        self.work(0, reports)
        self.advance(passed, True)

    def revive(self) -> None:
        """The newest scheduler and worker live, if need be as new incarnations."""
        if self.schedulers[-1].leases["one"].token not in {one.token for one in self.one.schedulers()}:
            self.register_scheduler(0)
        alive = {one.token for one in self.one.workers() if one.alive}
        if self.workers[-1].leases["one"].token not in alive:
            self.register_worker(0, 0, proven_dead=True, brings=True)

    @step(tasks=between(1, 5), cpu=one_of((1000, 2000)), amounts=either, gang=either)
    def crowd(self, tasks: int, cpu: int, amounts: bool, gang: bool) -> None:
        """Fill all machines with a job of the lowest priority, so that others wait, look elsewhere or preempt."""
        spec: dict[str, Any] = {"tasks": 40, "cpu": cpu, "priority": 100, "retries": 1}
        if amounts:
            spec |= {"gpu": 500, "custom": {"licence": 500}}
        if gang:
            spec |= {"tasks": 4, "commit": CommitMode.GANG}
        self.place_everywhere(spec, slots=4, tasks=tasks, victims=[])

    @step(
        weight=2,
        spec=specifications,
        crowded=mostly,
        picked=some(picks, 1, 6),
        cpu=one_of((1500, 3000, 4000)),
    )
    def take_over(self, spec: dict[str, Any], crowded: bool, picked: list[int], cpu: int) -> None:
        """Jobs of the highest priority, one after another, want the places of the same others."""
        if crowded:
            self.crowd(len(picked), 1000, bool(spec["gpu"]), cpu == 1500)
        for _ in range(2):
            self.place_everywhere(
                spec | {"priority": 300, "key": "", "cpu": cpu}, slots=1, tasks=2, victims=picked
            )

    @step(weight=2, spec=specifications, replicas=between(0, 4), tasks=one_of((1, 1, 3)), lost=either)
    def scale(self, spec: dict[str, Any], replicas: int, tasks: int, lost: bool) -> None:
        """A service that runs everywhere shrinks, and may lose its machines before its replicas have ended."""
        spec = spec | {"service": True, "tasks": 6, "priority": 300, "key": "", "cpu": 1000, "held": False}
        self.place_everywhere(spec, slots=1, tasks=tasks, victims=[])
        self.alter_job(self.one.jobs(limit=1)[0], replicas=replicas)
        if lost:
            self.compare_cells()
            self.register_machines(0, MACHINES)

    def place_everywhere(
        self, spec: dict[str, Any], *, slots: int, tasks: int, victims: Sequence[int]
    ) -> None:
        """Submit a job, claim it and everything else there is, and try it on every machine."""
        self.revive()
        self.submit([spec])
        self.claim_jobs(0, 100)
        job_id = self.job_ids()[-1]
        wishes = [
            Wish(
                job_id,
                one.machine_id,
                slots,
                seen=one.claim_sequence,
                tasks=tasks,
                victims=self.among(self.lower(job_id, one.machine_id), victims),
            )
            for one in self.one.machines()
        ]
        self.commit_wishes(self.scheduler(0), wishes, [])
        self.settle(0, [job_id - 1 for job_id in self.held_by(self.scheduler(0))], 0.0, False, True)

    @step(passed=seconds, renewed=mostly)
    def advance(self, passed: float, renewed: bool) -> None:
        """Time passes; holders renew in time, or nobody does."""
        if renewed:
            self.renew_scheduler(0)
            self.renew_worker(0)
        self.clock.advance(passed)

    @step(
        change=one_of(("register scheduler", "register worker", "register machines", "release", "renew")),
        pick=who,
        number=between(0, 1),
        pid=between(0, 1),
        proven_dead=either,
        capacity=capacities,
        flag=mostly,
    )
    def holders_change(
        self,
        *,
        change: str,
        pick: int,
        number: int,
        pid: int,
        proven_dead: bool,
        capacity: dict[str, Any],
        flag: bool,
    ) -> None:
        """Somebody comes, comes again, leaves or says that it is alive."""
        match change:
            case "register scheduler":
                self.register_scheduler(number)
            case "register worker":
                self.register_worker(number, pid, proven_dead=proven_dead, brings=flag)
            case "register machines":
                self.register_machines(pick, MACHINES[number : number + 1 + pid], **capacity)
            case "release" if flag:
                self.release_scheduler(pick)
            case "release":
                self.release_worker(pick)
            case _:
                self.renew_scheduler(pick)
                self.renew_worker(pick)

    @step(
        pick=who,
        behind=between(0, 1),
        limit=between(0, 4),
        job_pick=picks,
        below=one_of((200, 300)),
    )
    def look(self, pick: int, behind: int, limit: int, job_pick: int, below: int) -> None:
        """What is asked again and again and should change nothing of what others see."""
        self.pull(pick, behind)
        self.sync(pick)
        self.preemptible(below)
        self.claim_jobs(pick, limit)
        self.fold(job_pick)
