"""Random histories over two stores at once: every answer and everything visible must be equal at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, Literal
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import (
    AttemptState,
    CommitMode,
    Detection,
    Lease,
    OnLost,
    Placement,
    Settlement,
    Started,
    Submission,
    Transaction,
    Watermark,
)
from omegacell.cellstate.store import Store
from tests.contract.scene import ended, machine_spec, submission, transaction, worker_spec
from tests.stateful import observation

LEASE_SECONDS = 8.0
MACHINES = ("m0", "m1", "m2")

Which = Literal["one", "other"]
WHICH: tuple[Which, Which] = ("one", "other")

picks = st.integers(0, 11)
"""An index into whatever list there is, modulo its length."""

mostly = st.sampled_from((True, True, True, True, False))
who = st.sampled_from((0, 0, 0, 0, 0, 0, 1, 2, 5))
"""Which incarnation acts, newest first: mostly a living one, sometimes one that was replaced long ago."""

seconds = st.sampled_from((0.25, 1.0, 1.0, 3.0, LEASE_SECONDS))

claim_rows = st.lists(
    st.tuples(picks, picks, st.integers(1, 4), st.sampled_from((0, 0, 0, 1, 2))), min_size=1, max_size=5
)
"""(job, machine, slots, how many claim_sequences behind)."""

specifications = st.fixed_dictionaries(
    {
        "tasks": st.integers(1, 4),
        "cpu": st.sampled_from((0, 500, 1000, 3000)),
        "memory": st.sampled_from((0, 2**30)),
        "detection": st.sampled_from(Detection),
        "commit": st.sampled_from(CommitMode),
        "gang_min": st.sampled_from((0, 1, 2)),
        "priority": st.sampled_from((100, 200)),
        "service": st.sampled_from((False, False, True)),
        "retries": st.sampled_from((0, 1, 2)),
        "on_lost": st.sampled_from(OnLost),
        "max_lost": st.sampled_from((0, 1, 5)),
        "key": st.sampled_from(("", "", "k1", "k2")),
    }
)


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


class TwinStores(RuleBasedStateMachine):
    """Two empty stores under one clock; old incarnations, old placements and old transactions keep acting."""

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

    # --- how both are driven

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
        assert compared["one"] == compared["other"], _difference(compared["one"], compared["other"])
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

    # --- clients

    @initialize()
    def begin(self) -> None:
        """A cell that can do something from the first step on."""
        self.register_worker(0, 0, proven_dead=False, brings=True)
        self.register_scheduler(0)
        self.submit([{"tasks": 3, "retries": 1}, {"tasks": 2, "commit": CommitMode.ALL_OR_NOTHING}])

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

    # --- schedulers

    def register_scheduler(self, number: int) -> None:
        leases = self.both(
            lambda store, _: store.register_scheduler(f"s{number}", "batch", lease_seconds=LEASE_SECONDS),
            observation.lease,
        )
        if leases is not None:
            self.schedulers.append(Holder(leases=leases))

    def scheduler(self, pick: int) -> Holder:
        """Newest first, so that most of what is tried is by a living one."""
        return self.schedulers[-1 - pick % len(self.schedulers)]

    def claim_jobs(self, pick: int, limit: int) -> None:
        scheduler = self.scheduler(pick)
        self.same(lambda store, which: store.claim_jobs(*scheduler.key(which), limit=limit))

    @rule(pick=who, rows=claim_rows, given_back=st.booleans(), spec=specifications)
    def schedule(
        self, pick: int, rows: list[tuple[int, int, int, int]], given_back: bool, spec: dict[str, Any]
    ) -> None:
        """What a scheduler does all day: claim, commit, settle; a job for it if there is none."""
        self.claim_jobs(pick, 4)
        if not self.held_by(self.scheduler(pick)):
            self.submit([spec])
            self.claim_jobs(pick, 4)
        self.commit(pick, rows, True, True)
        if given_back:
            held = self.held_by(self.scheduler(pick))
            self.settle(pick, [job_id - 1 for job_id in held], 0.0, False, True)

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

    def held_by(self, scheduler: Holder) -> list[int]:
        """Jobs that the scheduler has claimed."""
        jobs = self.one.jobs(limit=1000)
        return [job.job_id for job in reversed(jobs) if job.claimed_by == scheduler.holder_id]

    @rule(pick=who, rows=claim_rows, sound=mostly, by_holder=mostly)
    def commit(self, pick: int, rows: list[tuple[int, int, int, int]], sound: bool, by_holder: bool) -> None:
        """Claims; sound ones name machines that are available, jobs that are held where there are any."""
        scheduler = self.scheduler(pick)
        held = self.held_by(scheduler)
        wanted = held if held and by_holder else [*self.job_ids(), 99]
        machines = self.one.machines()
        sequences = {machine.machine_id: machine.claim_sequence for machine in machines} | {99: 1}
        machine_ids = [machine.machine_id for machine in machines if machine.up and machine.schedulable]
        if not sound or not machine_ids:
            machine_ids = sorted(sequences)
        claims = []
        for job_pick, machine_pick, slots, behind in rows:
            machine_id = machine_ids[machine_pick % len(machine_ids)]
            job_id = wanted[job_pick % len(wanted)]
            claims.append((job_id, machine_id, slots, sequences[machine_id] - behind))
        order = list(dict.fromkeys(claim[0] for claim in claims))
        claims.sort(key=lambda claim: order.index(claim[0]))
        txn_id = self.new_id()
        transactions = {which: transaction(scheduler.leases[which], claims, txn_id=txn_id) for which in WHICH}
        self.transactions.append(transactions)
        self.send(transactions)

    @rule(pick=picks)
    def commit_again(self, pick: int) -> None:
        if self.transactions:
            self.send(self.transactions[-1 - pick % len(self.transactions)])

    def send(self, transactions: dict[Which, Transaction]) -> None:
        """Commit in both stores, and remember what it placed for reports long after."""
        answers = self.both(lambda store, which: store.commit(transactions[which]), observation.verdict)
        assert answers is not None
        job_ids = transactions["one"].job_id[answers["one"].accepted > 0].tolist()
        for job_id, _ in groupby(job_ids):
            self.placements += self.one.placements(job_id)

    @rule(
        pick=who,
        job_picks=st.lists(picks, min_size=1, max_size=3),
        after=st.sampled_from((0.0, 1.0, 3.0)),
        gave_up=st.sampled_from((False, False, False, True)),
        placed_any=st.booleans(),
    )
    def settle(self, pick: int, job_picks: list[int], after: float, gave_up: bool, placed_any: bool) -> None:
        scheduler = self.scheduler(pick)
        job_ids = [*self.job_ids(), 99]
        named = [job_ids[job_pick % len(job_ids)] for job_pick in job_picks]
        settlements = [
            Settlement(
                job_id=job_id,
                not_before=self.clock.now() + after,
                gave_up=gave_up,
                placed_any=placed_any,
                explanation=f'{{"step": {self.ids}}}',
            )
            for job_id in dict.fromkeys(named)
        ]
        self.same(lambda store, which: store.settle(*scheduler.key(which), settlements))

    def renew_scheduler(self, pick: int) -> None:
        scheduler = self.scheduler(pick)
        self.same(
            lambda store, which: store.renew_scheduler(
                *scheduler.key(which), busy_seconds=self.ids / 4, attempts=self.ids
            )
        )

    def release_scheduler(self, pick: int) -> None:
        scheduler = self.scheduler(pick)
        self.same(lambda store, which: store.release_scheduler(*scheduler.key(which)))

    def sync(self, pick: int) -> None:
        scheduler = self.scheduler(pick)
        answers = self.both(lambda store, which: store.sync(scheduler.watermarks[which]), observation.changes)
        assert answers is not None
        scheduler.watermarks = {which: answers[which].watermark for which in WHICH}

    @rule()
    def reap(self) -> None:
        self.same(lambda store, _: store.reap())

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

    # --- workers

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

    # --- what must hold after every step

    @invariant()
    def the_cells_are_equal_and_right(self) -> None:
        """All that is cheap to see, and of the rest what has changed in the first store."""
        self.sound = False
        one, other = (observation.cell(self.stores[which]) for which in WHICH)
        assert one["violations"] == []
        assert one == other, _difference(one, other)
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
        assert one == other, f"{part}: {_difference(one, other)}"

    def teardown(self) -> None:
        """At the end of a history without a difference, also the pieces that stayed in the first store."""
        if self.sound:
            for part, look in self.parts():
                self.compare(part, look)


def _difference(one: Any, other: Any, path: str = "") -> str:
    """Where two plain values differ first, and how."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            if one[key] != other[key]:
                return _difference(one[key], other[key], f"{path}/{key}")
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for index, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            if mine != theirs:
                return _difference(mine, theirs, f"{path}/{index}")
    return f"at {path or '/'}: the first store says {one!r}, the second {other!r}"
