"""Machines, and the processes that hold a lease: workers and schedulers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from omegacell.cellstate.model.amounts import Amounts
from omegacell.cellstate.model.states import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """A machine as its worker registers it; attributes are strings (numbers compare as numbers)."""

    name: str
    capacity: Amounts
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredMachine:
    """The answer to a machine's registration: its id for ever, its epoch for this registration."""

    machine_id: int
    name: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """A worker process that asks for a lease. (host, boot_id, pid) prove the death of an earlier one.

    `address` is the name or number by which other hosts reach what listens on this one.
    """

    name: str
    host: str
    boot_id: str
    pid: int
    log_directory: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a registered process holds. `token` fences every later call of an earlier incarnation."""

    holder_id: int
    token: int
    lease_seconds: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker as the store sees it."""

    worker_id: int
    name: str
    host: str
    boot_id: str
    pid: int
    log_directory: str
    token: int
    expires_at: float
    alive: bool
    machine_count: int
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """The answer to a scheduler's renewal: when the lease ends, and what people want of it.

    `policy` is "" for its own, else the name or dotted path of the one it should use from now on.
    """

    expires_at: float
    wanted: Wanted
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStatus:
    """A scheduler and what it did since it registered, in OMEGA.md's terms.

    `transactions_failed` counts (job, transaction) pairs in which at least one claim conflicted; `busy_seconds` is the
    time spent thinking as the scheduler reported it; waits are those of jobs whose first attempt was its.
    `wanted` and `policy` are what people asked of it last (SchedulerStore.renew_scheduler).
    """

    scheduler_id: int
    name: str
    kind: str
    token: int
    expires_at: float
    alive: bool
    registered_at: float
    transactions_succeeded: int
    transactions_failed: int
    claims: int
    claims_refused: int
    placements: int
    attempts: int
    busy_seconds: float
    jobs_claimed: int
    wait_p50_seconds: float
    wait_p99_seconds: float
    wanted: Wanted = Wanted.RUN
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineStatus:
    """A machine for people to look at; the scheduler's form is the snapshot. devices: milli used, by index."""

    machine_id: int
    name: str
    worker_id: int
    capacity: Amounts
    used: Amounts
    up: bool
    schedulable: bool
    epoch: int
    version: int
    claim_sequence: int
    placements: int
    attributes: Mapping[str, str]
    devices: tuple[int, ...] = ()
