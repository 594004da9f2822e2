"""What workers do to both stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from omegacell.cellstate.model import AttemptState, Ended, Kept, Lease, Placement, Started
from omegacell.cellstate.store import Store
from tests.contract.scene import machine_spec, worker_spec
from tests.contract.slots import ended, kept, tasks_of
from tests.stateful import observation
from tests.stateful.driver import Holder, Twins, Which
from tests.stateful.steps import step
from tests.stateful.strategies import (
    LEASE_SECONDS,
    MACHINES,
    USUAL_CAPACITY,
    ReportPick,
    mostly,
    one_of,
    picks,
    report_lists,
    some,
    who,
)


class WorkerSteps(Twins):
    """Register, pull, report; old incarnations and zombies too."""

    def register_worker(self, number: int, pid: int, *, proven_dead: bool, brings: bool) -> None:
        spec = worker_spec(f"w{number}", pid=pid)
        latest = {status.name: status.worker_id for status in self.one.workers()}.get(spec.name, 0)
        earlier = [holder for holder in self.workers if holder.holder_id == latest]

        def register(store: Store, which: Which) -> Lease:
            replace_token = earlier[-1].leases[which].token if earlier and proven_dead else 0
            return store.register_worker(spec, lease_seconds=LEASE_SECONDS, replace_token=replace_token)

        leases = self.both(register, observation.lease)
        if leases is not None:
            self.workers.append(Holder(leases=leases))
            if brings:
                self.register_machines(0, MACHINES[number : number + 2])

    def worker(self, pick: int) -> Holder:
        """Newest first."""
        return self.workers[-1 - pick % len(self.workers)]

    def register_machines(self, pick: int, names: Sequence[str], **capacity: Any) -> None:
        """With what these machines usually have, where `capacity` does not say otherwise."""
        worker = self.worker(pick)
        specs = [
            machine_spec(name, step=str(self.ids), zone=name[-1:], **(USUAL_CAPACITY[name] | capacity))
            for name in names
        ]
        self.same(lambda store, which: store.register_machines(*worker.key(which), specs))

    def renew_worker(self, pick: int) -> None:
        worker = self.worker(pick)
        self.same(lambda store, which: store.renew_worker(*worker.key(which)))

    def release_worker(self, pick: int) -> None:
        worker = self.worker(pick)
        self.same(lambda store, which: store.release_worker(*worker.key(which)))

    def pull(self, pick: int, behind: int) -> None:
        worker = self.worker(pick)
        known = {machine.machine_id: machine.version - behind for machine in self.one.machines()[1:]}
        self.same(lambda store, which: store.pull(*worker.key(which), known))

    def reported(self, picked: Sequence[int], current: bool) -> list[Placement]:
        """Slots to report about, each once: such as are held, or any there ever were, newest first."""
        among = self.held_placements() if current else self.placements
        return (
            [among[-1 - pick] for pick in dict.fromkeys(pick % len(among) for pick in picked)]
            if among
            else []
        )

    @step(weight=2, pick=who, reports=report_lists)
    def work(self, pick: int, reports: list[ReportPick]) -> None:
        """What a worker does all day: start and end what it holds."""
        self.report_started(pick, [report.slot for report in reports], True)
        self.report_ended(pick=pick, reports=reports, ran_seconds=1.0, started=True, current=True)

    @step(pick=who, picked=some(picks, 1, 3), current=mostly)
    def report_started(self, pick: int, picked: list[int], current: bool) -> None:
        worker = self.worker(pick)
        started = [
            Started(
                job_id=placement.job_id,
                first_index=placement.first_index,
                attempt=placement.attempt,
                machine_id=placement.machine_id,
                epoch=placement.epoch,
                started_at=self.clock.now(),
            )
            for placement in self.reported(picked, current)
        ]
        self.same(lambda store, which: store.report_started(*worker.key(which), started))

    @step(
        pick=who,
        reports=report_lists,
        ran_seconds=one_of((0.25, 4.0, 4.25)),
        started=mostly,
        current=mostly,
    )
    def report_ended(
        self, *, pick: int, reports: list[ReportPick], ran_seconds: float, started: bool, current: bool
    ) -> None:
        worker, now = self.worker(pick), self.clock.now()
        told: list[Ended] = []
        going_on: list[Kept] = []
        slots = self.reported([report.slot for report in reports], current)
        for slot, report in zip(slots, reports, strict=False):
            tasks = tasks_of(slot)[: report.said]
            for task in tasks:
                state = report.state if report.alike or task == tasks[-1] else AttemptState.SUCCEEDED
                one = ended(slot, task=task, state=state, now=now, ran_seconds=ran_seconds)
                told.append(one if started else replace(one, started_at=0.0))
            if report.kept and report.said < slot.count:
                going_on.append(kept(slot, slot.first_index + report.said))
        answers = self.same(lambda store, which: store.report_ended(*worker.key(which), told, kept=going_on))
        self.count(slots, told, answers or [])

    def count(self, slots: Sequence[Placement], told: Sequence[Ended], answers: Sequence[bool]) -> None:
        """What the report did that no step shows afterwards."""
        accepted = Counter(
            (one.job_id, one.first_index) for one, yes in zip(told, answers, strict=False) if yes
        )
        for slot in slots:
            key = (slot.job_id, slot.first_index)
            self.happened["a slot ended before its last task"] += 0 < accepted[key] < slot.count
            believed = accepted[key] == sum(key == (one.job_id, one.first_index) for one in told)
            self.happened["a preempted slot was reported as what it was not"] += (
                slot.preempted_by > 0 and bool(answers) and not believed
            )

    def fold(self, pick: int) -> None:
        job_ids = self.job_ids()
        self.same(lambda store, _: store.fold())
        self.same(lambda store, _: store.fold([job_ids[pick % len(job_ids)]] if job_ids else [99]))
