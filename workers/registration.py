"""Becoming the current incarnation of a worker, also while an earlier one's lease still runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from omegacell.cellstate.clock import boottime
from omegacell.cellstate.errors import MachineInUse, StoreUnavailable, TokenLost
from omegacell.cellstate.model import Lease, MachineSpec, RegisteredMachine, WorkerSpec, WorkerStatus
from omegacell.cellstate.store import WorkerStore
from omegacell.workers.cordon import CordonStore
from omegacell.workers.guard import guard_gone, lock_path
from omegacell.workers.host import process_exists
from omegacell.workers.lease import LeaseTerm

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
"""Between tries while an earlier lease runs out, or the store is away."""


class AgentStore(WorkerStore, CordonStore, Protocol):
    """What an agent needs of the store: the worker's part, who the workers are, and a say on its machines."""

    def workers(self) -> tuple[WorkerStatus, ...]:
        """As ClientStore.workers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The lease, its term by this host's clock, and the machines in the order they were asked for."""

    lease: Lease
    term: LeaseTerm
    machines: tuple[RegisteredMachine, ...]
    specs: tuple[MachineSpec, ...]


def replaceable_token(
    spec: WorkerSpec,
    workers: Sequence[WorkerStatus],
    *,
    exists: Callable[[int], bool],
    groups_killed: Callable[[WorkerStatus], bool],
) -> int:
    """The token of an earlier incarnation that is proven dead; 0 if there is none, or no proof.

    Proof: it ran in the same boot and pid namespace of this host, its process is gone (or its id is the
    caller's own, who cannot be two), and so is the guard that kills what it ran.
    """
    for earlier in workers:
        if earlier.name != spec.name or not earlier.alive:
            continue
        if (earlier.host, earlier.boot_id) != (spec.host, spec.boot_id):
            continue
        if earlier.pid == spec.pid or (not exists(earlier.pid) and groups_killed(earlier)):
            return earlier.token
    return 0


def register(
    store: AgentStore,
    spec: WorkerSpec,
    machines: Sequence[MachineSpec],
    *,
    lease_seconds: float,
    stopping: threading.Event,
) -> Registration | None:
    """Register the worker and its machines, waiting as long as it takes; None if told to stop meanwhile."""
    said = ""
    while not stopping.is_set():
        try:
            return _register_once(store, spec, machines, lease_seconds)
        except (MachineInUse, StoreUnavailable, TokenLost) as error:
            if str(error) != said:
                said = str(error)
                log.warning("worker %s waits to register: %s", spec.name, error)
        stopping.wait(_RETRY_SECONDS)
    return None


def _register_once(
    store: AgentStore, spec: WorkerSpec, machines: Sequence[MachineSpec], lease_seconds: float
) -> Registration:
    token = replaceable_token(
        spec,
        store.workers(),
        exists=process_exists,
        groups_killed=lambda earlier: guard_gone(lock_path(earlier.log_directory, earlier.name)),
    )
    sent_at = boottime()
    lease = store.register_worker(spec, lease_seconds=lease_seconds, replace_token=token)
    term = LeaseTerm(sent_at=sent_at, lease_seconds=lease.lease_seconds)
    registered = store.register_machines(lease.holder_id, lease.token, machines)
    return Registration(lease=lease, term=term, machines=registered, specs=tuple(machines))
