"""Devices as the commit hands them out (cellstate/room.py), for many machines at once. Pure.

`gpu_milli` is what one task takes: below DEVICE_MILLI a share of one device, else that many whole devices.
`device_free: int64[K, D]` is what each machine's devices have free, -1 where it has no such device.
"""

from __future__ import annotations

import numpy as np

from omegacell.cellstate.model import DEVICE_MILLI, Bool, Int64
from omegacell.cellstate.room import device_count, device_milli


def is_share(gpu_milli: int) -> bool:
    """Whether a task takes a part of one device."""
    return 0 < gpu_milli < DEVICE_MILLI


def slots_fitting(gpu_milli: int, device_free: Int64) -> Int64:
    """int64[K]: tasks for which the devices of each machine have room."""
    if is_share(gpu_milli):
        shares: Int64 = _shares(gpu_milli, device_free).sum(axis=1)
        return shares
    whole: Int64 = (device_free == DEVICE_MILLI).sum(axis=1) // device_count(gpu_milli)
    return whole


def shares_on_used(gpu_milli: int, device_free: Int64) -> Int64:
    """int64[K]: shares for which each machine has room on devices that are in use already."""
    shares: Int64 = (_shares(gpu_milli, device_free) * (device_free < DEVICE_MILLI)).sum(axis=1)
    return shares


def _shares(gpu_milli: int, device_free: Int64) -> Int64:
    """int64[K, D]: shares that fit on each device; none on one that is not there."""
    shares: Int64 = np.maximum(device_free, 0) // gpu_milli
    return shares


def total_free(device_free: Int64) -> Int64:
    """int64[K]: milli free on the devices of each machine together."""
    total: Int64 = np.maximum(device_free, 0).sum(axis=1)
    return total


def on_offer(gpu_milli: int, device_free: Int64) -> Int64:
    """int64[K]: milli that a task can have: of the freest device for a share, of entirely free devices else."""
    if is_share(gpu_milli):
        freest: Int64 = device_free.max(axis=1, initial=0)
        return freest
    whole: Int64 = DEVICE_MILLI * (device_free == DEVICE_MILLI).sum(axis=1)
    return whole


def taken(gpu_milli: int, device_free: Int64, slots: Int64, named: Int64) -> Int64:
    """int64[K, D]: milli that `slots` tasks on each machine take of each of its devices.

    `named: int64[K]` are masks of the devices of a single slot, 0 where the store chooses. What does not fit
    takes nothing.
    """
    slots = slots[:, None]
    if is_share(gpu_milli):
        chosen = _fill_fullest_first(_shares(gpu_milli, device_free), device_free, slots)
    else:
        free = device_free == DEVICE_MILLI
        chosen = (free & (np.cumsum(free, axis=1) <= slots * device_count(gpu_milli))).astype(np.int64)
    return np.where(named[:, None] > 0, _in_masks(named, device_free.shape[1]), chosen) * device_milli(
        gpu_milli
    )


def _fill_fullest_first(shares: Int64, device_free: Int64, slots: Int64) -> Int64:
    """int64[K, D]: shares on each device. A device that took one is the fullest that has room until it has none."""
    key = np.where(shares > 0, device_free, DEVICE_MILLI + 1)
    order = np.argsort(key, axis=1, kind="stable")
    room = np.take_along_axis(shares, order, axis=1)
    before = np.cumsum(room, axis=1) - room
    chosen = np.zeros_like(shares)
    np.put_along_axis(chosen, order, np.clip(slots - before, 0, room), axis=1)
    return chosen


def _in_masks(named: Int64, width: int) -> Bool:
    """bool[K, D]: the sets of devices that these bit masks stand for."""
    chosen: Bool = (named[:, None] >> np.arange(width) & 1).astype(np.bool_)
    return chosen
