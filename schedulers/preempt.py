"""Which placements end so that a job of higher priority gets their place. Pure.

Asked for each slot that a plan could not find room for. A slot costs harm: every victim counts 1 + its
priority, so that few and unimportant ones go; of equal harm the smaller amounts go, then the younger ones,
which lose least work. The slot goes to the machine with the least harm, which then is looked at again, less
what it gave.

Naively every set of placements of every machine is a candidate. Here, on each machine, all that may go is
given up in thought and then taken back one by one, the important first, as long as the slot still fits; once
with the small ones before the large and once the other way round, as either may leave fewer; and each is
tried alone. Only the machines that promise least harm are looked at so closely.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from omegacell.cellstate.model import DEVICE_MILLI, Amounts, Bool, Int64, Preemptible
from omegacell.cellstate.room import Room
from omegacell.schedulers.feasible import GroupLimit

MACHINES_ASKED = 2_000
"""The most machines a scheduler asks for what they hold, for one job; of more, a random sample."""

_EXAMINED_AT_LEAST, _EXAMINED_PER_SLOT = 64, 4
"""Machines looked at closely, the most promising first: enough that the least harm is hardly ever missed."""

Harm = tuple[int, float, float]
"""Of placements: sum of 1 + priority, amounts in shares of the largest machine, minus the start of the oldest."""

_NONE: Harm = (0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A machine that could take slots of the job if others left it; `places`: how many anti-affinity allows."""

    row: int
    room: Room
    places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seizure:
    """One slot on a machine, and the placements (positions in Preemptible) that give it its place; maybe none."""

    row: int
    victims: tuple[int, ...]


def choose(
    needs: Amounts,
    wanted: int,
    candidates: Sequence[Candidate],
    held: Preemptible,
    *,
    row_of: Int64,
    largest: Int64,
    limits: Sequence[GroupLimit] = (),
    budget: int,
) -> tuple[Seizure, ...]:
    """Up to `wanted` slots with their victims, together at most `budget`, the least harm first.

    row_of: int64[P], the row of each placement's machine, which must be a candidate's; largest: int64[R]. Slots of one
    machine come in the order in which the commit must judge them. No placement is named twice. The rooms are used up.
    """
    harm = _harm_of_each(held, largest)
    left = [limit.left.copy() for limit in limits]
    open_: list[tuple[Harm, int, tuple[int, ...], _Holder]] = []
    for holder in _most_promising(needs, wanted, candidates, held, row_of):
        _offer(open_, holder, needs, harm)
    chosen: list[Seizure] = []
    while open_ and len(chosen) < wanted:
        _, row, victims, holder = heapq.heappop(open_)
        groups = [limit.group[row] for limit in limits]
        closed = any(have[group] < 1 for have, group in zip(left, groups, strict=True))
        if closed or len(victims) > budget:
            continue
        for have, group in zip(left, groups, strict=True):
            have[group] -= 1
        budget -= len(victims)
        chosen.append(Seizure(row=row, victims=victims))
        holder.take(needs, victims)
        _offer(open_, holder, needs, harm)
    return tuple(chosen)


def _offer(
    open_: list[tuple[Harm, int, tuple[int, ...], _Holder]],
    holder: _Holder,
    needs: Amounts,
    harm: Sequence[Harm],
) -> None:
    """Put up the holder's next slot, if it has one; of equal harm the lower row comes first."""
    found = holder.cheapest(needs, harm)
    if found is not None:
        heapq.heappush(open_, (found[0], holder.row, found[1], holder))


class _Holder:
    """A candidate with what it holds that may go, by position in `held`."""

    def __init__(self, candidate: Candidate, held: Preemptible, positions: Iterable[int]) -> None:
        self.row = candidate.row
        self._room = candidate.room
        self._places = candidate.places
        self._left = list(positions)
        self._amounts = {position: _amounts(held, position) for position in self._left}
        self._devices = {position: int(held.devices[position]) for position in self._left}
        for amounts in self._amounts.values():
            for name, _ in amounts.custom:
                self._room.custom.setdefault(name, 0)

    def cheapest(self, needs: Amounts, harm: Sequence[Harm]) -> tuple[Harm, tuple[int, ...]] | None:
        """The victims of least harm that make room for a slot, and that harm; None if none suffice."""
        if not self._places:
            return None
        if self._fits(needs):
            return _NONE, ()
        self._give(self._left)
        found = [self._spared(needs, order) for order in _orders(self._left, harm) if self._fits(needs)]
        self._keep(self._left)
        found += [(position,) for position in self._left if self._suffices(position, needs)]
        return min(((_total(harm, victims), victims) for victims in found), default=None)

    def _suffices(self, position: int, needs: Amounts) -> bool:
        """Whether this one alone makes room."""
        self._give([position])
        fits = self._fits(needs)
        self._keep([position])
        return fits

    def _spared(self, needs: Amounts, order: Sequence[int]) -> tuple[int, ...]:
        """Who still has to go after sparing, in this order, everyone who can be; the least harmful first."""
        spared = []
        for position in order:
            self._keep([position])
            if self._fits(needs):
                spared.append(position)
            else:
                self._give([position])
        self._give(spared)
        return tuple(position for position in reversed(order) if position not in spared)

    def take(self, needs: Amounts, victims: Sequence[int]) -> None:
        """Count a slot in the place of its victims."""
        self._give(victims)
        self._left = [position for position in self._left if position not in victims]
        self._room.place(needs, slots=1)
        self._places -= 1

    def _fits(self, needs: Amounts) -> bool:
        return self._room.fit(needs, wanted=1).slots >= 1

    def _give(self, positions: Iterable[int]) -> None:
        for position in positions:
            self._room.give(self._amounts[position], devices=self._devices[position])

    def _keep(self, positions: Iterable[int]) -> None:
        for position in positions:
            self._room.take(self._amounts[position], devices=self._devices[position])


def _amounts(held: Preemptible, position: int) -> Amounts:
    cpu_milli, memory_bytes, disk_bytes = held.amounts[position].tolist()
    return Amounts(
        cpu_milli=cpu_milli,
        memory_bytes=memory_bytes,
        disk_bytes=disk_bytes,
        gpu_milli=int(held.gpu_milli[position]),
        custom=held.custom[position],
    )


def _orders(positions: Sequence[int], harm: Sequence[Harm]) -> Iterable[list[int]]:
    """Orders of sparing: the important first, then the small or the large, then the old."""
    for sign in (1, -1):
        yield sorted(positions, key=lambda at: (-harm[at][0], sign * harm[at][1], -harm[at][2]))


def _harm_of_each(held: Preemptible, largest: Int64) -> list[Harm]:
    shares = (held.amounts / np.maximum(largest, 1)).sum(axis=1) + held.gpu_milli / DEVICE_MILLI
    each = zip(held.priority.tolist(), shares.tolist(), held.placed_at, strict=True)
    return [(1 + priority, share, -placed_at) for priority, share, placed_at in each]


def _total(harm: Sequence[Harm], victims: Sequence[int]) -> Harm:
    each = [harm[victim] for victim in victims]
    return sum(one[0] for one in each), sum(one[1] for one in each), max(one[2] for one in each)


def _most_promising(
    needs: Amounts, wanted: int, candidates: Sequence[Candidate], held: Preemptible, row_of: Int64
) -> list[_Holder]:
    """The machines worth a close look: by the least single victim that suffices, else by all that they could give.

    Devices and named resources are left to the close look.
    """
    by_row = sorted(candidates, key=lambda candidate: candidate.row)
    at = np.searchsorted(np.array([candidate.row for candidate in by_row], dtype=np.int64), row_of)
    wants = needs.vector()
    free = np.array([candidate.room.amounts for candidate in by_row], dtype=np.int64).reshape(-1, len(wants))
    every = free.copy()
    np.add.at(every, at, held.amounts)
    possible = np.flatnonzero(_enough(every, wants))
    cost = 1 + held.priority
    harm = np.zeros(len(by_row), dtype=np.int64)
    np.add.at(harm, at, cost)
    alone = _enough(free[at] + held.amounts, wants)
    np.minimum.at(harm, at[alone], cost[alone])
    best = possible[np.argsort(harm[possible], kind="stable")]
    best = best[: max(_EXAMINED_AT_LEAST, _EXAMINED_PER_SLOT * wanted)]
    order = np.argsort(at, kind="stable")
    first, last = np.searchsorted(at[order], best), np.searchsorted(at[order], best, side="right")
    return [
        _Holder(by_row[k], held, order[begin:end].tolist())
        for k, begin, end in zip(best.tolist(), first.tolist(), last.tolist(), strict=True)
    ]


def _enough(free: Int64, wants: Int64) -> Bool:
    """bool[..]: whether every dimension that is wanted suffices."""
    enough: Bool = ((free >= wants) | (wants == 0)).all(axis=1)
    return enough


class Barren:
    """Which machines are known to hold nothing of low priority, so that nobody asks twice.

    A machine's version rises with every change of what it holds: at the version seen, the answer stands.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}

    def worth_asking(self, machine_ids: Int64, versions: Int64, *, below: int) -> Int64:
        """The positions of those that may hold something of a priority lower than `below`."""
        known = self._known
        return np.array(
            [
                position
                for position, (machine_id, version) in enumerate(
                    zip(machine_ids.tolist(), versions.tolist(), strict=True)
                )
                if (entry := known.get(machine_id)) is None or entry[0] != version or entry[1] < below
            ],
            dtype=np.int64,
        )

    def learn(self, machine_ids: Int64, versions: Int64, held: Preemptible, *, below: int) -> None:
        """Note which of the machines asked had nothing."""
        empty = ~np.isin(machine_ids, held.machine_id)
        for machine_id, version in zip(machine_ids[empty].tolist(), versions[empty].tolist(), strict=True):
            self._known[machine_id] = version, below
