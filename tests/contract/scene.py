"""Builders: a cell with workers, machines, jobs and schedulers in a line each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import numpy as np

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import (
    DEVICE_MILLI,
    Amounts,
    AttemptState,
    ClaimedJob,
    Holdings,
    JobSpec,
    JobState,
    JobStatus,
    Lease,
    MachineSpec,
    MachineStatus,
    Outcome,
    Placement,
    RegisteredMachine,
    Renewal,
    RetryRange,
    Settlement,
    Started,
    Submission,
    TaskKind,
    Transaction,
    Verdict,
    WorkerSpec,
)
from omegacell.cellstate.store import Store
from tests.contract.slots import ended, kept, tasks_of
from tests.contract.wishes import Wish, transaction_of

LEASE_SECONDS = 10.0
GIB = 2**30
FAILURES = (AttemptState.FAILED, AttemptState.START_FAILED, AttemptState.TIMED_OUT)


def submission(
    *,
    tasks: int = 1,
    cpu: int = 1000,
    memory: int = 0,
    disk: int = 0,
    gpu: int = 0,
    custom: Mapping[str, int] | None = None,
    submission_id: UUID | None = None,
    inputs: tuple[bytes, ...] = (),
    earlier: tuple[int, ...] = (),
    earlier_any: tuple[int, ...] = (),
    lease_seconds: float = 0.0,
    held: bool = False,
    **fields: Any,
) -> Submission:
    """A job of `tasks` commands; amounts are a task's, `fields` are JobSpec's.

    `earlier` and `earlier_any` are positions in the same call, of jobs that it comes after.
    """
    spec = JobSpec(
        name=fields.pop("name", "job"),
        kind=TaskKind.COMMAND,
        command=("true",),
        task_count=tasks,
        amounts=_amounts(cpu, memory, disk, gpu, custom),
        **fields,
    )
    return Submission(
        submission_id=submission_id or uuid4(),
        spec=spec,
        inputs=inputs,
        after=earlier,
        after_any=earlier_any,
        lease_seconds=lease_seconds,
        held=held,
    )


def machine_spec(
    name: str,
    *,
    cpu: int = 4000,
    memory: int = 4 * GIB,
    disk: int = 4 * GIB,
    devices: int = 0,
    custom: Mapping[str, int] | None = None,
    **attributes: str,
) -> MachineSpec:
    """A machine of 4 cores, 4 GiB of memory and of disk, and `devices` GPUs."""
    capacity = _amounts(cpu, memory, disk, devices * DEVICE_MILLI, custom)
    return MachineSpec(name=name, capacity=capacity, attributes=attributes)


def _amounts(cpu: int, memory: int, disk: int, gpu: int, custom: Mapping[str, int] | None) -> Amounts:
    return Amounts(
        cpu_milli=cpu,
        memory_bytes=memory,
        disk_bytes=disk,
        gpu_milli=gpu,
        custom=tuple(sorted((custom or {}).items())),
    )


def worker_spec(name: str, *, pid: int = 100) -> WorkerSpec:
    """A worker process on host h1."""
    return WorkerSpec(name=name, host="h1", boot_id="b1", pid=pid)


def transaction(
    lease: Lease, claims: Sequence[tuple[int, int, int, int]], *, txn_id: UUID | None = None
) -> Transaction:
    """Claims as rows of (job, machine, slots, claim_sequence seen)."""
    wishes = [Wish(job_id, machine_id, slots, seen=seen) for job_id, machine_id, slots, seen in claims]
    return transaction_of(lease, wishes, txn_id=txn_id)


class Scene:
    """A store, its clock, and the parties that tests put around it."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock

    def worker(self, name: str = "w", *, pid: int = 100, lease_seconds: float = LEASE_SECONDS) -> WorkerHand:
        """A registered worker."""
        lease = self.store.register_worker(worker_spec(name, pid=pid), lease_seconds=lease_seconds)
        return WorkerHand(self, lease)

    def scheduler(
        self, name: str = "s", *, kind: str = "batch", lease_seconds: float = LEASE_SECONDS
    ) -> SchedulerHand:
        """A registered scheduler."""
        lease = self.store.register_scheduler(name, kind, lease_seconds=lease_seconds)
        return SchedulerHand(self, lease)

    def submit(self, **fields: Any) -> int:
        """Submit one job; its id."""
        return self.store.submit([submission(**fields)])[0].job_id

    def open_job(self, inputs: Sequence[bytes] = (), **fields: Any) -> int:
        """An open job, with these tasks so far; its id."""
        job_id = self.submit(open=True, **({"tasks": 0} | fields))
        if inputs:
            self.store.append(job_id, 0, inputs)
        return job_id

    def machine(self, machine_id: int) -> MachineStatus:
        """One machine's status."""
        return next(machine for machine in self.store.machines() if machine.machine_id == machine_id)

    def job(self, job_id: int) -> JobStatus:
        """One job's status."""
        return self.store.job(job_id)

    def states(self, *job_ids: int) -> list[JobState]:
        """Where jobs stand, in the order asked."""
        return [self.store.job(job_id).state for job_id in job_ids]

    def outcomes(self, job_id: int) -> tuple[Outcome, ...]:
        """All outcomes of a job."""
        return self.store.outcomes(job_id)

    def retry(self, job_id: int) -> RetryRange:
        """The job's one task that waits to run again."""
        (found,) = self.store.retries(job_id)
        return found

    def explanation(self, job_id: int) -> Any:
        """A job's explanation, parsed."""
        return json.loads(self.store.explanation(job_id))


class WorkerHand:
    """What a test does as a worker."""

    def __init__(self, scene: Scene, lease: Lease) -> None:
        self.scene = scene
        self.lease = lease

    @property
    def _key(self) -> tuple[int, int]:
        return self.lease.holder_id, self.lease.token

    def bring(self, *specs: MachineSpec) -> tuple[RegisteredMachine, ...]:
        """Register machines."""
        return self.scene.store.register_machines(*self._key, specs)

    def machine(self, name: str = "m", **fields: Any) -> int:
        """Register one machine; its id."""
        return self.bring(machine_spec(name, **fields))[0].machine_id

    def pull(self, known: Mapping[int, int] | None = None) -> tuple[Holdings, ...]:
        """Pull what the machines hold."""
        return self.scene.store.pull(*self._key, known or {})

    def renew(self) -> float:
        """Renew the lease."""
        return self.scene.store.renew_worker(*self._key)

    def release(self) -> None:
        """Leave in good order."""
        self.scene.store.release_worker(*self._key)

    def start(self, *placements: Placement) -> None:
        """Report that placements run."""
        now = self.scene.clock.now()
        started = [
            Started(
                job_id=placement.job_id,
                first_index=placement.first_index,
                attempt=placement.attempt,
                machine_id=placement.machine_id,
                epoch=placement.epoch,
                started_at=now,
            )
            for placement in placements
        ]
        self.scene.store.report_started(*self._key, started)

    def end(
        self,
        *placements: Placement,
        state: AttemptState = AttemptState.SUCCEEDED,
        **fields: Any,
    ) -> tuple[bool, ...]:
        """Report that placements ended now with all their tasks, an answer each; `fields` as report_slots()."""
        slots = ((one, dict.fromkeys(tasks_of(one), state), None) for one in placements)
        return self.report_slots(*slots, **fields)

    def report(
        self, slot: Placement, states: Mapping[int, AttemptState], *, keep: int | None = None, **fields: Any
    ) -> tuple[bool, ...]:
        """Report how tasks of a slot ended, and with which alone it goes on (with none: it ends)."""
        return self.report_slots((slot, states, keep), **fields)

    def report_slots(
        self,
        *slots: tuple[Placement, Mapping[int, AttemptState], int | None],
        ran_seconds: float = 1.0,
        **fields: Any,
    ) -> tuple[bool, ...]:
        """Report of slots what report() says of one: tasks that ran `ran_seconds`; `fields` are Ended's."""
        now = self.scene.clock.now()
        told = [
            ended(slot, task=task, state=state, now=now, ran_seconds=ran_seconds, **fields)
            for slot, states, _ in slots
            for task, state in states.items()
        ]
        going_on = [kept(slot, keep) for slot, _, keep in slots if keep is not None]
        return self.scene.store.report_ended(*self._key, told, kept=going_on)

    def end_job(self, job_id: int, state: AttemptState = AttemptState.SUCCEEDED, **fields: Any) -> None:
        """Report the end of everything that a job has placed."""
        placements = self.scene.store.placements(job_id)
        assert all(self.end(*placements, state=state, **fields))


class SchedulerHand:
    """What a test does as a scheduler."""

    def __init__(self, scene: Scene, lease: Lease) -> None:
        self.scene = scene
        self.lease = lease

    @property
    def _key(self) -> tuple[int, int]:
        return self.lease.holder_id, self.lease.token

    def claim(self, *, limit: int = 100) -> tuple[ClaimedJob, ...]:
        """Claim jobs."""
        return self.scene.store.claim_jobs(*self._key, limit=limit)

    def claim_ids(self, *, limit: int = 100) -> list[int]:
        """Claim jobs; their ids."""
        return [job.job_id for job in self.claim(limit=limit)]

    def commit(
        self,
        *claims: Wish | tuple[int, ...],
        alternatives: Mapping[int, Sequence[int]] | None = None,
        txn_id: UUID | None = None,
    ) -> Verdict:
        """Commit claims: wishes, or their (job, machine, slots) or (job, machine, slots, seen), made now."""
        sequences = {machine.machine_id: machine.claim_sequence for machine in self.scene.store.machines()}
        wishes = [_wish(claim, sequences) for claim in claims]
        return self.scene.store.commit(
            transaction_of(self.lease, wishes, alternatives=alternatives, txn_id=txn_id)
        )

    def place(self, job_id: int, machine_id: int, slots: int = 1, **wish: Any) -> tuple[Placement, ...]:
        """Claim the job if need be, place `slots` of it and give it back; all it has placed."""
        self.claim()
        verdict = self.commit(Wish(job_id, machine_id, slots, **wish))
        assert verdict.accepted.tolist() == [slots], verdict
        self.settle(job_id, placed_any=True)
        return self.scene.store.placements(job_id)

    def slot(self, tasks: int = 6, **fields: Any) -> Placement:
        """One slot on machine 1 that holds all tasks of a new job, which may fail once."""
        told = {"tasks": tasks, "retries": 1, "backoff_seconds": 1.0, "backoff_max_seconds": 1.0}
        (slot,) = self.place(self.scene.submit(**(told | fields)), 1, tasks=tasks)
        return slot

    def reserve(self, job_id: int, *machine_ids: int, seconds: float = 30.0) -> int:
        """Keep machines for a gang; how many are."""
        wanted = np.array(machine_ids, dtype=np.int64)
        return self.scene.store.reserve(*self._key, job_id, wanted, seconds=seconds)

    def settle(
        self,
        *job_ids: int,
        after: float = 0.0,
        gave_up: bool = False,
        placed_any: bool = False,
        conflicted: bool = False,
        explanation: str = "{}",
    ) -> None:
        """Give jobs back, to be tried again `after` seconds."""
        self.scene.store.settle(
            *self._key,
            [
                Settlement(
                    job_id=job_id,
                    not_before=self.scene.clock.now() + after,
                    gave_up=gave_up,
                    placed_any=placed_any,
                    conflicted=conflicted,
                    explanation=explanation,
                )
                for job_id in job_ids
            ],
        )

    def renew(self, *, busy_seconds: float = 0.0, attempts: int = 0) -> Renewal:
        """Renew the lease."""
        return self.scene.store.renew_scheduler(*self._key, busy_seconds=busy_seconds, attempts=attempts)

    def release(self) -> None:
        """Leave in good order."""
        self.scene.store.release_scheduler(*self._key)


def _wish(claim: Wish | tuple[int, ...], sequences: Mapping[int, int]) -> Wish:
    """A claim with what was seen of its machine: now, where it does not say."""
    wish = claim if isinstance(claim, Wish) else Wish(*claim[:3], seen=claim[3] if len(claim) > 3 else None)
    return wish if wish.seen is not None else replace(wish, seen=sequences.get(wish.machine, 0))
