"""Who lost claims to whom, where and over what: the store's counts, added up by what people ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import ConflictCount
from omegacell.cellstate.store import ClientStore

KEYS = ("machine", "rival", "dimension", "scheduler")
"""What conflicts can be added up by. rival: whose claim was there first; scheduler: whose was refused."""

UNKNOWN = "unknown"
"""A rival that left no trace: a machine claimed before the log begins, or by nobody known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictRow:
    """How many claims were refused for a conflict, and slots of them; `keys` says of what, in the order asked."""

    keys: Mapping[str, str]
    claims: int
    slots: int


def rows(store: ClientStore, by: Iterable[str], since: float) -> list[ConflictRow]:
    """The conflicts since a time, those that happened most first."""
    keys = checked(by)
    return added_up(
        store.conflicts(since=since),
        keys,
        machines={one.machine_id: one.name for one in store.machines()} if "machine" in keys else {},
        schedulers={one.scheduler_id: one.name for one in store.schedulers()}
        if {"rival", "scheduler"} & set(keys)
        else {},
    )


def checked(by: Iterable[str]) -> tuple[str, ...]:
    """The keys; SpecInvalid for one that there is not."""
    keys = tuple(dict.fromkeys([by] if isinstance(by, str) else by))
    for key in keys:
        if key not in KEYS:
            raise SpecInvalid(f"by={key!r} is unknown; expected one or more of {', '.join(KEYS)}")
    return keys


def added_up(
    counts: Iterable[ConflictCount],
    keys: Sequence[str],
    *,
    machines: Mapping[int, str],
    schedulers: Mapping[int, str],
) -> list[ConflictRow]:
    """One row for each combination of the keys; names by id, the id where a name is gone."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for one in counts:
        told = {
            "machine": machines.get(one.machine_id, str(one.machine_id)),
            "rival": schedulers.get(one.rival_scheduler, str(one.rival_scheduler))
            if one.rival_scheduler
            else UNKNOWN,
            "dimension": one.reason.name.lower(),
            "scheduler": schedulers.get(one.scheduler_id, str(one.scheduler_id)),
        }
        key = tuple(told[name] for name in keys)
        claims, slots = found.get(key, (0, 0))
        found[key] = (claims + one.claims, slots + one.slots)
    ranked = sorted(found.items(), key=lambda one: (-one[1][0], -one[1][1], one[0]))
    return [
        ConflictRow(keys=dict(zip(keys, key, strict=True)), claims=claims, slots=slots)
        for key, (claims, slots) in ranked
    ]
