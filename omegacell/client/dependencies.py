"""Which jobs of one call come after which: names and Job objects become positions, and cycles are refused. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.spec import Job
from omegacell.client.ids import is_job_id, parse_job

_SHOWN = 10
"""A longer cycle is not written out: nobody reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parents:
    """What a job comes after: ids of stored jobs, and positions in the call, each ascending and once."""

    ids: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A job in the order in which the store takes them; positions in `after` and `after_any` are of that order."""

    position: int
    after: Parents
    after_any: Parents


def ordered(jobs: Sequence[Job]) -> list[Step]:
    """The jobs, each after those of the same call that it comes after; else in the order given.

    SpecInvalid for a name that no job of the call has or several have, and for a cycle, which it shows.
    """
    call = _Call(jobs)
    after = [call.parents(job, job.after, "after") for job in jobs]
    after_any = [call.parents(job, job.after_any, "after_any") for job in jobs]
    waits_for = [
        set(one.positions) | set(other.positions) for one, other in zip(after, after_any, strict=True)
    ]
    order = _topological(waits_for, jobs)
    place = {position: number for number, position in enumerate(order)}
    return [
        Step(
            position=position,
            after=_renumbered(after[position], place),
            after_any=_renumbered(after_any[position], place),
        )
        for position in order
    ]


class _Call:
    """The jobs of one call, to be found by name and by object."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._by_object = {id(job): position for position, job in enumerate(jobs)}
        self._by_name: dict[str, list[int]] = {}
        for position, job in enumerate(jobs):
            self._by_name.setdefault(job.shown_name, []).append(position)

    def parents(self, job: Job, written: Sequence[Any], field: str) -> Parents:
        ids, positions = set[int](), set[int]()
        for one in written:
            match one:
                case Job():
                    positions.add(self._object(job, one, field))
                case str() if not is_job_id(one):
                    positions.add(self._name(job, one, field))
                case str() | int():
                    ids.add(parse_job(one))
                case _:
                    ids.add(parse_job(one.job_id))
        return Parents(ids=tuple(sorted(ids)), positions=tuple(sorted(positions)))

    def _object(self, job: Job, parent: Job, field: str) -> int:
        if id(parent) in self._by_object:
            return self._by_object[id(parent)]
        raise SpecInvalid(
            f"{field} of job {job.shown_name!r} holds job {parent.shown_name!r}, which is not submitted by this call; "
            "submit both with submit_many(), or give the handle that submit() returned"
        )

    def _name(self, job: Job, name: str, field: str) -> int:
        found = self._by_name.get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            raise SpecInvalid(
                f"{field} of job {job.shown_name!r} names {name!r}, but {len(found)} jobs of this call have that name; "
                "give them names of their own"
            )
        raise SpecInvalid(
            f"{field} of job {job.shown_name!r} names {name!r}, but no job of this call has that name; "
            "expected one of them, or the id of an earlier job such as j7"
        )


def _topological(waits_for: Sequence[set[int]], jobs: Sequence[Job]) -> list[int]:
    """All positions, parents first, otherwise ascending."""
    left = [len(parents) for parents in waits_for]
    followers: dict[int, list[int]] = {}
    for position, parents in enumerate(waits_for):
        for parent in parents:
            followers.setdefault(parent, []).append(position)
    ready = [position for position, count in enumerate(left) if not count]
    order: list[int] = []
    while ready:
        position = heapq.heappop(ready)
        order.append(position)
        for follower in followers.get(position, ()):
            left[follower] -= 1
            if not left[follower]:
                heapq.heappush(ready, follower)
    if len(order) < len(jobs):
        stuck = next(position for position, count in enumerate(left) if count)
        names = [jobs[position].shown_name for position in _cycle(waits_for, left, stuck)]
        if len(names) > _SHOWN:
            names[_SHOWN - 2 : -1] = [f"... {len(names) - _SHOWN} more ..."]
        raise SpecInvalid(
            f"jobs wait for each other: {' -> '.join(names)}; let one of them not come after the next"
        )
    return order


def _cycle(waits_for: Sequence[set[int]], left: Sequence[int], start: int) -> list[int]:
    """A cycle among what could not be ordered: each waits for the next, and the last is the first again.

    Whoever is left waits for somebody who is left, so that walking from parent to parent comes round.
    """
    walked: dict[int, int] = {}
    path: list[int] = []
    position = start
    while position not in walked:
        walked[position] = len(path)
        path.append(position)
        position = min(parent for parent in waits_for[position] if left[parent])
    return [*path[walked[position] :], position]


def _renumbered(parents: Parents, place: Mapping[int, int]) -> Parents:
    return Parents(ids=parents.ids, positions=tuple(sorted(place[one] for one in parents.positions)))
