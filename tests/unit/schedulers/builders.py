"""Small cells, requests and stores for the tests of the schedulers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory.store import MemoryStore
from omegacell.cellstate.model import (
    DEVICE_MILLI,
    NO_EXTRAS,
    Amounts,
    Changes,
    ClaimedJob,
    CommitMode,
    Detection,
    JobSpec,
    MachineExtras,
    MachineFacts,
    MachineRows,
    MachineSpec,
    Submission,
    TaskKind,
    Watermark,
    WorkerSpec,
)
from omegacell.cellstate.snapshot import Snapshot
from omegacell.cellstate.store import Store
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
    extras: MachineExtras = NO_EXTRAS,
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
        extras=extras,
    )


def extras(
    devices: Sequence[Sequence[int]] = (),
    *,
    custom: Mapping[str, Sequence[int]] | None = None,
    reserved: Mapping[int, tuple[int, int, float]] | None = None,
    first_id: int = 1,
) -> MachineExtras:
    """Devices with so much free, by machine; custom[name]: of 9,000, so much free, by machine, -1 for none.

    reserved: machine id to (job, priority, until).
    """
    on = [
        (machine, index, DEVICE_MILLI - free)
        for machine, has in enumerate(devices, first_id)
        for index, free in enumerate(has)
    ]
    named = [
        (machine, name, 9_000, 9_000 - free)
        for name, has in (custom or {}).items()
        for machine, free in enumerate(has, first_id)
        if free >= 0
    ]
    kept = [(machine, *of) for machine, of in (reserved or {}).items()]
    return MachineExtras(
        **_columns(on, "device_machine", "device_index", "device_used"),
        **_columns([(one[0], *one[2:]) for one in named], "custom_machine", "custom_capacity", "custom_used"),
        custom_name=tuple(name for _, name, _, _ in named),
        **_columns([one[:3] for one in kept], "reserved_machine", "reserved_job", "reserved_priority"),
        reserved_until=tuple(until for *_, until in kept),
    )


def _columns(of: Sequence[tuple[int, ...]], *names: str) -> dict[str, Any]:
    table = np.array(of, dtype=np.int64).reshape(len(of), len(names))
    return {name: table[:, column] for column, name in enumerate(names)}


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
    free: Sequence[Sequence[int]],
    attributes: Sequence[Mapping[str, str]] = (),
    *,
    now: float = START,
    **more: Any,
) -> AttemptView:
    """A view of a cell with so much free."""
    snapshot = Snapshot()
    snapshot.apply(changes(rows(free, **more), attributes or [{}] * len(free)))
    return AttemptView(snapshot, now)


def request(count: int = 1, cpu: int = 1, memory: int = 0, **more: Any) -> Request:
    """`count` tasks of job 1."""
    return Request(job_id=1, count=count, amounts=np.array([cpu, memory, 0], dtype=np.int64), **more)


def claimed_job(**more: Any) -> ClaimedJob:
    """Job 1 of a batch scheduler, of which nothing is placed yet."""
    fields: dict[str, Any] = {
        "job_id": 1,
        "name": "job",
        "scheduler": "batch",
        "policy": "",
        "amounts": Amounts(cpu_milli=1),
        "constraints": (),
        "anti_affinity": (),
        "spread": "",
        "priority": 100,
        "detection": Detection.FINE,
        "commit": CommitMode.INCREMENTAL,
        "gang_min": 0,
        "service": False,
        "expected_duration_seconds": 0.0,
        "task_count": 1_000,
        "pending": 1_000,
        "placed": 0,
        "ended": 0,
        "attempts": 0,
        "fruitless": 0,
        "submitted_at": START,
        "placed_on": {},
    }
    return ClaimedJob(**(fields | more))


class MemoryCell:
    """A memory store with machines and an owned clock; or another store, under its own `clock`."""

    def __init__(
        self,
        *machines: int | Amounts,
        attributes: Sequence[Mapping[str, str]] = (),
        store: Store | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or ManualClock(START)
        self.store: Store = store or MemoryStore(self.clock)
        self._submissions = 0
        spec = WorkerSpec(name="worker", host="host", boot_id="boot", pid=1)
        self.worker = self.store.register_worker(spec, lease_seconds=1e9)
        self.add(*machines, attributes=attributes)

    def add(
        self, *machines: int | Amounts, attributes: Sequence[Mapping[str, str]] = (), first: int = 1
    ) -> None:
        """More machines, called m<first> and on, with so many milli-cpus, or with just these amounts."""
        self.store.register_machines(
            self.worker.holder_id,
            self.worker.token,
            [
                MachineSpec(
                    name=f"m{first + number}",
                    capacity=has if isinstance(has, Amounts) else Amounts(cpu_milli=has, memory_bytes=2**30),
                    attributes=attributes[number] if attributes else {},
                )
                for number, has in enumerate(machines)
            ],
        )

    def submit(
        self,
        tasks: int = 1,
        cpu: int = 1_000,
        *,
        gpu: int = 0,
        custom: tuple[tuple[str, int], ...] = (),
        **more: Any,
    ) -> int:
        """A job of so many tasks that want so many milli of each; its id."""
        self._submissions += 1
        spec = JobSpec(
            name=f"job-{self._submissions}",
            kind=TaskKind.COMMAND,
            task_count=tasks,
            amounts=Amounts(cpu_milli=cpu, gpu_milli=gpu, custom=custom),
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
