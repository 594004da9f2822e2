"""What only some machines have, by row of a snapshot: devices, named resources, reservations.

A cell without any of them has no columns here, and pays two or three comparisons for an update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omegacell.cellstate.model import DEVICE_MILLI, Int64, MachineExtras

_ABSENT = -1
"""The free milli of a device that its machine does not have."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedResource:
    """One named resource over all machines: capacity, free (milli): int64[M], zeros where there is none."""

    capacity: Int64
    free: Int64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reserved:
    """The reservations told of, V of them: rows, job_id, priority: int64[V]; until: float64[V]."""

    rows: Int64
    job_id: Int64
    priority: Int64
    until: NDArray[np.float64]


class ExtrasByRow:
    """The extras of the first `rows` machines, with room for `space`; `resize` follows the snapshot.

    A row's devices, named resources and reservation are replaced together. What is free may be written by
    the running attempt, through its view.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._device_free: Int64 = np.zeros((0, 0), dtype=np.int64)
        self._named: dict[str, NamedResource] = {}
        self._reserved_on: dict[int, tuple[int, int, float]] = {}
        self._reserved: Reserved | None = None

    @property
    def device_free(self) -> Int64:
        """int64[M, D]: milli free on each device, -1 where a machine has no such device."""
        return self._device_free[: self._rows]

    @property
    def named(self) -> Mapping[str, NamedResource]:
        """The named resources that any machine ever had."""
        return {
            name: NamedResource(capacity=column.capacity[: self._rows], free=column.free[: self._rows])
            for name, column in self._named.items()
        }

    @property
    def reserved(self) -> Reserved:
        """The reservations there are, those that have passed included; by row."""
        if self._reserved is None:
            rows = sorted(self._reserved_on)
            held = [self._reserved_on[row] for row in rows]
            self._reserved = Reserved(
                rows=np.array(rows, dtype=np.int64),
                job_id=np.array([job_id for job_id, _, _ in held], dtype=np.int64),
                priority=np.array([priority for _, priority, _ in held], dtype=np.int64),
                until=np.array([until for _, _, until in held], dtype=np.float64),
            )
        return self._reserved

    def resize(self, rows: int, space: int) -> None:
        """Follow the snapshot: `rows` in use out of `space`; new rows have nothing."""
        self._rows = rows
        if space > len(self._device_free):
            self._device_free = _padded(self._device_free, (space, self._device_free.shape[1]), _ABSENT)
            for name, column in self._named.items():
                self._named[name] = NamedResource(
                    capacity=_padded(column.capacity, (space,), 0), free=_padded(column.free, (space,), 0)
                )

    def replace(self, at: Int64, extras: MachineExtras, rows_of: Callable[[Int64], Int64]) -> None:
        """Take from these rows what they had, and give them what `extras` says of their machines."""
        self._clear(at)
        if len(extras.device_machine):
            self._put_devices(at, extras, rows_of(extras.device_machine))
        if len(extras.custom_machine):
            self._put_named(at, extras, rows_of(extras.custom_machine))
        if len(extras.reserved_machine):
            self._put_reserved(at, extras, rows_of(extras.reserved_machine))

    def _clear(self, at: Int64) -> None:
        if self._device_free.shape[1]:
            self._device_free[at] = _ABSENT
        for column in self._named.values():
            column.capacity[at] = 0
            column.free[at] = 0
        if self._reserved_on:
            for row in self._reserved_on.keys() & set(at.tolist()):
                del self._reserved_on[row]
                self._reserved = None

    def _put_devices(self, at: Int64, extras: MachineExtras, rows: Int64) -> None:
        told = np.isin(rows, at)
        rows, index, used = rows[told], extras.device_index[told], extras.device_used[told]
        width = int(index.max(initial=-1)) + 1
        if width > self._device_free.shape[1]:
            self._device_free = _padded(self._device_free, (len(self._device_free), width), _ABSENT)
        self._device_free[rows, index] = DEVICE_MILLI - used

    def _put_named(self, at: Int64, extras: MachineExtras, rows: Int64) -> None:
        told = np.isin(rows, at)
        for name, entries in _positions(extras.custom_name).items():
            mine = entries[told[entries]]
            if name not in self._named and len(mine):
                self._named[name] = _nothing(len(self._device_free))
            if len(mine):
                column, capacity = self._named[name], extras.custom_capacity[mine]
                column.capacity[rows[mine]] = capacity
                column.free[rows[mine]] = capacity - extras.custom_used[mine]

    def _put_reserved(self, at: Int64, extras: MachineExtras, rows: Int64) -> None:
        for entry in np.flatnonzero(np.isin(rows, at)).tolist():
            self._reserved_on[int(rows[entry])] = (
                int(extras.reserved_job[entry]),
                int(extras.reserved_priority[entry]),
                extras.reserved_until[entry],
            )
            self._reserved = None


def _positions(names: Sequence[str]) -> dict[str, Int64]:
    """Where each name stands in the sequence."""
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(name, []).append(position)
    return {name: np.array(positions, dtype=np.int64) for name, positions in found.items()}


def _nothing(space: int) -> NamedResource:
    return NamedResource(capacity=np.zeros(space, dtype=np.int64), free=np.zeros(space, dtype=np.int64))


def _padded(array: Int64, shape: tuple[int, ...], empty: int) -> Int64:
    """The array in the corner of a larger one that is `empty` elsewhere."""
    padded = np.full(shape, empty, dtype=np.int64)
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded
