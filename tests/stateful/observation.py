"""What can be seen of a store, as plain values that compare equal for two stores in the same state."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from omegacell.cellstate.errors import KeyConflict, OmegaError
from omegacell.cellstate.model import Changes, Lease, Verdict
from omegacell.cellstate.store import Store

_MICROSECONDS = 6
"""PostgreSQL's timestamps have six decimals; a float of today's seconds is off by less than half of that."""


def plain(value: Any) -> Any:
    """Dataclasses as dicts by field name, arrays as lists, times to the microsecond, tokens by role."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _by_role(field.name, getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {key: plain(found) for key, found in value.items()}
    if isinstance(value, tuple | list):
        return [plain(found) for found in value]
    if isinstance(value, float):
        return round(value, _MICROSECONDS)
    return value.tolist() if isinstance(value, np.ndarray) else value


def _by_role(name: str, value: Any) -> Any:
    """Tokens differ between stores: all that counts is whether there is one."""
    return bool(value) if name == "token" else plain(value)


def lease(answer: Lease) -> Any:
    """A lease, its token by role."""
    return plain(answer)


def verdict(answer: Verdict) -> Any:
    """A verdict, its rows by machine."""
    return plain(answer) | {"rows": rows(answer)}


def changes(answer: Changes) -> Any:
    """A sync's answer without what is the store's own: the watermark and the number of log rows."""
    return {
        "full": answer.full,
        "rows": rows(answer),
        "facts": sorted((fact.machine_id, fact.name, dict(fact.attributes)) for fact in answer.facts),
    }


def rows(answer: Verdict | Changes) -> dict[int, Any]:
    """The machines' rows by id."""
    found = answer.rows
    columns = (found.claim_sequence, found.version, found.capacity, found.used, found.available)
    values = zip(*(column.tolist() for column in columns), strict=True)
    return dict(zip(found.machine_id.tolist(), values, strict=True))


def outcome_of(call: Callable[[], Any]) -> tuple[str, Any]:
    """What a call did: ("returned", value), or the name of the error it raised and what that names."""
    try:
        return ("returned", call())
    except KeyConflict as error:
        return ("KeyConflict", error.fields)
    except OmegaError as error:
        return (type(error).__name__, None)


def cell(store: Store) -> dict[str, Any]:
    """The jobs and machines, and whether all is right with them."""
    return {
        "violations": plain(store.check()),
        "jobs": plain(store.jobs(limit=1000)),
        "machines": plain(store.machines()),
    }


def holders(store: Store) -> dict[str, Any]:
    """The processes that hold leases."""
    return {"schedulers": plain(store.schedulers()), "workers": plain(store.workers())}


def of_job(store: Store, job_id: int) -> dict[str, Any]:
    """What one job holds, waits for and has behind it."""
    return {
        "placements": plain(store.placements(job_id)),
        "retries": plain(store.retries(job_id)),
        "outcomes": plain(store.outcomes(job_id)),
        "explanation": json.loads(store.explanation(job_id)),
    }


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
