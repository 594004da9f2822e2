"""What workers do to both stores."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from omegacell.cellstate.model import AttemptState, Lease, Placement, Started
from omegacell.cellstate.store import Store
from tests.contract.scene import ended, machine_spec, worker_spec
from tests.stateful import observation
from tests.stateful.driver import Holder, Twins, Which
from tests.stateful.strategies import LEASE_SECONDS, MACHINES, mostly, picks, who


class WorkerRules(Twins):
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
                self.register_machines(0, 4000, list(MACHINES[number : number + 2]))

    def worker(self, pick: int) -> Holder:
        """Newest first."""
        return self.workers[-1 - pick % len(self.workers)]

    def register_machines(self, pick: int, cpu: int, names: list[str]) -> None:
        worker = self.worker(pick)
        specs = [machine_spec(name, cpu=cpu, step=str(self.ids)) for name in names]
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

    def reported(self, reports: list[int], current: bool) -> list[Placement]:
        """Placements to report about, each once: such as are held, or any there ever were, newest first."""
        held = {(one.job_id, one.first_index, one.attempt): one for one in self.held_placements()}
        among = list(held.values()) if current and held else self.placements
        return [among[-1 - pick] for pick in dict.fromkeys(pick % len(among) for pick in reports)]

    def held_placements(self) -> list[Placement]:
        """What all jobs hold."""
        return [placement for job_id in self.job_ids() for placement in self.one.placements(job_id)]

    @rule(pick=who, reports=st.lists(picks, min_size=1, max_size=4), state=st.sampled_from(AttemptState))
    def work(self, pick: int, reports: list[int], state: AttemptState) -> None:
        """What a worker does all day: start and end what it holds."""
        self.report_started(pick, reports, True)
        self.report_ended(
            pick=pick, reports=reports, state=state, ran_seconds=1.0, started=True, current=True
        )

    @rule(pick=who, reports=st.lists(picks, min_size=1, max_size=3), current=mostly)
    def report_started(self, pick: int, reports: list[int], current: bool) -> None:
        worker = self.worker(pick)
        if self.placements:
            started = [
                Started(
                    job_id=placement.job_id,
                    first_index=placement.first_index,
                    attempt=placement.attempt,
                    machine_id=placement.machine_id,
                    epoch=placement.epoch,
                    started_at=self.clock.now(),
                )
                for placement in self.reported(reports, current)
            ]
            self.same(lambda store, which: store.report_started(*worker.key(which), started))

    @rule(
        pick=who,
        reports=st.lists(picks, min_size=1, max_size=4),
        state=st.sampled_from(AttemptState),
        ran_seconds=st.sampled_from((0.25, 4.0, 4.25)),
        started=mostly,
        current=mostly,
    )
    def report_ended(
        self,
        *,
        pick: int,
        reports: list[int],
        state: AttemptState,
        ran_seconds: float,
        started: bool,
        current: bool,
    ) -> None:
        worker = self.worker(pick)
        if self.placements:
            unstarted: dict[str, Any] = {} if started else {"started_at": 0.0}
            told = [
                ended(placement, state=state, now=self.clock.now(), ran_seconds=ran_seconds, **unstarted)
                for placement in self.reported(reports, current)
            ]
            self.same(lambda store, which: store.report_ended(*worker.key(which), told))

    def fold(self, pick: int) -> None:
        job_ids = self.job_ids()
        self.same(lambda store, _: store.fold())
        self.same(lambda store, _: store.fold([job_ids[pick % len(job_ids)]]))
