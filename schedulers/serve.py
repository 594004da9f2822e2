"""From options to a running loop: what the command, the Ray actor and the local cell share."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.settings import Settings
from omegacell.schedulers import kinds, plugins
from omegacell.schedulers.config import PRESETS, SchedulerConfig
from omegacell.schedulers.loop import Loop
from omegacell.schedulers.scheduler import Scheduler

UNSET = -1.0
"""A number that was not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """What it takes to start a scheduler; plain values, as they cross processes.

    `kind` and `policy` are names or `package.module:Name`; `policy` "" means the kind's own. Think times
    that are UNSET are the preset's. `seed` makes the random choices repeatable; UNSET
    draws a fresh one.
    """

    dsn: str
    schema: str = "omega"
    kind: str = "batch"
    name: str = "batch-0"
    policy: str = ""
    preset: str = "default"
    think_job_seconds: float = UNSET
    think_task_seconds: float = UNSET
    seed: int = int(UNSET)


def config_of(options: SchedulerOptions, kind: type[Scheduler], settings: Settings) -> SchedulerConfig:
    """The preset, with the lease and the poll interval of the settings and the think times given."""
    if options.preset != "default" and options.preset not in PRESETS:
        known = ", ".join(["default", *sorted(PRESETS)])
        raise SpecInvalid(f"preset {options.preset!r} is unknown; expected one of {known}")
    chosen = PRESETS.get(options.preset, kind.default_config)
    think = {
        name: value
        for name in ("think_job_seconds", "think_task_seconds")
        if (value := getattr(options, name)) != UNSET
    }
    if any(value < 0 for value in think.values()):
        raise SpecInvalid(f"think times {think} are negative; expected seconds, 0 or more")
    return replace(chosen, lease_seconds=settings.lease_seconds, poll_seconds=settings.poll_seconds, **think)


@contextlib.contextmanager
def loop_of(options: SchedulerOptions, settings: Settings) -> Iterator[Loop]:
    """A loop on its own store and hints, which are closed at the end; the caller runs it.

    SpecInvalid, PolicyError, SchemaMismatch or StoreUnavailable, before anything is registered.
    """
    from omegacell.cellstate.hints import Hints, Listener
    from omegacell.cellstate.postgres import PostgresStore

    _add_user_paths()
    kind = kinds.load(options.kind)
    config = config_of(options, kind, settings)
    plugins.policy(options.policy or kind.default_policy)
    with contextlib.ExitStack() as stack:
        store = PostgresStore(options.dsn, schema=options.schema, settings=settings)
        stack.callback(store.close)
        told: dict[str, Any] = {}
        if not settings.poll_only:
            hints = Hints(options.dsn, options.schema)
            stack.callback(hints.close)
            listener = Listener(options.dsn, options.schema, ["jobs", "control"])
            stack.callback(listener.close)
            told = {"wakeup": listener, "announce": hints.send}
        yield Loop(
            store,
            kind,
            name=options.name,
            rng=np.random.default_rng(None if options.seed == int(UNSET) else options.seed),
            policy=options.policy,
            config=config,
            **told,
        )


def _add_user_paths() -> None:
    """Let kinds and policies of the user's own folders be imported, which come last: they shadow nothing."""
    for entry in os.environ.get("OMEGA_SYS_PATH", "").split(os.pathsep):
        if entry and entry not in sys.path:
            sys.path.append(entry)
