"""Finding a kind of scheduler: a class, by entry point in group `omegacell.schedulers` or by dotted path."""

from __future__ import annotations

from omegacell.cellstate.errors import PolicyError
from omegacell.schedulers import plugins
from omegacell.schedulers.scheduler import Scheduler

KINDS = "omegacell.schedulers"
"""Entry point group of scheduler kinds."""


def load(name: str) -> type[Scheduler]:
    """The class of that kind, by name or `package.module:Name`; PolicyError if there is none."""
    found = plugins.load(KINDS, "scheduler kind", name)
    if not (isinstance(found, type) and issubclass(found, Scheduler)):
        raise PolicyError(
            f"scheduler kind {name!r} is {found!r}; expected a subclass of "
            "omegacell.schedulers.scheduler.Scheduler"
        )
    if not found.kind:
        raise PolicyError(f"scheduler kind {name!r} has no `kind`; set it to the Job.scheduler it serves")
    return found


def names() -> tuple[str, ...]:
    """The kinds registered by entry point."""
    return plugins.names(KINDS)
