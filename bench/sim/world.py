"""The cell in virtual time: what the schedulers see, and a store for them that is arrays and nothing else.

It does what the in-memory store does for `begin` and `finish`, without tasks, workers, reports and history: a job is a
count, and what it holds on its machines is one entry of arrays that ends at once. What is kept of a transaction,
cellstate/judge.py says; when a job is tried again, schedulers/retry.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

from omegacell.bench.sim.engine import Engine
from omegacell.bench.sim.jobs import FOR_EVER, Float64, JobTable, TaskShape
from omegacell.cellstate.found import JobFound, MachineFound
from omegacell.cellstate.judge import Claim, Ruling, judge
from omegacell.cellstate.model import (
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
from omegacell.cellstate.room import Room, device_indexes, device_milli
from omegacell.cellstate.rulings import claims_of, verdict_of
from omegacell.cellstate.snapshot import Snapshot

NEVER = -1.0
"""A time that has not come."""


class VirtualJob:
    """A job from its submission until nothing of it is left to place."""

    __slots__ = (
        "attempts",
        "conflicts",
        "duration_seconds",
        "fruitless",
        "index",
        "pending",
        "placed_on",
        "queued_at",
        "shape",
        "submitted_at",
        "tasks",
    )

    def __init__(self, index: int, shape: TaskShape, *, tasks: int, duration: float, now: float) -> None:
        self.index = index
        self.shape = shape
        self.tasks = tasks
        self.pending = tasks
        self.duration_seconds = duration
        self.submitted_at = now
        self.queued_at = now
        self.attempts = 0
        self.fruitless = 0
        self.conflicts = 0
        self.placed_on: dict[int, int] = {}

    @property
    def job_id(self) -> int:
        """As schedulers call it; 0 is no job."""
        return self.index + 1

    def claimed(self) -> ClaimedJob:
        """What a scheduler gets to see of it."""
        shape = self.shape
        return ClaimedJob(
            job_id=self.index + 1,
            name="",
            scheduler=shape.kind,
            policy=shape.policy,
            amounts=shape.amounts,
            constraints=shape.constraints,
            anti_affinity=shape.anti_affinity,
            spread=shape.spread,
            priority=shape.priority,
            detection=shape.detection,
            commit=shape.commit,
            gang_min=0,
            service=False,
            expected_duration_seconds=0.0 if self.duration_seconds == FOR_EVER else self.duration_seconds,
            task_count=self.tasks,
            pending=self.pending,
            placed=self.tasks - self.pending,
            ended=0,
            attempts=self.attempts,
            fruitless=self.fruitless,
            submitted_at=self.submitted_at,
            placed_on=self.placed_on,
            conflicts=self.conflicts,
        )

    def found(self, alternatives: tuple[int, ...]) -> JobFound:
        """What a transaction finds of it."""
        shape = self.shape
        return JobFound(
            amounts=shape.amounts,
            priority=shape.priority,
            detection=shape.detection,
            commit=shape.commit,
            gang_min=0,
            task_count=self.tasks,
            placed=self.tasks - self.pending,
            pending=self.pending,
            alternatives=alternatives,
        )


class Held:
    """What one commit gave one job: rows, slots: int64[K]; taken: int64[K, R]; devices: a mask per slot, or nothing."""

    __slots__ = ("devices", "job", "rows", "slots", "taken")

    def __init__(
        self, job: VirtualJob, rows: Int64, slots: Int64, taken: Int64, devices: tuple[tuple[int, ...], ...]
    ) -> None:
        self.job = job
        self.rows = rows
        self.slots = slots
        self.taken = taken
        self.devices = devices


class JobHistory:
    """What became of each of N jobs; seconds, NEVER where it did not come to that.

    first_wait, waited (in the queue, all attempts), placed_at (its last task): float64[N]; attempts, unplaced: int64[N];
    abandoned: bool[N].
    """

    def __init__(self, jobs: JobTable) -> None:
        self.first_wait: Float64 = np.full(len(jobs), NEVER)
        self.waited: Float64 = np.zeros(len(jobs))
        self.placed_at: Float64 = np.full(len(jobs), NEVER)
        self.attempts: Int64 = np.zeros(len(jobs), dtype=np.int64)
        self.unplaced: Int64 = jobs.tasks.copy()
        self.abandoned = np.zeros(len(jobs), dtype=np.bool_)


class Desk:
    """A scheduler's queue: `queue` of those waiting, `taken` by id those it holds; `wake` is called when one comes."""

    __slots__ = ("queue", "taken", "wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        self.queue: deque[VirtualJob] = deque()
        self.taken: dict[int, VirtualJob] = {}
        self.wake = wake


class VirtualCell:
    """The SchedulerStore of virtual time: truth in `snapshot`, which shared-state schedulers read as it is.

    `route(job)` names the scheduler whose queue a job waits in.
    """

    def __init__(
        self,
        engine: Engine,
        snapshot: Snapshot,
        jobs: JobTable,
        route: Callable[[VirtualJob], int],
    ) -> None:
        self.engine = engine
        self.snapshot = snapshot
        self.jobs = jobs
        self.history = JobHistory(jobs)
        self.desks: dict[int, Desk] = {}
        self.standing: list[Held] = []  # what never ends
        self._route = route
        self._free = snapshot.free
        self._claim_sequence = snapshot.claim_sequence
        self._device_free = snapshot.device_free
        self._claimed_by: dict[int, tuple[int, int]] = {}  # row -> transaction number, scheduler: for rivals
        self._reserved: dict[int, tuple[int, int, float]] = {}  # row -> job id, priority, until
        self._observers: list[Callable[[float, Int64], None]] = []

    # --- jobs

    def submit(self, index: int) -> None:
        """A job of the table arrives."""
        jobs = self.jobs
        job = VirtualJob(
            index,
            jobs.shapes[jobs.shape[index]],
            tasks=int(jobs.tasks[index]),
            duration=float(jobs.duration_seconds[index]),
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
            if history.first_wait[job.index] < 0.0:
                history.first_wait[job.index] = waited
            history.waited[job.index] += waited
            history.attempts[job.index] += 1
            desk.taken[job.index + 1] = job
        return tuple(job.claimed() for job in desk.taken.values())

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
        claims = claims_of(transaction)
        alternatives = _alternatives(transaction)
        named = {*transaction.machine_id.tolist(), *transaction.alternatives.machine_id.tolist()}
        jobs = {
            job_id: desk.taken[job_id].found(alternatives.get(job_id, ()))
            for job_id in {claim.job_id for claim in claims}
        }
        rulings = judge(
            token_valid=True,
            now=self.engine.now,
            claims=claims,
            jobs=jobs,
            machines=self._machines_found(sorted(named)),
            victims={},
        )
        for job_id, pairs in groupby(zip(claims, rulings, strict=True), key=lambda pair: pair[0].job_id):
            kept = [(claim, ruling) for claim, ruling in pairs if ruling.accepted]
            if kept:
                self._place(desk, desk.taken[job_id], kept)
        return verdict_of(
            transaction,
            rulings,
            tasks=(ruling.accepted for ruling in rulings),
            first_index=(0 for _ in rulings),
            rows=NO_ROWS,
        )

    def _machines_found(self, machine_ids: Sequence[int]) -> dict[int, MachineFound]:
        rows = self.snapshot.rows_of(np.array(machine_ids, dtype=np.int64)).tolist()
        return {
            machine_id: self._machine_found(row) for machine_id, row in zip(machine_ids, rows, strict=True)
        }

    def _machine_found(self, row: int) -> MachineFound:
        devices = self._device_free[row].tolist() if self._device_free.shape[1] else []
        reserved_job, priority, until = self._reserved.get(row, (0, 0, 0.0))
        available = bool(self.snapshot.available[row])
        return MachineFound(
            room=Room(self._free[row].tolist(), devices=[milli for milli in devices if milli >= 0]),
            claim_sequence=int(self._claim_sequence[row]),
            up=available,
            schedulable=available,
            last_claim_txn=None,
            last_claim_scheduler=0,
            reserved_job=reserved_job,
            reserved_priority=priority,
            reserved_until=until,
        )

    def _place(self, desk: Desk, job: VirtualJob, kept: Sequence[tuple[Claim, Ruling]]) -> None:
        machine_id = np.array([ruling.machine_id for _, ruling in kept], dtype=np.int64)
        slots = np.array([ruling.accepted for _, ruling in kept], dtype=np.int64)
        devices = tuple(ruling.devices for _, ruling in kept) if job.shape.amounts.gpu_milli else ()
        self.hold(job, self.snapshot.rows_of(machine_id), slots, devices)
        if not job.pending:
            del desk.taken[job.job_id]

    def hold(
        self, job: VirtualJob, rows: Int64, slots: Int64, devices: tuple[tuple[int, ...], ...] = ()
    ) -> None:
        """Count slots as placed, until the job's duration is over. A row may come twice (alternatives)."""
        taken = slots[:, None] * job.shape.amounts.vector()
        held = Held(job, rows, slots, taken, devices)
        np.subtract.at(self._free, rows, taken)
        np.add.at(self._claim_sequence, rows, 1)
        self._change_devices(held, -1)
        placed = int(slots.sum())
        job.pending -= placed
        self.history.unplaced[job.index] -= placed
        if not job.pending:
            self.history.placed_at[job.index] = self.engine.now
        if job.shape.anti_affinity or job.shape.spread:
            for machine_id, count in zip(
                self.snapshot.machine_id[rows].tolist(), slots.tolist(), strict=True
            ):
                job.placed_on[machine_id] = job.placed_on.get(machine_id, 0) + count
        if job.duration_seconds == FOR_EVER:
            self.standing.append(held)
        else:
            self.engine.at(self.engine.now + job.duration_seconds, self.end, held)

    def occupy(self, job: VirtualJob, rows: Int64, slots: Int64) -> None:
        """Let there be, from the start and for ever, what is no job of the table; rows must be distinct."""
        taken = slots[:, None] * job.shape.amounts.vector()
        self._free[rows] -= taken
        self.standing.append(Held(job, rows, slots, taken, ()))

    def end(self, held: Held) -> None:
        """The tasks of one commit end together."""
        np.add.at(self._free, held.rows, held.taken)
        self._change_devices(held, 1)
        job = held.job
        if job.placed_on:
            for machine_id, count in zip(
                self.snapshot.machine_id[held.rows].tolist(), held.slots.tolist(), strict=True
            ):
                job.placed_on[machine_id] -= count

    def _change_devices(self, held: Held, sign: int) -> None:
        if not held.devices:
            return
        milli = device_milli(held.job.shape.amounts.gpu_milli)
        for row, masks in zip(held.rows.tolist(), held.devices, strict=True):
            for mask in masks:
                for index in device_indexes(mask):
                    self._device_free[row, index] += sign * milli

    # --- what else a scheduler asks

    def sync(self, watermark: Watermark | None) -> Changes:
        """Nothing: who reads a snapshot of this cell gets it kept in step."""
        return Changes(
            full=False, rows=NO_ROWS, facts=(), watermark=Watermark(generation=0, snapshot=""), log_rows=0
        )

    def preemptible(self, machine_ids: Int64, *, below: int) -> Preemptible:
        """Nothing: the simulator has no preemption."""
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
        """Nothing: the simulator has no reservations yet."""
        return 0


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
