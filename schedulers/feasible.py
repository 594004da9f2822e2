"""The hard rules: which machines may take a task of a request, and how many.

In this order: the machine is available and not kept for another job, its attributes satisfy every constraint,
the amounts fit (in the dimensions, on devices, of named resources), and no anti-affinity limit is passed. All
vectorised over the rows asked for, so that a policy that looks at few machines pays for few, and a request
without devices pays nothing for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from omegacell.cellstate.model import Bool, Constraint, Int64, Operator
from omegacell.cellstate.snapshot import NAME_ATTRIBUTE, AttributeColumn
from omegacell.schedulers import devices
from omegacell.schedulers.policy import CellView, Request

Rows = Int64 | slice
ALL = slice(None)
"""Every row, without a copy."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupLimit:
    """At most so many tasks per value of an attribute: group: int64[M], left: int64[G] by group.

    Machines without the attribute form one group together, the last: nobody knows that they differ.
    """

    attribute: str
    group: Int64
    left: Int64


def room(request: Request, cell: CellView, rows: Rows = ALL) -> Int64:
    """int64[K]: tasks of the request each row could take by itself, from 0 to `request.count`.

    Limits per attribute value bind several machines together and are not in it: see `group_limits`.
    """
    fits = _fits(request, cell, rows)
    fits[~eligible(request, cell, rows)] = 0
    for limit in _limits_per_machine(request):
        np.minimum(fits, np.maximum(limit - cell.count(request)[rows], 0), out=fits)
    return fits


def eligible(request: Request, cell: CellView, rows: Rows = ALL) -> Bool:
    """bool[K]: available to this request, and every constraint holds."""
    passed = cell.available_to(request)[rows].copy()
    for constraint in request.constraints:
        passed &= satisfied(constraint, cell.attribute(constraint.attribute), rows)
    return passed


def satisfied(constraint: Constraint, column: AttributeColumn, rows: Rows = ALL) -> Bool:
    """bool[K]: whether the constraint holds; without the attribute only != and not in do.

    Answered once per distinct value, then looked up: the code -1 of "absent" finds the last entry.
    """
    return _by_word(constraint, column)[column.codes[rows]]


def _by_word(constraint: Constraint, column: AttributeColumn) -> Bool:
    """bool[V + 1], the last for machines without the attribute."""
    answer = np.zeros(len(column) + 1, dtype=np.bool_)
    match constraint.operator:
        case Operator.EQ | Operator.IN:
            answer[_codes(constraint, column)] = True
        case Operator.NE | Operator.NOT_IN:
            answer[:] = True
            answer[_codes(constraint, column)] = False
        case Operator.EXISTS:
            answer[:-1] = True
        case Operator.GT:
            answer[:-1] = column.numbers > float(constraint.values[0])
        case Operator.LT:
            answer[:-1] = column.numbers < float(constraint.values[0])
        case _ as never:
            assert_never(never)
    return answer


def _codes(constraint: Constraint, column: AttributeColumn) -> list[int]:
    return [code for value in constraint.values if (code := column.code(value)) >= 0]


def _fits(request: Request, cell: CellView, rows: Rows) -> Int64:
    """int64[K]: tasks that fit by amounts alone, at most `request.count`."""
    free = cell.free_matrix[rows]
    fits = np.full(len(free), request.count, dtype=np.int64)
    for dimension, amount in enumerate(request.amounts.tolist()):
        if amount == 1:
            np.minimum(fits, free[:, dimension], out=fits)
        elif amount:
            np.minimum(fits, free[:, dimension] // amount, out=fits)
    if request.gpu_milli:
        np.minimum(fits, devices.slots_fitting(request.gpu_milli, cell.device_free[rows]), out=fits)
    for name, milli in request.custom:
        np.minimum(fits, cell.free_named(name)[rows] // milli, out=fits)
    return np.maximum(fits, 0, out=fits)


def _limits_per_machine(request: Request) -> list[int]:
    return [rule.limit for rule in request.anti_affinity if rule.attribute == NAME_ATTRIBUTE]


def group_limits(request: Request, cell: CellView) -> list[GroupLimit]:
    """The limits per attribute value, less what the job has placed; a pass over the cell if there are any."""
    limits = []
    for rule in request.anti_affinity:
        if rule.attribute == NAME_ATTRIBUTE:
            continue
        column = cell.attribute(rule.attribute)
        group = groups(column)
        held = np.bincount(group, weights=cell.count(request), minlength=len(column) + 1).astype(np.int64)
        limits.append(
            GroupLimit(attribute=rule.attribute, group=group, left=np.maximum(rule.limit - held, 0))
        )
    return limits


def groups(column: AttributeColumn) -> Int64:
    """int64[M]: a number from 0 to V per machine; machines without the attribute share the number V."""
    codes: Int64 = column.codes.astype(np.int64)
    codes[codes < 0] = len(column)
    return codes
