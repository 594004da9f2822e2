"""The cell as one attempt sees it: a window on the snapshot with the attempt's own claims on top.

The naive way, a copy of the cell per attempt, costs 300 KB at 12,500 machines and grows with the cell. Here
claims are subtracted from the snapshot's `free` and noted; undoing them costs what they touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from omegacell.cellstate.extras import NamedResource
from omegacell.cellstate.model import DEVICE_MILLI, Bool, Int64
from omegacell.cellstate.snapshot import AttributeColumn, Snapshot
from omegacell.schedulers import devices
from omegacell.schedulers.policy import Request

DEVICES = "gpu_milli"
"""What `free` and `capacity` call the devices of a machine together, as Amounts does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Claimed:
    """Claims of a request: rows, slots: int64[K]; on_devices: int64[K, D], milli taken (K = 0 where none are)."""

    request: Request
    rows: Int64
    slots: Int64
    on_devices: Int64


class AttemptView:
    """CellView and TrialView over a snapshot, for one attempt begun at `now`; `rollback(0)` must end it.

    The snapshot must not be applied to while the view holds claims. Claims take devices as the commit will,
    so that a plan of several claims does not count on what an earlier one of them has split.
    """

    def __init__(self, snapshot: Snapshot, now: float = 0.0) -> None:
        self._snapshot = snapshot
        self._now = now
        self._free = snapshot.free
        self._available_to: dict[tuple[int, int], Bool] = {}
        self._claims: list[_Claimed] = []
        self._placed_on: dict[int, Mapping[int, int]] = {}
        self._counts: dict[int, Int64] = {}
        self.machines = snapshot.machines
        self.dimensions = snapshot.dimensions
        self.free_matrix = snapshot.free_to_read
        self.available = snapshot.available_to_read

    # Made when asked for: an attempt at a small job takes no longer than making them all.

    @cached_property
    def names(self) -> Sequence[str]:
        """The machines' names."""
        return self._snapshot.names

    @cached_property
    def machine_id(self) -> Int64:
        """int64[M]."""
        return _frozen(self._snapshot.machine_id)

    @cached_property
    def device_free(self) -> Int64:
        """int64[M, D]: milli free on each device, -1 where a machine has no such device."""
        return _frozen(self._device_free)

    @cached_property
    def capacity_matrix(self) -> Int64:
        """int64[M, R]."""
        return _frozen(self._snapshot.capacity)

    @cached_property
    def _device_free(self) -> Int64:
        return self._snapshot.device_free

    @cached_property
    def _named(self) -> Mapping[str, NamedResource]:
        return self._snapshot.named

    @cached_property
    def _reserved_now(self) -> Bool:
        """bool[V], of the reservations told of."""
        reserved: Bool = self._snapshot.reserved.until > self._now
        return reserved

    @property
    def largest(self) -> Int64:
        """int64[R]: the largest capacity in each dimension."""
        return _frozen(self._snapshot.largest)

    def available_to(self, request: Request) -> Bool:
        """bool[M]: available, and not kept for another job of no lower priority."""
        if not len(self._snapshot.reserved.rows) or not self._reserved_now.any():
            return self.available
        asking = request.job_id, request.priority
        if asking not in self._available_to:
            reserved = self._snapshot.reserved
            kept = (reserved.job_id != request.job_id) & (reserved.priority >= request.priority)
            available = self.available.copy()
            available[reserved.rows[kept & self._reserved_now]] = False
            available.flags.writeable = False
            self._available_to[asking] = available
        return self._available_to[asking]

    def free(self, dimension: str) -> Int64:
        """int64[M]: what is free in one dimension, on all devices together, or of a named resource."""
        if dimension in self.dimensions:
            return self.free_matrix[:, self.dimensions.index(dimension)]
        if dimension == DEVICES:
            return devices.total_free(self.device_free)
        self._check_known(dimension)
        return self.free_named(dimension)

    def capacity(self, dimension: str) -> Int64:
        """int64[M]: what there is in one dimension, on all devices together, or of a named resource."""
        if dimension in self.dimensions:
            return self.capacity_matrix[:, self.dimensions.index(dimension)]
        if dimension == DEVICES:
            milli: Int64 = (self.device_free >= 0).sum(axis=1) * DEVICE_MILLI
            return milli
        self._check_known(dimension)
        return self.capacity_named(dimension)

    def _check_known(self, dimension: str) -> None:
        if dimension not in self._named:
            known = ", ".join((*self.dimensions, DEVICES, *sorted(self._named)))
            raise KeyError(f"dimension {dimension!r} is unknown; expected one of {known}")

    def free_named(self, name: str) -> Int64:
        """int64[M]: milli free of a named resource, zeros if no machine has it."""
        return _frozen(self._named[name].free if name in self._named else self._nothing())

    def capacity_named(self, name: str) -> Int64:
        """int64[M]: milli that there are of a named resource, zeros if no machine has it."""
        return _frozen(self._named[name].capacity if name in self._named else self._nothing())

    def _nothing(self) -> Int64:
        return np.zeros(self.machines, dtype=np.int64)

    def attribute(self, name: str) -> AttributeColumn:
        """An attribute's values as codes."""
        return self._snapshot.attribute(name)

    def expect(self, job_id: int, placed_on: Mapping[int, int]) -> None:
        """Let `count` know what a job holds already, by machine id."""
        self._placed_on[job_id] = placed_on

    def count(self, job: Request | int) -> Int64:
        """int64[M]: placements of a job on each machine, its claims in this attempt included."""
        return _frozen(self._counted(job.job_id if isinstance(job, Request) else job))

    def _counted(self, job_id: int) -> Int64:
        if job_id in self._counts:
            return self._counts[job_id]
        counts = np.zeros(self.machines, dtype=np.int64)
        placed_on = self._placed_on.get(job_id, {})
        if placed_on:
            rows = self._snapshot.rows_of(np.array(list(placed_on), dtype=np.int64))
            held = np.array(list(placed_on.values()), dtype=np.int64)
            counts[rows[rows >= 0]] = held[rows >= 0]
        for claimed in self._claims:
            if claimed.request.job_id == job_id:
                counts[claimed.rows] += claimed.slots
        self._counts[job_id] = counts
        return counts

    def claim(self, request: Request, rows: Int64, slots: Int64, devices: Int64 | None = None) -> None:
        """Count these claims from now on; rows must be distinct; devices as in Plan."""
        on_devices = self._chosen(request, rows, slots, devices)
        claimed = _Claimed(request=request, rows=rows, slots=slots, on_devices=on_devices)
        self._claims.append(claimed)
        self._take(claimed, 1)

    def _chosen(self, request: Request, rows: Int64, slots: Int64, named: Int64 | None) -> Int64:
        """int64[K, D]: what the claims take of each device."""
        if not request.gpu_milli:
            return np.zeros((0, 0), dtype=np.int64)
        if named is None or not len(named):
            named = np.zeros(len(rows), dtype=np.int64)
        return devices.taken(request.gpu_milli, self._device_free[rows], slots, named)

    def _take(self, claimed: _Claimed, sign: int) -> None:
        """Count the claims, or with -1 give back what they took."""
        request, rows, slots = claimed.request, claimed.rows, sign * claimed.slots
        self._free[rows] -= slots[:, None] * request.amounts
        if request.job_id in self._counts:
            self._counts[request.job_id][rows] += slots
        if request.gpu_milli:
            self._device_free[rows] -= sign * claimed.on_devices
        for name, milli in request.custom:
            if name in self._named:
                self._named[name].free[rows] -= slots * milli

    def mark(self) -> int:
        """The present moment, for `rollback`."""
        return len(self._claims)

    def rollback(self, mark: int) -> None:
        """Forget the claims made since; costs what they touched."""
        while len(self._claims) > mark:
            self._take(self._claims.pop(), -1)


def _frozen(array: Int64) -> Int64:
    view = array.view()
    view.flags.writeable = False
    return view
