"""Finding what users plug in: by entry point, by dotted path, or handed over as an object."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points

from omegacell.cellstate.errors import PolicyError
from omegacell.schedulers.policy import PlacePolicy, Policy, ScorePolicy

POLICIES = "omegacell.policies"
"""Entry point group of placement policies."""


@cache
def names(group: str) -> tuple[str, ...]:
    """The names registered in an entry point group, sorted."""
    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def load(group: str, what: str, name: str) -> object:
    """The object of that name in the group, or at `package.module:Name`; PolicyError if there is none."""
    if ":" in name:
        return _at_path(what, name)
    for entry in entry_points(group=group, name=name):
        return _at_path(what, entry.value)
    raise PolicyError(
        f"{what} {name!r} is unknown; expected one of {', '.join(names(group))}, or package.module:Name"
    )


def _at_path(what: str, path: str) -> object:
    module_name, _, attribute = path.partition(":")
    try:
        found: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # a user's module may raise anything while it is imported
        raise PolicyError(
            f"{what} {path!r} cannot be loaded: {type(error).__name__}: {error}; "
            f"expected package.module:Name that this process can import"
        ) from error
    return found


def policy(wanted: str | object) -> Policy:
    """A policy ready for use, from its name, its path, its class or itself."""
    found = load(POLICIES, "policy", wanted) if isinstance(wanted, str) else wanted
    made = _instance(found)
    if isinstance(made, PlacePolicy | ScorePolicy):
        return made
    raise PolicyError(
        f"policy {_name_of(wanted)} has neither place(request, cell, rng) nor score(request, cell, rows); "
        f"give it one of them"
    )


def _instance(found: object) -> object:
    if not isinstance(found, type):
        return found
    try:
        return found()
    except Exception as error:  # a user's class may raise anything
        raise PolicyError(
            f"policy {_name_of(found)} cannot be made without arguments: {type(error).__name__}: {error}; "
            f"pass an instance of it"
        ) from error


def policy_name(chosen: str | object) -> str:
    """What to call a policy in explanations and logs: its registered name, else its path."""
    if isinstance(chosen, str):
        return chosen
    path = _name_of(chosen)
    return _registered(POLICIES).get(path, path)


@cache
def _registered(group: str) -> dict[str, str]:
    """Names by path."""
    return {entry.value: entry.name for entry in entry_points(group=group)}


def _name_of(found: object) -> str:
    if isinstance(found, str):
        return repr(found)
    kind = found if isinstance(found, type) else type(found)
    return f"{kind.__module__}:{kind.__qualname__}"
