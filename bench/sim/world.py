"""The cell in virtual time: what the schedulers see, and a store for them that is arrays and nothing else.

It does what the in-memory store does for `begin` and `finish`, without tasks, workers, reports and history: a job is a
count, and what one commit gave it is one entry of arrays that ends at once. What is kept of a transaction cellstate's
judge says; when a job is tried again, schedulers/retry.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise

import numpy as np

from omegacell.bench.sim.engine import Engine
from omegacell.bench.sim.jobs import FOR_EVER, JobTable
from omegacell.bench.sim.utilisation import Utilisation
from omegacell.bench.sim.virtual_jobs import Desk, Held, JobHistory, Sort, VirtualJob
from omegacell.cellstate.found import MachineFound
from omegacell.cellstate.judge import Claim, Ruling, judge
from omegacell.cellstate.judge_plain import PlainRulings, judge_plain
from omegacell.cellstate.model import (
    NO_ALTERNATIVES,
    NO_VICTIMS,
    Changes,
    ClaimedJob,
    Int64,
    MachineRows,
    Preemptible,
    Settlement,
    Transaction,
    Verdict,
    Watermark,
)
from omegacell.cellstate.model.amounts import no_entries
from omegacell.cellstate.record import maker
from omegacell.cellstate.room import Room, device_indexes, device_milli
from omegacell.cellstate.rulings import claims_of, verdict_of
from omegacell.cellstate.snapshot import Snapshot


class InvariantBroken(AssertionError):
    """The simulator holds more on a machine than it should: a defect of it, never of a scenario."""


_verdict = maker(Verdict)

Route = Callable[[VirtualJob], int]


class VirtualCell:
    """The PlacingStore of virtual time. The truth is `snapshot`, which shared-state schedulers read as it is.

    Its machines are those of ids 1 to M, in row order. `route(job)` names the scheduler whose queue a job waits in.
    """

    def __init__(
        self, engine: Engine, snapshot: Snapshot, jobs: JobTable, route: Route, *, warm_up: float = 0.0
    ) -> None:
        self.engine = engine
        self.snapshot = snapshot
        self.jobs = jobs
        self.history = JobHistory(jobs)
        self.desks: dict[int, Desk] = {}
        self.standing: list[Held] = []  # what never ends
        self.utilisation = Utilisation(warm_up=warm_up)
        self._route = route
        self._sorts = [Sort(shape, self.utilisation) for shape in jobs.shapes]
        self._free = snapshot.free
        self._claim_sequence = snapshot.claim_sequence
        self._device_free = snapshot.device_free
        self._all_available = bool(snapshot.available.all())
        self._nothing = np.zeros(64, dtype=np.int64)
        self.watch: Callable[[Int64], None] = _unwatched  # is told the rows of every change

    # --- jobs

    def submit(self, index: int) -> None:
        """A job of the table arrives."""
        jobs = self.jobs
        job = VirtualJob(
            index,
            self._sorts[jobs.shape.item(index)],
            tasks=jobs.tasks.item(index),
            duration=jobs.duration_seconds.item(index),
            now=self.engine.now,
        )
        self.enqueue((self._route(job), job))

    def enqueue(self, waiting: tuple[int, VirtualJob]) -> None:
        """Put a job at the end of a scheduler's queue."""
        scheduler_id, job = waiting
        job.queued_at = self.engine.now
        desk = self.desks[scheduler_id]
        desk.queue.append(job)
        desk.wake()

    def claim_jobs(self, scheduler_id: int, token: int, *, limit: int) -> tuple[ClaimedJob, ...]:
        """Up to `limit` jobs of the scheduler's queue, first in first out."""
        desk, now, history = self.desks[scheduler_id], self.engine.now, self.history
        while desk.queue and len(desk.taken) < limit:
            job = desk.queue.popleft()
            waited = now - job.queued_at
            if not job.attempts:
                history.first_wait[job.index] = waited
            history.waited[job.index] += waited
            history.attempts[job.index] += 1
            desk.taken[job.index + 1] = job
        return tuple([job.claimed() for job in desk.taken.values()])

    def settle(self, scheduler_id: int, token: int, settlements: Sequence[Settlement]) -> None:
        """Back to the end of the queue at `not_before`, or given up."""
        desk, now = self.desks[scheduler_id], self.engine.now
        for settlement in settlements:
            job = desk.taken.pop(settlement.job_id)
            job.attempts += 1
            job.fruitless = 0 if settlement.placed_any else job.fruitless + 1
            job.conflicts = job.conflicts + 1 if settlement.conflicted else 0
            if settlement.gave_up:
                self.history.abandoned[job.index] = True
            elif settlement.not_before > now:
                self.engine.at(settlement.not_before, self.enqueue, (scheduler_id, job))
            else:
                self.enqueue((scheduler_id, job))

    # --- the commit

    def commit(self, transaction: Transaction) -> Verdict:
        """Judge the claims, and do as was ruled."""
        desk = self.desks[transaction.scheduler_id]
        if self._plain(transaction):
            job_id = transaction.job_id
            if job_id.item(0) == job_id.item(-1):
                job = desk.taken[job_id.item(0)]
                if job.sort.plain:
                    return self._commit_one(transaction, desk, job)
            elif all(job.sort.plain for job in desk.taken.values()):
                return self._commit_several(transaction, desk)
        return self._commit_any(transaction, desk)

    def _plain(self, transaction: Transaction) -> bool:
        """Whether judge_plain.py may rule; schedulers claim a machine once a job, and no more than is pending."""
        return (
            self._all_available
            and not len(transaction.tasks)
            and (transaction.alternatives is NO_ALTERNATIVES or not len(transaction.alternatives.job_id))
            and (transaction.victims is NO_VICTIMS or not len(transaction.victims.claim))
        )

    def _commit_one(self, transaction: Transaction, desk: Desk, job: VirtualJob) -> Verdict:
        """All claims at once, of the one job there is."""
        rows = transaction.machine_id - 1
        sequence = self._claim_sequence.take(rows)
        rulings = self._place_plain(
            job, desk, rows=rows, slots=transaction.slots, seen=transaction.claim_sequence, sequence=sequence
        )
        return self._answer(transaction, rulings.accepted, rulings.reason, rulings.free)

    def _commit_several(self, transaction: Transaction, desk: Desk) -> Verdict:
        """Job by job, on what those before it left; under coarse detection all find the sequences of the start."""
        rows = transaction.machine_id - 1
        sequence = self._claim_sequence.take(rows)
        starts = np.flatnonzero(np.diff(transaction.job_id, prepend=-1)).tolist()
        found = []
        for first, last in pairwise((*starts, len(rows))):
            job = desk.taken[transaction.job_id.item(first)]
            found.append(
                self._place_plain(
                    job,
                    desk,
                    rows=rows[first:last],
                    slots=transaction.slots[first:last],
                    seen=transaction.claim_sequence[first:last],
                    sequence=sequence[first:last],
                )
            )
        return self._answer(
            transaction,
            np.concatenate([rulings.accepted for rulings in found]),
            np.concatenate([rulings.reason for rulings in found]),
            np.concatenate([rulings.free for rulings in found]),
        )

    def _place_plain(
        self, job: VirtualJob, desk: Desk, *, rows: Int64, slots: Int64, seen: Int64, sequence: Int64
    ) -> PlainRulings:
        """Judge the claims of a job, and place what is kept. rows, slots, seen, sequence: int64[K]."""
        free = self._free.take(rows, axis=0)
        rulings = judge_plain(
            job, amounts=job.sort.vector, slots=slots, seen=seen, free=free, claim_sequence=sequence
        )
        placed = rulings.placed
        if placed:
            held = Held(job, rows, rulings.accepted, rulings.taken, placed)
            self._free[rows] = free - rulings.taken
            self._claim_sequence[rows] = sequence + (1 if rulings.accepted is slots else rulings.accepted > 0)
            self.watch(rows)
            self._start(held, placed)
            if not job.pending:
                del desk.taken[job.index + 1]
        return rulings

    def _answer(self, transaction: Transaction, accepted: Int64, reason: Int64, free: Int64) -> Verdict:
        nothing = self._zeros(len(accepted))
        return _verdict(
            txn_id=transaction.txn_id,
            accepted=accepted,
            tasks=accepted,
            reason=reason,
            machine_id=transaction.machine_id,
            free=free,
            first_index=nothing,
            preempted=nothing,
            rival_txn=(None,) * len(accepted),
            rival_scheduler=nothing,
            rows=NO_ROWS,
        )

    def _zeros(self, count: int) -> Int64:
        if count > len(self._nothing):
            self._nothing = np.zeros(2 * count, dtype=np.int64)
        return self._nothing[:count]

    def _commit_any(self, transaction: Transaction, desk: Desk) -> Verdict:
        """Claim by claim."""
        claims = claims_of(transaction)
        alternatives = _alternatives(transaction)
        named = {*transaction.machine_id.tolist(), *transaction.alternatives.machine_id.tolist()}
        rulings = judge(
            token_valid=True,
            now=self.engine.now,
            claims=claims,
            jobs={
                job_id: desk.taken[job_id].found(alternatives.get(job_id, ()))
                for job_id in {claim.job_id for claim in claims}
            },
            machines={machine_id: self._machine_found(machine_id - 1) for machine_id in sorted(named)},
            victims={},
        )
        for job_id, pairs in groupby(zip(claims, rulings, strict=True), key=lambda pair: pair[0].job_id):
            kept = [(claim, ruling) for claim, ruling in pairs if ruling.accepted]
            if kept:
                self._place(desk.taken[job_id], kept)
                if not desk.taken[job_id].pending:
                    del desk.taken[job_id]
        return verdict_of(
            transaction,
            rulings,
            tasks=(ruling.accepted for ruling in rulings),
            first_index=(0 for _ in rulings),
            rows=NO_ROWS,
        )

    def _machine_found(self, row: int) -> MachineFound:
        devices = self._device_free[row].tolist() if self._device_free.shape[1] else []
        available = bool(self.snapshot.available[row])
        return MachineFound(
            room=Room(self._free[row].tolist(), devices=[milli for milli in devices if milli >= 0]),
            claim_sequence=int(self._claim_sequence[row]),
            up=available,
            schedulable=available,
            last_claim_txn=None,
            last_claim_scheduler=0,
        )

    def _place(self, job: VirtualJob, kept: Sequence[tuple[Claim, Ruling]]) -> None:
        rows = np.array([ruling.machine_id - 1 for _, ruling in kept], dtype=np.int64)
        slots = np.array([ruling.accepted for _, ruling in kept], dtype=np.int64)
        count = int(slots.sum())
        if job.sort.plain:  # an alternative may have taken several claims
            rows, which = np.unique(rows, return_inverse=True)
            slots = np.bincount(which, weights=slots).astype(np.int64)
        held = Held(job, rows, slots, slots[:, None] * job.sort.vector, count)
        if job.sort.shape.amounts.gpu_milli:
            held.devices = tuple(ruling.devices for _, ruling in kept)
        self._take(held, -1)
        self._claim_sequence[rows] += 1
        self.watch(rows)
        self._start(held, count)

    def _take(self, held: Held, sign: int) -> None:
        """Change what is free by what is held: -1 takes it, 1 gives it back."""
        if not held.devices:
            free = self._free.take(held.rows, axis=0)
            self._free[held.rows] = free + held.taken if sign > 0 else free - held.taken
            return
        np.add.at(self._free, held.rows, sign * held.taken)
        milli = device_milli(held.job.sort.shape.amounts.gpu_milli)
        for row, masks in zip(held.rows.tolist(), held.devices, strict=True):
            for mask in masks:
                for index in device_indexes(mask):
                    self._device_free[row, index] += sign * milli

    # --- what holds room

    def occupy(self, job: VirtualJob, rows: Int64, slots: Int64) -> None:
        """Let there be, from the start and for ever, what is no job of the table; rows must be distinct."""
        count = int(slots.sum())
        held = Held(job, rows, slots, slots[:, None] * job.sort.vector, count)
        self._take(held, -1)
        self.standing.append(held)
        job.sort.running.change(0.0, count)

    def _start(self, held: Held, placed: int) -> None:
        """Count slots of a job as placed, until its duration is over."""
        job, now = held.job, self.engine.now
        job.pending -= placed
        self.history.unplaced[job.index] = job.pending
        if not job.pending:
            self.history.placed_at[job.index] = now
        job.sort.running.change(now, placed)
        if job.sort.counted:
            self._count(held, 1)
        if job.duration_seconds == FOR_EVER:
            self.standing.append(held)
        else:
            self.engine.at(now + job.duration_seconds, self.end, held)

    def end(self, held: Held) -> None:
        """The tasks of one commit end together."""
        sort = held.job.sort
        self._take(held, 1)
        self.watch(held.rows)
        sort.running.change(self.engine.now, -held.count)
        if sort.counted:
            self._count(held, -1)

    def _count(self, held: Held, sign: int) -> None:
        """Keep what the job has on each machine, for spread and anti-affinity."""
        placed_on = held.job.placed_on
        for row, slots in zip(held.rows.tolist(), held.slots.tolist(), strict=True):
            placed_on[row + 1] = placed_on.get(row + 1, 0) + sign * slots

    def held(self) -> list[Held]:
        """Everything that holds room now."""
        return [*self.standing, *self.engine.pending(self.end)]

    def check(self) -> None:
        """InvariantBroken unless what is free is what there is less what is held, and never negative."""
        used = self.snapshot.capacity - self._free
        held = np.zeros_like(used)
        for entry in self.held():
            np.add.at(held, entry.rows, entry.taken)
        wrong = np.flatnonzero((used != held).any(axis=1) | (self._free < 0).any(axis=1))
        if len(wrong):
            row = int(wrong[0])
            raise InvariantBroken(
                f"machine {row + 1} of the virtual cell has {used[row].tolist()} in use, {held[row].tolist()} held, of "
                f"{self.snapshot.capacity[row].tolist()}; that is a defect of omegacell, report scenario and seed"
            )

    # --- what else a scheduler asks

    def sync(self, watermark: Watermark | None) -> Changes:
        """Nothing: who reads a snapshot of this cell gets it kept in step."""
        return Changes(
            full=False,
            rows=NO_ROWS,
            facts=(),
            watermark=Watermark(generation=0, snapshot=""),
            log_rows=0,
        )

    def preemptible(self, machine_ids: Int64, *, below: int) -> Preemptible:
        """Nothing: there is no preemption here."""
        none = no_entries()
        return Preemptible(
            machine_id=none,
            job_id=none,
            first_index=none,
            attempt=none,
            tasks=none,
            priority=none,
            amounts=np.zeros((0, len(self.snapshot.dimensions)), dtype=np.int64),
            gpu_milli=none,
            devices=none,
            custom=(),
            placed_at=(),
        )

    def reserve(
        self, scheduler_id: int, token: int, job_id: int, machine_ids: Int64, *, seconds: float
    ) -> int:
        """Nothing: there are no reservations here."""
        return 0


def _unwatched(rows: Int64) -> None:
    """Of the shared state nobody needs to be told."""


def _alternatives(transaction: Transaction) -> dict[int, tuple[int, ...]]:
    listed = zip(
        transaction.alternatives.job_id.tolist(), transaction.alternatives.machine_id.tolist(), strict=True
    )
    return {
        job_id: tuple(machine_id for _, machine_id in ranked)
        for job_id, ranked in groupby(listed, key=lambda pair: pair[0])
    }


NO_ROWS = MachineRows(
    machine_id=no_entries(),
    version=no_entries(),
    claim_sequence=no_entries(),
    capacity=np.zeros((0, 3), dtype=np.int64),
    used=np.zeros((0, 3), dtype=np.int64),
    available=np.zeros(0, dtype=np.bool_),
)
