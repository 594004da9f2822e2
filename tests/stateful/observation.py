"""What can be seen of a store, as plain values that compare equal for two stores in the same state."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from omegacell.cellstate.errors import KeyConflict, OmegaError
from omegacell.cellstate.model import (
    Changes,
    Endings,
    Event,
    Lease,
    MachineExtras,
    MachineRows,
    Preemption,
    Verdict,
)
from omegacell.cellstate.store import Store

_AS_THEY_ARE = frozenset({int, str, bool, bytes, type(None)})
_MICROSECONDS = 6
"""PostgreSQL's timestamps have six decimals; a float of today's seconds is off by less than half of that."""


def plain(value: Any) -> Any:
    """Dataclasses as dicts by field name, arrays as lists, times to the microsecond, tokens by role."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return round(value, _MICROSECONDS)
    if kind in (tuple, list):
        return [plain(found) for found in value]
    if isinstance(value, Mapping):
        return {key: plain(found) for key, found in value.items()}
    if dataclasses.is_dataclass(kind):
        # Tokens differ between stores: all that counts is whether there is one.
        return {
            name: bool(found) if name == "token" else plain(found)
            for name, found in ((name, getattr(value, name)) for name in _names(kind))
        }
    return value.tolist() if kind is np.ndarray else value


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def lease(answer: Lease) -> Any:
    """A lease, its token by role."""
    return plain(answer)


def verdict(answer: Verdict, now: float) -> Any:
    """A verdict, its rows by machine."""
    return plain(answer) | {"rows": rows(answer.rows, now)}


def changes(answer: Changes, now: float) -> Any:
    """A sync's answer without what is the store's own: the watermark and the number of log rows."""
    return {
        "full": answer.full,
        "rows": rows(answer.rows, now),
        "facts": sorted((fact.machine_id, fact.name, dict(fact.attributes)) for fact in answer.facts),
    }


def rows(found: MachineRows, now: float) -> dict[int, Any]:
    """The machines' rows by id, each with its devices, named resources and reservation (if it still holds)."""
    columns = (found.claim_sequence, found.version, found.capacity, found.used, found.available)
    values = zip(*(column.tolist() for column in columns), strict=True)
    by_machine: dict[int, dict[str, Any]] = {
        machine_id: {"row": row, "devices": [], "custom": [], "reserved": []}
        for machine_id, row in zip(found.machine_id.tolist(), values, strict=True)
    }
    for kind, machine_id, *values_of_one in _extras(found.extras):
        if kind != "reserved" or values_of_one[-1] > now:
            by_machine[machine_id][kind].append(plain(values_of_one))
    return by_machine


def _extras(extras: MachineExtras) -> Iterator[tuple[Any, ...]]:
    """What only some machines have: its kind, the machine, and its values."""
    devices = (extras.device_machine, extras.device_index, extras.device_used)
    custom = (extras.custom_machine, extras.custom_name, extras.custom_capacity, extras.custom_used)
    reserved = (
        extras.reserved_machine,
        extras.reserved_job,
        extras.reserved_priority,
        extras.reserved_until,
    )
    for kind, columns in (("devices", devices), ("custom", custom), ("reserved", reserved)):
        for values in zip(*(plain(column) for column in columns), strict=True):
            yield kind, *values


def outcome_of(call: Callable[[], Any]) -> tuple[str, Any]:
    """What a call did: ("returned", value), or the name of the error it raised and what that names."""
    try:
        return ("returned", call())
    except KeyConflict as error:
        return ("KeyConflict", error.fields)
    except OmegaError as error:
        return (type(error).__name__, None)


def cell(store: Store) -> dict[str, Any]:
    """The jobs and machines."""
    return {
        "jobs": plain(store.jobs(limit=1000)),
        "machines": plain(store.machines()),
    }


def of_endings(found: Endings) -> list[Any]:
    """The outcomes, by task and attempt."""
    return sorted(plain(found.outcomes), key=lambda one: (one["task_index"], one["attempt"]))


def of_events(found: Iterable[Event]) -> dict[str, list[Any]]:
    """What happened to each job on each machine, in its order: what one call does to several is in any."""
    of: dict[str, list[Any]] = {}
    for event in found:
        of.setdefault(f"j{event.job_id} on {event.machine_id}", []).append(plain(event))
    return of


def of_preemptions(found: tuple[Preemption, ...]) -> list[Any]:
    """Records in an order of all: those of one transaction have one time."""
    return sorted(plain(found), key=lambda one: tuple(one.values()))


def difference(one: Any, other: Any, path: str = "") -> str:
    """Where two plain values differ first, and how."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            if one[key] != other[key]:
                return difference(one[key], other[key], f"{path}/{key}")
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for index, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            if mine != theirs:
                return difference(mine, theirs, f"{path}/{index}")
    return f"at {path or '/'}: the first store says {one!r}, the second {other!r}"
