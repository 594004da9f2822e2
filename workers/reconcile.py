"""What the store says a machine holds, against what the agent runs: what to start and what to stop."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from omegacell.cellstate.model import Holdings, Placement, Stop
from omegacell.workers.runner import SlotKey, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do. `refuse`: held with a stop and never started here, so they end without running.

    `waiting`: machines with slots that may neither start nor end before the victims whose places they took are gone.
    """

    start: tuple[Placement, ...]
    stop: tuple[tuple[SlotKey, Stop], ...]
    refuse: tuple[Placement, ...]
    kill: tuple[SlotKey, ...]
    waiting: frozenset[int] = frozenset()


def reconcile(
    holdings: Sequence[Holdings],
    running: Mapping[int, Mapping[SlotKey, Stop]],
    finished: Collection[SlotKey],
    started_as: Mapping[SlotKey, SlotKey],
) -> Decision:
    """Compare each machine that was answered; the others stay as they are.

    `running` holds, by machine id, what runs and the stop that was already passed on; `finished` what has
    ended here, reported or not: an answer that was on its way meanwhile must not start it again. Both by the
    key it was started under, which `started_as` gives for slots that go by another since. What runs and is
    no longer held was given up by the store (a reaped lease, a new epoch): it is killed unreported.
    """
    start: list[Placement] = []
    stop: list[tuple[SlotKey, Stop]] = []
    refuse: list[Placement] = []
    kill: list[SlotKey] = []
    waiting: set[int] = set()
    for held in holdings:
        here = running.get(held.machine_id, {})
        vanished = dict.fromkeys(here)
        winners = {placement.preempted_by for placement in held.placements if placement.preempted_by}
        for placement in held.placements:
            key = key_of(placement)
            key = started_as.get(key, key)
            vanished.pop(key, None)
            if key in finished:
                continue
            if key in here:
                if placement.stop is not Stop.NONE and here[key] is Stop.NONE:
                    stop.append((key, placement.stop))
            elif placement.job_id in winners:
                # Also where it is to end unstarted: its end would give others a place in which its victims still run.
                waiting.add(held.machine_id)
            elif placement.stop is not Stop.NONE:
                refuse.append(placement)
            else:
                start.append(placement)
        kill.extend(vanished)
    return Decision(
        start=tuple(start),
        stop=tuple(stop),
        refuse=tuple(refuse),
        kill=tuple(kill),
        waiting=frozenset(waiting),
    )
