"""MemoryStore: every method of store.Store, under one lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.invariants import check
from omegacell.cellstate.memory import (
    changes,
    commit,
    dependencies,
    fold,
    jobs,
    machines,
    open_jobs,
    preemption,
    reservations,
    rows,
    schedulers,
    submitting,
    view,
    workers,
)
from omegacell.cellstate.memory.endpoints import EndpointCalls
from omegacell.cellstate.memory.events import EventCalls
from omegacell.cellstate.memory.log_relay import LogRelayCalls
from omegacell.cellstate.memory.machines import register as register_machines
from omegacell.cellstate.memory.processes import ProcessCalls
from omegacell.cellstate.model import (
    Changes,
    ClaimedJob,
    Dependency,
    Ended,
    Endings,
    Holdings,
    Int64,
    JobSpec,
    JobState,
    JobStatus,
    Kept,
    Lease,
    MachineSpec,
    MachineStatus,
    Outcome,
    Placement,
    Preemptible,
    Preemption,
    Purged,
    RegisteredMachine,
    Renewal,
    Reservation,
    RetryRange,
    Settlement,
    Started,
    Submission,
    Submitted,
    TaskDefinition,
    Transaction,
    Verdict,
    Violation,
    Watermark,
    WorkerSpec,
)


class MemoryStore(ProcessCalls, EventCalls, LogRelayCalls, EndpointCalls):
    """A cell that lives and dies with this object; store.Store says what each method does.

    Deterministic: the same calls at the same times give the same answers. A commit costs what its claims
    cost, a sync what has changed; nothing copies the cell. Threads may share it. Its clock must not go back.
    """

    def close(self) -> None:
        """Nothing to give back."""

    # --- clients

    def submit(self, submissions: Sequence[Submission], *, connection: Any = None) -> tuple[Submitted, ...]:
        if connection is not None:
            raise SpecInvalid(
                "a connection was passed to a cell in memory, which has no transaction to share; leave it out"
            )
        with self._lock:
            return submitting.submit(self._cell, submissions, now=self._clock.now())

    def cancel(self, job_id: int) -> JobStatus:
        with self._lock:
            changes.cancel(self._cell, job := jobs.find(self._cell, job_id), now=self._clock.now())
            return jobs.status(job)

    def append(self, job_id: int, first_index: int, inputs: Sequence[bytes]) -> int:
        with self._lock:
            job = jobs.find(self._cell, job_id)
            return open_jobs.append(self._cell, job, first_index, inputs, now=self._clock.now())

    def close_job(self, job_id: int) -> JobStatus:
        with self._lock:
            open_jobs.close(self._cell, job := jobs.find(self._cell, job_id), now=self._clock.now())
            return jobs.status(job)

    def renew_job(self, job_id: int, lease_seconds: float) -> bool:
        with self._lock:
            job = jobs.find(self._cell, job_id)
            return open_jobs.renew(self._cell, job, lease_seconds, now=self._clock.now())

    def cancel_tasks(self, job_id: int, ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        with self._lock:
            job = jobs.find(self._cell, job_id)
            return open_jobs.cancel_tasks(self._cell, job, ranges, now=self._clock.now())

    def ended(self, job_id: int, watermark: Watermark | None) -> Endings:
        with self._lock:
            return open_jobs.ended(jobs.find(self._cell, job_id), watermark)

    def hold(self, job_id: int) -> JobStatus:
        with self._lock:
            changes.hold(self._cell, job := jobs.find(self._cell, job_id), held=True, now=self._clock.now())
            return jobs.status(job)

    def release(self, job_id: int) -> JobStatus:
        with self._lock:
            changes.hold(self._cell, job := jobs.find(self._cell, job_id), held=False, now=self._clock.now())
            return jobs.status(job)

    def retry_failed(self, job_id: int) -> JobStatus:
        with self._lock:
            changes.retry_failed(self._cell, job := jobs.find(self._cell, job_id), now=self._clock.now())
            return jobs.status(job)

    def alter(
        self,
        job_id: int,
        *,
        replicas: int | None = None,
        priority: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> JobStatus:
        with self._lock:
            job, now = jobs.find(self._cell, job_id), self._clock.now()
            changes.alter(self._cell, job, replicas=replicas, priority=priority, labels=labels, now=now)
            return jobs.status(job)

    def job(self, job_id: int) -> JobStatus:
        with self._lock:
            return jobs.status(jobs.find(self._cell, job_id))

    def statuses(self, job_ids: Sequence[int]) -> tuple[JobStatus, ...]:
        with self._lock:
            known = sorted(set(job_ids) & self._cell.jobs.keys())
            return tuple(jobs.status(self._cell.jobs[job_id]) for job_id in known)

    def specification(self, job_id: int) -> JobSpec:
        with self._lock:
            return jobs.find(self._cell, job_id).spec

    def dependencies(self, job_id: int) -> tuple[Dependency, ...]:
        with self._lock:
            return dependencies.listing(jobs.find(self._cell, job_id))

    def jobs(
        self,
        *,
        states: Sequence[JobState] = (),
        labels: Mapping[str, str] | None = None,
        limit: int = 100,
    ) -> tuple[JobStatus, ...]:
        with self._lock:
            return jobs.listing(self._cell, states=states, labels=labels or {}, limit=limit)

    def outcomes(
        self, job_id: int, *, task_indexes: Sequence[int] = (), final_only: bool = False
    ) -> tuple[Outcome, ...]:
        with self._lock:
            job = jobs.find(self._cell, job_id)
            return jobs.outcomes(job, task_indexes=task_indexes, final_only=final_only)

    def placements(self, job_id: int) -> tuple[Placement, ...]:
        with self._lock:
            placements = jobs.find(self._cell, job_id).placements
            return tuple(placements[first_index] for first_index in sorted(placements))

    def retries(self, job_id: int) -> tuple[RetryRange, ...]:
        with self._lock:
            return tuple(jobs.find(self._cell, job_id).retries)

    def explanation(self, job_id: int) -> str:
        with self._lock:
            return jobs.find(self._cell, job_id).explanation

    def preemptions(self, job_id: int) -> tuple[Preemption, ...]:
        with self._lock:
            return preemption.records(self._cell, jobs.find(self._cell, job_id))

    def reservations(self) -> tuple[Reservation, ...]:
        with self._lock:
            return reservations.listing(self._cell, now=self._clock.now())

    def purge(self, *, older_than_seconds: float) -> Purged:
        with self._lock:
            ended_before = self._clock.now() - older_than_seconds
            return Purged(jobs=jobs.purge(self._cell, ended_before=ended_before), partitions=0)

    def machines(self) -> tuple[MachineStatus, ...]:
        with self._lock:
            return tuple(machines.status(machine) for machine in self._cell.machines.values())

    def drain(self, machine_name: str, *, evict: bool = True) -> MachineStatus:
        with self._lock:
            now = self._clock.now()
            return machines.set_schedulable(self._cell, machine_name, schedulable=False, evict=evict, now=now)

    def uncordon(self, machine_name: str) -> MachineStatus:
        with self._lock:
            now = self._clock.now()
            return machines.set_schedulable(self._cell, machine_name, schedulable=True, evict=False, now=now)

    def check(self) -> tuple[Violation, ...]:
        with self._lock:
            return check(view.view(self._cell))

    # --- schedulers

    def register_scheduler(self, name: str, kind: str, *, lease_seconds: float) -> Lease:
        with self._lock:
            now = self._clock.now()
            return schedulers.register(self._cell, name, kind, lease_seconds=lease_seconds, now=now)

    def renew_scheduler(
        self, scheduler_id: int, token: int, *, busy_seconds: float, attempts: int
    ) -> Renewal:
        with self._lock:
            scheduler = schedulers.fenced(self._cell, scheduler_id, token)
            now = self._clock.now()
            return schedulers.renew(scheduler, busy_seconds=busy_seconds, attempts=attempts, now=now)

    def release_scheduler(self, scheduler_id: int, token: int) -> None:
        with self._lock:
            schedulers.release(self._cell, scheduler_id, token, now=self._clock.now())

    def claim_jobs(self, scheduler_id: int, token: int, *, limit: int) -> tuple[ClaimedJob, ...]:
        with self._lock:
            scheduler = schedulers.fenced(self._cell, scheduler_id, token)
            return schedulers.claim_jobs(self._cell, scheduler, limit=limit, now=self._clock.now())

    def sync(self, watermark: Watermark | None) -> Changes:
        with self._lock:
            return rows.sync(self._cell, watermark, now=self._clock.now())

    def commit(self, transaction: Transaction) -> Verdict:
        with self._lock:
            return commit.commit(self._cell, transaction, now=self._clock.now())

    def preemptible(self, machine_ids: Int64, *, below: int) -> Preemptible:
        with self._lock:
            return preemption.preemptible(self._cell, machine_ids, below=below)

    def reserve(
        self, scheduler_id: int, token: int, job_id: int, machine_ids: Int64, *, seconds: float
    ) -> int:
        with self._lock:
            scheduler = schedulers.fenced(self._cell, scheduler_id, token)
            if job_id not in scheduler.claimed:
                return 0
            job, now = self._cell.jobs[job_id], self._clock.now()
            return reservations.reserve(self._cell, job, machine_ids, seconds=seconds, now=now)

    def settle(self, scheduler_id: int, token: int, settlements: Sequence[Settlement]) -> None:
        with self._lock:
            scheduler = schedulers.fenced(self._cell, scheduler_id, token)
            schedulers.settle(self._cell, scheduler, settlements, now=self._clock.now())

    def reap(self) -> int:
        with self._lock:
            return schedulers.reap(self._cell, now=self._clock.now())

    # --- workers

    def register_worker(self, spec: WorkerSpec, *, lease_seconds: float, replace_token: int = 0) -> Lease:
        with self._lock:
            now = self._clock.now()
            return workers.register(
                self._cell, spec, lease_seconds=lease_seconds, replace_token=replace_token, now=now
            )

    def register_machines(
        self, worker_id: int, token: int, machines: Sequence[MachineSpec]
    ) -> tuple[RegisteredMachine, ...]:
        with self._lock:
            worker = workers.fenced(self._cell, worker_id, token)
            return register_machines(self._cell, worker, machines, now=self._clock.now())

    def renew_worker(self, worker_id: int, token: int) -> float:
        with self._lock:
            return workers.renew(workers.fenced(self._cell, worker_id, token), now=self._clock.now())

    def release_worker(self, worker_id: int, token: int) -> None:
        with self._lock:
            workers.release(self._cell, worker_id, token, now=self._clock.now())

    def pull(self, worker_id: int, token: int, known: Mapping[int, int]) -> tuple[Holdings, ...]:
        with self._lock:
            return workers.pull(self._cell, workers.fenced(self._cell, worker_id, token), known)

    def definitions(self, job_ids: Sequence[int]) -> tuple[TaskDefinition, ...]:
        with self._lock:
            known = sorted(set(job_ids) & self._cell.jobs.keys())
            return tuple(jobs.definition(self._cell.jobs[job_id]) for job_id in known)

    def inputs(self, job_id: int, first_index: int, count: int) -> tuple[bytes, ...]:
        with self._lock:
            job = self._cell.jobs.get(job_id)
            return tuple(job.inputs[first_index : first_index + count]) if job is not None else ()

    def report_started(self, worker_id: int, token: int, started: Sequence[Started]) -> None:
        with self._lock:
            workers.fenced(self._cell, worker_id, token)
            workers.report_started(self._cell, started)

    def report_ended(
        self, worker_id: int, token: int, ended: Sequence[Ended], *, kept: Sequence[Kept] = ()
    ) -> tuple[bool, ...]:
        with self._lock:
            workers.fenced(self._cell, worker_id, token)
            return workers.report_ended(self._cell, ended, kept, now=self._clock.now())

    def fold(self, job_ids: Sequence[int] = ()) -> int:
        """Reports fold at once here, so all that can be found is a gang that something else has stopped."""
        with self._lock:
            known = sorted(set(job_ids) & self._cell.jobs.keys())
            fold.restart_gangs(self._cell, known)
            return len(known)
