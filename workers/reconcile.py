"""What the store says a machine holds, against what the agent runs: what to start and what to stop."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from omegacell.cellstate.model import Holdings, Placement, Stop
from omegacell.workers.runner import TaskKey, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do. `refuse`: held with a stop and never started here, so they end without running."""

    start: tuple[Placement, ...]
    stop: tuple[tuple[TaskKey, Stop], ...]
    refuse: tuple[Placement, ...]
    kill: tuple[TaskKey, ...]


def reconcile(
    holdings: Sequence[Holdings],
    running: Mapping[int, Mapping[TaskKey, Stop]],
    finished: Collection[TaskKey],
) -> Decision:
    """Compare each machine that was answered; the others stay as they are.

    `running` holds, by machine id, what runs and the stop that was already passed on; `finished` what has
    ended here, reported or not: an answer that was on its way meanwhile must not start it again. What runs
    and is no longer held was given up by the store (a reaped lease, a new epoch): it is killed unreported.
    """
    start: list[Placement] = []
    stop: list[tuple[TaskKey, Stop]] = []
    refuse: list[Placement] = []
    kill: list[TaskKey] = []
    for held in holdings:
        here = running.get(held.machine_id, {})
        vanished = dict.fromkeys(here)
        for placement in held.placements:
            key = key_of(placement)
            vanished.pop(key, None)
            if key in finished:
                continue
            if key not in here:
                (start if placement.stop is Stop.NONE else refuse).append(placement)
            elif placement.stop is not Stop.NONE and here[key] is Stop.NONE:
                stop.append((key, placement.stop))
        kill.extend(vanished)
    return Decision(start=tuple(start), stop=tuple(stop), refuse=tuple(refuse), kill=tuple(kill))
