"""Why machines refuse a task: what each hard rule turns away, counted for explanations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from omegacell.cellstate.model import DEVICE_MILLI, Bool, Constraint, Int64, Operator
from omegacell.schedulers.devices import on_offer
from omegacell.schedulers.feasible import group_limits, room, satisfied
from omegacell.schedulers.policy import CellView, Request

Counts = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Why machines refused one more task; a machine is counted by the first rule that it fails.

    Within `constraints` and within `dimensions` it is counted under each that fails; the latter are also "gpu"
    and the names of custom resources. `reserved` are those kept for another job. `nearest` is the
    eligible machine that lacks least (normalised by the largest machine), "" where none is eligible;
    `nearest_free` what it has, by dimension. `largest` is the largest capacity among eligible machines. Of
    devices, free is what one task could have of them (devices.on_offer), and so is capacity.
    """

    machines: int
    unavailable: int
    reserved: int
    constraints: Counts
    dimensions: Counts
    anti_affinity: int
    fitting: int
    nearest: str
    nearest_free: Counts
    largest: Counts


NOT_ASKED = Refusals(
    machines=0,
    unavailable=0,
    reserved=0,
    constraints={},
    dimensions={},
    anti_affinity=0,
    fitting=0,
    nearest="",
    nearest_free={},
    largest={},
)
"""The refusals of a plan that placed all it was asked to: nobody looked."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Amounts:
    """What a task needs, and what machines offer, in each of E amounts.

    needed, largest (what the largest machine has): int64[E]; free, capacity: int64[M, E].
    """

    names: tuple[str, ...]
    needed: Int64
    largest: Int64
    free: Int64
    capacity: Int64


def count_refusals(request: Request, cell: CellView) -> Refusals:
    """Count, over all machines, what each rule refuses; costs a few passes over the cell."""
    usable = cell.available_to(request)
    held = usable.copy()
    by_constraint: Counts = {}
    for constraint in request.constraints:
        passed = satisfied(constraint, cell.attribute(constraint.attribute))
        _add(by_constraint, describe(constraint), int((usable & ~passed).sum()))
        held &= passed
    amounts = _amounts(request, cell)
    lacking = amounts.needed - amounts.free
    fitting = held & (lacking <= 0).all(axis=1)
    by_dimension: Counts = {}
    for column, name in enumerate(amounts.names):
        _add(by_dimension, name, int((held & (lacking[:, column] > 0)).sum()))
    fits = fitting & (room(request, cell) > 0)
    for limit in group_limits(request, cell):
        fits &= limit.left[limit.group] > 0
    nearest = _nearest(held & ~fitting, lacking, amounts.largest)
    return Refusals(
        machines=cell.machines,
        unavailable=int((~cell.available).sum()),
        reserved=int((cell.available & ~usable).sum()),
        constraints=by_constraint,
        dimensions=by_dimension,
        anti_affinity=int((fitting & ~fits).sum()),
        fitting=int(fits.sum()),
        nearest=cell.names[nearest] if nearest >= 0 else "",
        nearest_free=_by_name(amounts, amounts.free[nearest]) if nearest >= 0 else {},
        largest=_by_name(amounts, amounts.capacity[held].max(axis=0, initial=0)) if held.any() else {},
    )


def _amounts(request: Request, cell: CellView) -> _Amounts:
    """The dimensions, and beside them the devices and named resources that the request asks for."""
    names, needed, free, capacity = cell.dimensions, request.amounts, cell.free_matrix, cell.capacity_matrix
    if not request.gpu_milli and not request.custom:
        return _Amounts(names=names, needed=needed, largest=cell.largest, free=free, capacity=capacity)
    of_custom = [
        (name, milli, cell.free_named(name), cell.capacity_named(name)) for name, milli in request.custom
    ]
    more = [*_of_devices(request, cell), *of_custom]
    capacity = np.column_stack((capacity, *(has for *_, has in more)))
    return _Amounts(
        names=(*names, *(name for name, *_ in more)),
        needed=np.append(needed, [milli for _, milli, *_ in more]),
        largest=capacity.max(axis=0, initial=0),
        free=np.column_stack((free, *(has for _, _, has, _ in more))),
        capacity=capacity,
    )


def _of_devices(request: Request, cell: CellView) -> list[tuple[str, int, Int64, Int64]]:
    """(name, needed, free: int64[M], capacity: int64[M]) of the devices, if any are asked for."""
    if not request.gpu_milli:
        return []
    all_free = np.where(cell.device_free < 0, cell.device_free, DEVICE_MILLI)
    free = on_offer(request.gpu_milli, cell.device_free)
    return [("gpu", request.gpu_milli, free, on_offer(request.gpu_milli, all_free))]


def _add(counts: Counts, name: str, refused: int) -> None:
    if refused:
        counts[name] = refused


def _by_name(amounts: _Amounts, values: Int64) -> Counts:
    return dict(zip(amounts.names, values.tolist(), strict=True))


def _nearest(among: Bool, lacking: Int64, largest: Int64) -> int:
    """The row among these with the least lack in its worst amount; -1 if there are none."""
    rows = np.flatnonzero(among)
    if not len(rows):
        return -1
    lack = (lacking[rows] / np.maximum(largest, 1)).max(axis=1)
    return int(rows[lack.argmin()])


def describe(constraint: Constraint) -> str:
    """The constraint as people write it."""
    match constraint.operator:
        case Operator.EXISTS:
            return f"{constraint.attribute} exists"
        case Operator.IN | Operator.NOT_IN:
            return f"{constraint.attribute} {constraint.operator} ({', '.join(constraint.values)})"
        case Operator.EQ | Operator.NE | Operator.GT | Operator.LT:
            return f"{constraint.attribute} {constraint.operator} {constraint.values[0]}"
        case _ as never:
            assert_never(never)
