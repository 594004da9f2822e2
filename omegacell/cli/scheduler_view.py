"""How schedulers, their conflicts and what is installed for them look to people."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import assert_never

from omegacell.cellstate.model import SchedulerStatus, Wanted
from omegacell.cli.output import duration, table
from omegacell.client.conflicts import ConflictRow
from omegacell.schedulers import kinds, metrics, plugins


def show(found: Sequence[SchedulerStatus]) -> None:
    """A row for each, in Omega's terms (schedulers/metrics.py)."""
    now = time.time()
    counts = ("TRANSACTIONS", "PLACEMENTS", "CONFLICT FRACTION", "BUSYNESS", "WAIT P50", "WAIT P99")
    swapped = any(one.policy for one in found)
    rows = []
    for one in found:
        measured = metrics.of_status(one, now=now)
        rows.append(
            (
                one.name,
                one.kind,
                state(one),
                *((one.policy or "its own",) if swapped else ()),
                measured.transactions,
                measured.placements,
                _ratio(measured.conflict_fraction),
                _ratio(measured.busyness),
                duration(measured.wait_p50_seconds) if one.jobs_claimed else "",
                duration(measured.wait_p99_seconds) if one.jobs_claimed else "",
            )
        )
    table(("SCHEDULER", "KIND", "STATE", *(("POLICY",) if swapped else ()), *counts), rows, right=counts)


def line(scheduler: SchedulerStatus) -> str:
    """Its name, what is wanted of it and its policy."""
    policy = f", policy {scheduler.policy}" if scheduler.policy else ""
    return f"{scheduler.name} {state(scheduler)}{policy}"


def state(scheduler: SchedulerStatus) -> str:
    """Whether it serves, and what is wanted of it; one that is held stays so when it comes again."""
    match scheduler.wanted:
        case Wanted.RUN:
            return "up" if scheduler.alive else "gone"
        case Wanted.HOLD:
            return "held" if scheduler.alive else "gone, held"
        case Wanted.DRAIN:
            return "draining" if scheduler.alive else "gone"
        case _:
            assert_never(scheduler.wanted)


def show_conflicts(keys: Sequence[str], found: Sequence[ConflictRow]) -> None:
    """A row for each combination of the keys."""
    rows = [(*(one.keys[key] for key in keys), one.claims, one.slots) for one in found]
    table((*(key.upper() for key in keys), "CLAIMS", "SLOTS"), rows, right=("CLAIMS", "SLOTS"))


def show_installed() -> None:
    """A row for each policy and kind of scheduler that is installed here."""
    rows = [
        ("policy", name, _promise(plugins.load(plugins.POLICIES, "policy", name)))
        for name in plugins.names(plugins.POLICIES)
    ]
    rows += [("scheduler kind", name, _promise(kinds.load(name))) for name in kinds.names()]
    table(("WHAT", "NAME", "PROMISE"), rows)


def _ratio(measured: float) -> str:
    return "" if math.isnan(measured) else f"{measured:.3f}"


def _promise(thing: object) -> str:
    return (getattr(thing, "__doc__", None) or "").strip().partition("\n")[0]
