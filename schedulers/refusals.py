"""Why machines refuse a task: what each hard rule turns away, counted for explanations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from omegacell.cellstate.model import Bool, Constraint, Int64, Operator
from omegacell.schedulers.feasible import group_limits, room, satisfied
from omegacell.schedulers.policy import CellView, Request

Counts = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Why machines refused one more task; a machine is counted by the first rule that it fails.

    Within `constraints` and within `dimensions` it is counted under each that fails. `nearest` is the
    eligible machine that lacks least (normalised by the largest machine), "" where none is eligible;
    `nearest_free` what it has, by dimension. `largest` is the largest capacity among eligible machines.
    """

    machines: int
    unavailable: int
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
    constraints={},
    dimensions={},
    anti_affinity=0,
    fitting=0,
    nearest="",
    nearest_free={},
    largest={},
)
"""The refusals of a plan that placed all it was asked to: nobody looked."""


def count_refusals(request: Request, cell: CellView) -> Refusals:
    """Count, over all machines, what each rule refuses; costs a few passes over the cell."""
    available = cell.available
    held = available.copy()
    by_constraint: Counts = {}
    for constraint in request.constraints:
        passed = satisfied(constraint, cell.attribute(constraint.attribute))
        _add(by_constraint, describe(constraint), int((available & ~passed).sum()))
        held &= passed
    lacking = request.amounts - cell.free_matrix
    fitting = held & (lacking <= 0).all(axis=1)
    by_dimension: Counts = {}
    for dimension, name in enumerate(cell.dimensions):
        _add(by_dimension, name, int((held & (lacking[:, dimension] > 0)).sum()))
    fits = fitting & (room(request, cell) > 0)
    for limit in group_limits(request, cell):
        fits &= limit.left[limit.group] > 0
    nearest = _nearest(request, cell, held & ~fitting, lacking)
    return Refusals(
        machines=cell.machines,
        unavailable=int((~available).sum()),
        constraints=by_constraint,
        dimensions=by_dimension,
        anti_affinity=int((fitting & ~fits).sum()),
        fitting=int(fits.sum()),
        nearest=cell.names[nearest] if nearest >= 0 else "",
        nearest_free=_named(cell, cell.free_matrix[nearest]) if nearest >= 0 else {},
        largest=_named(cell, cell.capacity_matrix[held].max(axis=0, initial=0)) if held.any() else {},
    )


def _add(counts: Counts, name: str, refused: int) -> None:
    if refused:
        counts[name] = refused


def _named(cell: CellView, amounts: Int64) -> Counts:
    return dict(zip(cell.dimensions, amounts.tolist(), strict=True))


def _nearest(request: Request, cell: CellView, among: Bool, lacking: Int64) -> int:
    """The row among these with the least lack in its worst dimension; -1 if there are none."""
    rows = np.flatnonzero(among)
    if not len(rows):
        return -1
    lack = (lacking[rows] / np.maximum(cell.largest, 1)).max(axis=1)
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
