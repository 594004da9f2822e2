"""Every error omegacell raises, as one tree.

    OmegaError
    ├── SpecInvalid (ValueError)      what the user wrote cannot be accepted; nothing was stored
    │   └── MachineInUse              a machine of that name is held by another live worker
    ├── NotFound (KeyError)           no job, machine, worker or scheduler of that id or name
    ├── KeyConflict                   the key exists with a different specification
    ├── StoreUnavailable              the database cannot be reached, or stopped answering
    ├── SchemaMismatch                the database's schema is not the one this version speaks
    ├── TokenLost                     a newer incarnation took over; the caller must stop
    ├── TasksFailed                   results were asked for and some tasks have none
    ├── TaskLost                      a task was lost more often than its job allows
    └── PolicyError                   a policy or scheduler kind is unknown or broke its contract

Expected outcomes (a refused claim, a job without room) are values, not errors. All of these pickle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class OmegaError(Exception):
    """Root of the tree. The message is one sentence: thing, value, what was expected, what to do."""

    def __str__(self) -> str:
        """The bare sentence, also for KeyError's descendants, which would show its repr."""
        return str(self.args[0]) if self.args else ""


class SpecInvalid(OmegaError, ValueError):
    """What the user wrote cannot be accepted; nothing was stored."""


class MachineInUse(SpecInvalid):
    """A machine of that name is held by another worker whose lease has not ended."""


class NotFound(OmegaError, KeyError):
    """There is no job, machine, worker or scheduler of that id or name."""


class KeyConflict(OmegaError):
    """A job with this key exists and its specification differs; `fields` names where."""

    def __init__(self, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message, tuple(fields))

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that differ, sorted."""
        found: tuple[str, ...] = self.args[1]
        return found


class StoreUnavailable(OmegaError):
    """The database cannot be reached, or stopped answering while it was used."""


class SchemaMismatch(OmegaError):
    """The database's schema version is not the one this omegacell speaks."""


class TokenLost(OmegaError):
    """The caller's fencing token is no longer the current one: a newer incarnation took over."""


class TasksFailed(OmegaError):
    """Results were asked for with errors="raise" and some tasks have none."""

    def __init__(self, message: str, failed: Sequence[int] = (), outcomes: Sequence[Any] = ()) -> None:
        super().__init__(message, tuple(failed), tuple(outcomes))

    @property
    def failed(self) -> tuple[int, ...]:
        """Indexes of the tasks without a result, ascending."""
        found: tuple[int, ...] = self.args[1]
        return found

    @property
    def outcomes(self) -> tuple[Any, ...]:
        """The final outcome of each of them, in the same order; None for a task that never ran."""
        found: tuple[Any, ...] = self.args[2]
        return found

    @property
    def stderr_tail(self) -> str:
        """The end of what the first of them wrote to standard error, "" where none wrote any."""
        tails = (outcome.stderr_tail for outcome in self.outcomes if outcome is not None)
        return next(filter(None, tails), "")


class TaskLost(OmegaError):
    """A task was lost with its machine more often than its job allows."""


class PolicyError(OmegaError):
    """A policy or scheduler kind is unknown, or broke its contract."""
