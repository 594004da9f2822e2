"""Whether a plan may be claimed: the guard between a policy and the scheduler. Trusts nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from omegacell.cellstate.model import Int64
from omegacell.cellstate.room import device_count, device_indexes, device_milli
from omegacell.schedulers.feasible import group_limits, room
from omegacell.schedulers.policy import CellView, Plan, Request


def offence(request: Request, cell: CellView, plan: Plan) -> str:
    """What makes a plan not allowed, as one clause; "" if it may be claimed."""
    rows, slots, devices = np.asarray(plan.rows), np.asarray(plan.slots), np.asarray(plan.devices)
    if not rows.size and not slots.size and not devices.size:
        return ""
    malformed = _malformed_devices(rows, devices) or _malformed(rows, slots, cell.machines)
    if malformed:
        return malformed
    rows, slots = rows.astype(np.int64), slots.astype(np.int64)
    return _too_much(request, cell, rows, slots) or _wrong_devices(request, cell, rows, slots, devices)


def _malformed(rows: NDArray[np.generic], slots: NDArray[np.generic], machines: int) -> str:
    """What is wrong with the lists themselves."""
    if rows.ndim != 1 or rows.shape != slots.shape:
        return f"rows of shape {rows.shape}, slots of shape {slots.shape}; expected two lists of one length"
    if not (np.issubdtype(rows.dtype, np.integer) and np.issubdtype(slots.dtype, np.integer)):
        return f"rows of {rows.dtype} and slots of {slots.dtype}; expected integers"
    strange = rows[(rows < 0) | (rows >= machines)]  # type: ignore[operator]  # integers, as just checked
    if len(strange):
        return f"row {strange[0]}; expected 0 to {machines - 1}"
    if slots.min(initial=1) < 1:
        return f"{slots.min()} slots on row {rows[slots.argmin()]}; expected at least 1"
    if len(np.unique(rows)) != len(rows):
        return "the same row twice; expected each row once with all its slots"
    return ""


def _malformed_devices(rows: NDArray[np.generic], devices: NDArray[np.generic]) -> str:
    """What is wrong with the list of devices itself."""
    if devices.size and (devices.shape != rows.shape or not np.issubdtype(devices.dtype, np.signedinteger)):
        return f"devices of {devices.dtype} and shape {devices.shape}; expected an integer mask for each row"
    return ""


def _too_much(request: Request, cell: CellView, rows: Int64, slots: Int64) -> str:
    """Which hard rule the plan breaks."""
    if slots.sum() > request.count:
        return f"{slots.sum()} tasks; expected at most the {request.count} asked for"
    fits = room(request, cell, rows)
    over = np.flatnonzero(slots > fits)
    if len(over):
        first = over[0]
        name = cell.names[rows[first]]
        return f"{slots[first]} tasks on machine {name!r}, which may take {fits[first]}"
    for limit in group_limits(request, cell):
        taken = np.bincount(limit.group[rows], weights=slots, minlength=len(limit.left))
        if (taken > limit.left).any():
            return f"more tasks on one value of {limit.attribute!r} than the job's anti-affinity allows"
    return ""


def _wrong_devices(
    request: Request, cell: CellView, rows: Int64, slots: Int64, devices: NDArray[np.generic]
) -> str:
    """Which rule the devices named break."""
    wanted, milli = device_count(request.gpu_milli), device_milli(request.gpu_milli)
    for k in np.flatnonzero(devices).tolist():
        mask, name = int(devices[k]), cell.names[rows[k]]
        if slots[k] != 1:
            return (
                f"devices by name for {slots[k]} slots on machine {name!r}; expected them for a single slot"
            )
        if mask < 0 or mask.bit_count() != wanted:
            return f"devices {mask:#x} on machine {name!r}; expected a mask of {wanted} devices"
        free = cell.device_free[rows[k]]
        if any(index >= len(free) or free[index] < milli for index in device_indexes(mask)):
            return f"devices {mask:#x} on machine {name!r}; expected devices it has, with {milli} milli free each"
    return ""
