"""Could a gang ever be placed on the machines that there are?"""

from __future__ import annotations

from collections.abc import Sequence

from omegacell.cellstate.model import DEVICE_MILLI, DIMENSIONS, Amounts, Constraint, JobSpec, MachineStatus
from omegacell.cellstate.snapshot import NAME_ATTRIBUTE, AttributeColumn
from omegacell.schedulers.feasible import satisfied


def most_slots(spec: JobSpec, machines: Sequence[MachineStatus]) -> int:
    """How many tasks the machines would hold at once, were they empty; of their limits only those per machine count."""
    usable = [one for one in machines if one.up and one.schedulable]
    for constraint in spec.constraints:
        usable = _satisfying(constraint, usable)
    limits = [rule.limit for rule in spec.anti_affinity if rule.attribute == NAME_ATTRIBUTE]
    return sum(min([_slots(spec.amounts, one.capacity, spec.task_count), *limits]) for one in usable)


def _satisfying(constraint: Constraint, machines: Sequence[MachineStatus]) -> list[MachineStatus]:
    column = AttributeColumn(len(machines), len(machines))
    for row, machine in enumerate(machines):
        word = {**machine.attributes, NAME_ATTRIBUTE: machine.name}.get(constraint.attribute)
        if word is not None:
            column.put(row, word)
    passed = satisfied(constraint, column)
    return [machine for machine, fits in zip(machines, passed.tolist(), strict=True) if fits]


def _slots(task: Amounts, machine: Amounts, most: int) -> int:
    """Tasks of these amounts that an empty machine holds, `most` at most."""
    fits = [most]
    fits += [getattr(machine, name) // amount for name in DIMENSIONS if (amount := getattr(task, name))]
    has = dict(machine.custom)
    fits += [has.get(name, 0) // amount for name, amount in task.custom]
    if 0 < task.gpu_milli < DEVICE_MILLI:
        fits.append(machine.gpu_milli // DEVICE_MILLI * (DEVICE_MILLI // task.gpu_milli))
    elif task.gpu_milli:
        fits.append(machine.gpu_milli // task.gpu_milli)
    return min(fits)
