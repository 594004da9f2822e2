"""Small cells, requests and stores for the tests of the schedulers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory.store import MemoryStore
from omegacell.cellstate.model import (
    Amounts,
    Changes,
    JobSpec,
    MachineFacts,
    MachineRows,
    MachineSpec,
    Submission,
    TaskKind,
    Watermark,
    WorkerSpec,
)
from omegacell.cellstate.snapshot import Snapshot
from omegacell.schedulers.policy import Request
from omegacell.schedulers.scheduler import Scheduler
from omegacell.schedulers.view import AttemptView

START = 1_000.0


def rows(
    free: Sequence[Sequence[int]],
    *,
    capacity: Sequence[Sequence[int]] | None = None,
    available: Sequence[bool] | None = None,
    version: int = 1,
    first_id: int = 1,
) -> MachineRows:
    """Machines with so much free (cpu, memory, disk) of so much (default: all of it)."""
    count = len(free)
    has = np.array(free if capacity is None else capacity, dtype=np.int64).reshape(count, 3)
    return MachineRows(
        machine_id=np.arange(first_id, first_id + count, dtype=np.int64),
        version=np.full(count, version, dtype=np.int64),
        claim_sequence=np.zeros(count, dtype=np.int64),
        capacity=has,
        used=has - np.array(free, dtype=np.int64).reshape(count, 3),
        available=np.array([True] * count if available is None else available, dtype=np.bool_),
    )


def changes(of: MachineRows, attributes: Sequence[Mapping[str, str]] = (), *, full: bool = True) -> Changes:
    """A feed's answer with these rows; machine i is called m<i> and has attributes[i - 1]."""
    return Changes(
        full=full,
        rows=of,
        facts=tuple(
            MachineFacts(machine_id=machine_id, name=f"m{machine_id}", attributes=has)
            for machine_id, has in zip(of.machine_id.tolist(), attributes, strict=False)
        ),
        watermark=Watermark(generation=1, snapshot="1"),
        log_rows=0,
    )


def view(
    free: Sequence[Sequence[int]], attributes: Sequence[Mapping[str, str]] = (), **more: Any
) -> AttemptView:
    """A view of a cell with so much free."""
    snapshot = Snapshot()
    snapshot.apply(changes(rows(free, **more), attributes or [{}] * len(free)))
    return AttemptView(snapshot)


def request(count: int = 1, cpu: int = 1, memory: int = 0, **more: Any) -> Request:
    """`count` tasks of job 1."""
    return Request(job_id=1, count=count, amounts=np.array([cpu, memory, 0], dtype=np.int64), **more)


class MemoryCell:
    """A memory store with machines and an owned clock."""

    def __init__(self, *cpus: int, attributes: Sequence[Mapping[str, str]] = ()) -> None:
        self.clock = ManualClock(START)
        self.store = MemoryStore(self.clock)
        self._submissions = 0
        spec = WorkerSpec(name="worker", host="host", boot_id="boot", pid=1)
        self.worker = self.store.register_worker(spec, lease_seconds=1e9)
        self.add(*cpus, attributes=attributes)

    def add(self, *cpus: int, attributes: Sequence[Mapping[str, str]] = (), first: int = 1) -> None:
        """More machines, called m<first> and on, with so many milli-cpus."""
        self.store.register_machines(
            self.worker.holder_id,
            self.worker.token,
            [
                MachineSpec(
                    name=f"m{first + number}",
                    capacity=Amounts(cpu_milli=cpu, memory_bytes=2**30),
                    attributes=attributes[number] if attributes else {},
                )
                for number, cpu in enumerate(cpus)
            ],
        )

    def submit(self, tasks: int = 1, cpu: int = 1_000, **more: Any) -> int:
        """A job of so many tasks that want so many milli-cpus each; its id."""
        self._submissions += 1
        spec = JobSpec(
            name=f"job-{self._submissions}",
            kind=TaskKind.COMMAND,
            task_count=tasks,
            amounts=Amounts(cpu_milli=cpu),
            command=("true",),
            **more,
        )
        submission = Submission(submission_id=UUID(int=self._submissions), spec=spec)
        return self.store.submit([submission])[0].job_id

    def scheduler(self, kind: type[Scheduler], name: str = "s-1", seed: int = 1, **more: Any) -> Scheduler:
        """A registered scheduler."""
        lease = self.store.register_scheduler(name, kind.kind, lease_seconds=10.0)
        store = more.pop("store", self.store)
        return kind(store, name=name, lease=lease, rng=np.random.default_rng(seed), **more)

    def run(self, scheduler: Scheduler) -> Any:
        """One attempt, finished at once."""
        now = self.clock.now()
        return scheduler.finish(scheduler.begin(now), now)
