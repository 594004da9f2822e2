"""What is free on one machine, how many slots of a job fit there, and which devices they get. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from omegacell.cellstate.model import DEVICE_MILLI, DIMENSIONS, Amounts, Reason

DIMENSION_REASONS = (Reason.CPU, Reason.MEMORY, Reason.DISK)
assert len(DIMENSION_REASONS) == len(DIMENSIONS)


class Fit(NamedTuple):
    """How many slots fit and, if fewer than wanted, the first thing that allows no more, with what is free of it."""

    slots: int
    reason: Reason
    free: int


class Room:
    """What is free on one machine; it changes as slots take it and give it back.

    amounts: in the order of DIMENSIONS; devices: milli by index; custom: milli by name. None is ever negative
    as long as only what `fit` allowed is taken.
    """

    __slots__ = ("amounts", "custom", "devices")

    def __init__(
        self, amounts: Iterable[int], *, devices: Iterable[int] = (), custom: Mapping[str, int] | None = None
    ) -> None:
        self.amounts = list(amounts)
        self.devices = list(devices)
        self.custom = dict(custom or {})

    def copy(self) -> Room:
        """A room of its own with the same things free."""
        return Room(self.amounts, devices=self.devices, custom=self.custom)

    def fit(self, amounts: Amounts, *, wanted: int, named: int = 0) -> Fit:
        """How many of `wanted` slots fit, on the devices `named` (a mask; one slot) or on any where it is 0."""
        slots, reason, of_it = wanted, Reason.ACCEPTED, 0
        for why, amount, free in zip(DIMENSION_REASONS, as_tuple(amounts), self.amounts, strict=True):
            if amount and free // amount < slots:
                slots, reason, of_it = free // amount, why, free
        if named or not amounts.plain:
            for limit in self._further_limits(amounts, named):
                if limit.slots < slots:
                    slots, reason, of_it = limit
        return Fit(slots, reason, of_it)

    def _further_limits(self, amounts: Amounts, named: int) -> Iterator[Fit]:
        """What devices and named resources allow."""
        if named:
            yield self._named_limit(amounts.gpu_milli, named)
        elif amounts.gpu_milli:
            yield self._device_limit(amounts.gpu_milli)
        for name, amount in amounts.custom:
            free = self.custom.get(name, 0)
            yield Fit(free // amount, Reason.CUSTOM, free)

    def _device_limit(self, gpu_milli: int) -> Fit:
        if gpu_milli < DEVICE_MILLI:
            shares = sum(free // gpu_milli for free in self.devices)
            return Fit(shares, Reason.DEVICE, max(self.devices, default=0))
        whole = self.devices.count(DEVICE_MILLI)
        return Fit(whole // device_count(gpu_milli), Reason.DEVICE, whole * DEVICE_MILLI)

    def _named_limit(self, gpu_milli: int, named: int) -> Fit:
        indexes = device_indexes(named)
        if len(indexes) != device_count(gpu_milli) or indexes[-1] >= len(self.devices):
            return Fit(0, Reason.DEVICE, 0)
        free = min(self.devices[index] for index in indexes)
        return Fit(int(free >= device_milli(gpu_milli)), Reason.DEVICE, free)

    def place(self, amounts: Amounts, *, slots: int, named: int = 0) -> tuple[int, ...]:
        """Take the room of slots that fit; the mask of the devices of each, nothing where they need none."""
        if not amounts.gpu_milli:
            self.take(amounts, slots=slots)
            return ()
        masks: list[int] = []
        for _ in range(slots):
            masks.append(named or self._choose(amounts.gpu_milli))
            self.take(amounts, devices=masks[-1])
        return tuple(masks)

    def _choose(self, gpu_milli: int) -> int:
        """The devices of one more slot that fits.

        A share fills up the fullest device that still has it: the others stay whole for those who need that.
        """
        if gpu_milli < DEVICE_MILLI:
            free = [index for index, milli in enumerate(self.devices) if milli >= gpu_milli]
            return 1 << min(free, key=lambda index: self.devices[index])
        whole = [index for index, milli in enumerate(self.devices) if milli == DEVICE_MILLI]
        return device_mask(whole[: device_count(gpu_milli)])

    def take(self, amounts: Amounts, *, slots: int = 1, devices: int = 0) -> None:
        """Count slots as placed, all on the same devices (a mask)."""
        self._change(amounts, -slots, devices)

    def give(self, amounts: Amounts, *, slots: int = 1, devices: int = 0) -> None:
        """Take back what `take` did."""
        self._change(amounts, slots, devices)

    def _change(self, amounts: Amounts, slots: int, devices: int) -> None:
        for position, amount in enumerate(as_tuple(amounts)):
            self.amounts[position] += slots * amount
        if devices:
            for index in device_indexes(devices):
                self.devices[index] += slots * device_milli(amounts.gpu_milli)
        for name, amount in amounts.custom:
            self.custom[name] += slots * amount


def as_tuple(amounts: Amounts) -> tuple[int, int, int]:
    """The amounts in the order of DIMENSIONS."""
    return (amounts.cpu_milli, amounts.memory_bytes, amounts.disk_bytes)


def device_count(gpu_milli: int) -> int:
    """How many devices a task is on: one with a share, else as many as it wants whole."""
    return -(-gpu_milli // DEVICE_MILLI)


def device_milli(gpu_milli: int) -> int:
    """What a task takes of each of its devices."""
    return min(gpu_milli, DEVICE_MILLI)


def device_indexes(mask: int) -> tuple[int, ...]:
    """The devices of a bit mask, ascending."""
    return tuple(index for index in range(mask.bit_length()) if mask >> index & 1)


def device_mask(indexes: Iterable[int]) -> int:
    """The inverse of device_indexes."""
    mask = 0
    for index in indexes:
        mask |= 1 << index
    return mask
