"""What a feature makes of the machines, of a task and of a transaction's claims, so that every claim uses it. Pure.

none          nothing but CPU and memory, and never short of them
devices       every machine has 8 devices, every task takes a tenth of one; the store chooses which
custom        every machine has a named resource, every task takes some of it
ranges        every slot runs 10 tasks, one after another
victims       every machine is full of a job of low priority, and every claim names one of its slots, its own
alternatives  every claim is for a machine that has no room; its job names as many others as schedulers do, and the
              first of them takes it
reservations  every machine is reserved for a gang of lower priority, past which every claim goes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import numpy as np

from omegacell.bench.throughput.plan import Combination, Feature
from omegacell.cellstate.model import (
    DEVICE_MILLI,
    NO_ALTERNATIVES,
    NO_VICTIMS,
    Alternatives,
    Amounts,
    Bool,
    Int64,
    JobSpec,
    Lease,
    MachineRows,
    Preemptible,
    TaskKind,
    Transaction,
    Victims,
)
from omegacell.schedulers.config import SchedulerConfig

TASK_CPU_MILLI, TASK_MEMORY_BYTES = 10, 2**20
SLOTS_OF_CPU = 100_000
DEVICES, SHARE_MILLI = 8, 100
LICENSE = "license"
TASKS_OF_RANGE = 10
ALTERNATIVES = SchedulerConfig().alternatives_at_most
LOW_PRIORITY, PRIORITY = 0, 100

_NONE = np.zeros(0, dtype=np.int64)


def task(feature: Feature) -> Amounts:
    """What one task wants."""
    return Amounts(
        cpu_milli=TASK_CPU_MILLI,
        memory_bytes=TASK_MEMORY_BYTES,
        gpu_milli=SHARE_MILLI if feature is Feature.DEVICES else 0,
        custom=((LICENSE, 1),) if feature is Feature.CUSTOM else (),
    )


def tasks_per_slot(feature: Feature) -> int:
    """How many tasks each claimed slot runs."""
    return TASKS_OF_RANGE if feature is Feature.RANGES else 1


def job(combination: Combination, kind: str) -> JobSpec:
    """The job that one transaction places."""
    return JobSpec(
        name="bench",
        kind=TaskKind.COMMAND,
        command=("true",),
        task_count=combination.claims * tasks_per_slot(combination.feature),
        amounts=task(combination.feature),
        scheduler=kind,
        priority=PRIORITY,
        detection=combination.detection,
        commit=combination.commit,
    )


def room(feature: Feature, machines: int) -> int:
    """How many slots a measurement may place on so many machines: a quarter of what they hold.

    So that none is full by chance, nor under the ceiling's sessions, which write three times as many.
    """
    slots = machines * SLOTS_OF_CPU
    if feature is Feature.DEVICES:
        slots = machines * DEVICES * DEVICE_MILLI // SHARE_MILLI
    elif feature is Feature.ALTERNATIVES:
        slots = machines // 2 * SLOTS_OF_CPU
    return slots // 4


def machine(feature: Feature, number: int, *, filled: int) -> Amounts:
    """What the machine of this number has; `filled` slots are taken by those that victims come from."""
    cpu_milli = SLOTS_OF_CPU * TASK_CPU_MILLI
    if feature is Feature.VICTIMS:
        cpu_milli = filled * TASK_CPU_MILLI
    elif feature is Feature.ALTERNATIVES and number % 2 == 0:
        cpu_milli = TASK_CPU_MILLI - 1  # too small for a task, which to the judge is the same as being full
    return Amounts(
        cpu_milli=cpu_milli,
        memory_bytes=SLOTS_OF_CPU * TASK_MEMORY_BYTES,
        gpu_milli=DEVICES * DEVICE_MILLI if feature is Feature.DEVICES else 0,
        custom=((LICENSE, SLOTS_OF_CPU),) if feature is Feature.CUSTOM else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draft:
    """K claims of one slot each, all of one job, before it is known which job and what was seen.

    machine_id: int64[K]; victim_job, victim_index, victim_attempt: int64[K], one for each claim, or empty;
    alternatives: int64[A].
    """

    machine_id: Int64
    victim_job: Int64
    victim_index: Int64
    victim_attempt: Int64
    alternatives: Int64

    def only(self, some: Bool | Int64) -> Draft:
        """Some of its claims."""
        victims = some if len(self.victim_job) else slice(None)
        return Draft(
            machine_id=self.machine_id[some],
            victim_job=self.victim_job[victims],
            victim_index=self.victim_index[victims],
            victim_attempt=self.victim_attempt[victims],
            alternatives=self.alternatives,
        )

    def transaction(self, lease: Lease, job_id: int, *, seen: Int64, tasks: int) -> Transaction:
        """As one transaction of this job; `seen`: int64, by machine id."""
        claims = len(self.machine_id)
        return Transaction(
            txn_id=uuid4(),
            scheduler_id=lease.holder_id,
            token=lease.token,
            job_id=np.full(claims, job_id),
            machine_id=self.machine_id,
            slots=np.ones(claims, dtype=np.int64),
            claim_sequence=seen[self.machine_id],
            tasks=np.full(claims if tasks > 1 else 0, tasks, dtype=np.int64),
            victims=self._victims(),
            alternatives=Alternatives(
                job_id=np.full(len(self.alternatives), job_id), machine_id=self.alternatives
            )
            if len(self.alternatives)
            else NO_ALTERNATIVES,
        )

    def _victims(self) -> Victims:
        if not len(self.victim_job):
            return NO_VICTIMS
        return Victims(
            claim=np.arange(len(self.victim_job)),
            job_id=self.victim_job,
            first_index=self.victim_index,
            attempt=self.victim_attempt,
        )


def drafts(
    feature: Feature, rows: MachineRows, *, claims: int, count: int, rng: np.random.Generator
) -> list[Draft]:
    """`count` times `claims` claims for random machines; Feature.VICTIMS has victim_drafts."""
    roomy = rows.capacity[:, 0] >= TASK_CPU_MILLI
    found = []
    for _ in range(count):
        alternatives = _NONE
        claimed = rows.machine_id
        if feature is Feature.ALTERNATIVES:
            claimed = rows.machine_id[~roomy]
            alternatives = rng.choice(
                rows.machine_id[roomy], min(ALTERNATIVES, int(roomy.sum())), replace=False
            )
        found.append(
            Draft(
                machine_id=rng.choice(claimed, claims),
                victim_job=_NONE,
                victim_index=_NONE,
                victim_attempt=_NONE,
                alternatives=alternatives,
            )
        )
    return found


def victim_claims(found: Sequence[Preemptible], *, number: int, of: int) -> Draft:
    """One claim for each victim that is the `number`-th scheduler's own, of so many schedulers.

    By the victim's index, so that it does not matter what the others have taken already.
    """
    first_index = np.concatenate([some.first_index for some in found])
    own = first_index % of == number
    return Draft(
        machine_id=np.concatenate([some.machine_id for some in found])[own],
        victim_job=np.concatenate([some.job_id for some in found])[own],
        victim_index=first_index[own],
        victim_attempt=np.concatenate([some.attempt for some in found])[own],
        alternatives=_NONE,
    )


def victim_drafts(every: Draft, *, claims: int, count: int, rng: np.random.Generator) -> list[Draft]:
    """`count` times `claims` of these claims, none twice, in random order."""
    chosen = rng.permutation(len(every.machine_id))[: count * claims].reshape(count, claims)
    return [every.only(some) for some in chosen]
