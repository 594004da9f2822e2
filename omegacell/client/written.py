"""What callers hand over as a job, a service or a state, turned into that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import JobState
from omegacell.cellstate.spec import Job, Service


def as_job(spec: Job | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> Job:
    """A Job from one, from a mapping, or from its fields; SpecInvalid for anything else."""
    match spec:
        case None:
            return Job(**fields)
        case Job() if fields:
            raise SpecInvalid(
                f"a Job and the fields {', '.join(sorted(fields))} were both given; put them into the Job"
            )
        case Job():
            return spec
        case Service():
            raise SpecInvalid(f"service {spec.name!r} cannot be submitted; use apply()")
        case Mapping():
            return Job(**_named({**spec, **fields}))
        case _ if callable(spec):
            name = getattr(spec, "__name__", repr(spec))
            raise SpecInvalid(
                f"function {name} cannot be submitted like this; use cell.call({name}, ...) to run it once, "
                f"or cell.map({name}, items) to run it for each item"
            )
        case _:
            raise SpecInvalid(
                f"{spec!r} cannot be submitted; expected a Job, a mapping, or the fields of a Job"
            )


def as_service(written: Service | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> Service:
    """A Service from one, from a mapping, or from its fields; SpecInvalid for anything else."""
    match written:
        case None:
            return Service(**fields)
        case Service() if fields:
            raise SpecInvalid(
                f"a Service and the fields {', '.join(sorted(fields))} were both given; put them into the Service"
            )
        case Service():
            return written
        case Job():
            raise SpecInvalid(f"job {written.name!r} cannot be applied; use submit()")
        case Mapping():
            return Service(**_named({**written, **fields}))
        case _:
            raise SpecInvalid(
                f"{written!r} cannot be applied; expected a Service, a mapping, or the fields of a Service"
            )


def as_states(written: JobState | str | Iterable[JobState | str]) -> list[JobState]:
    """One state or several; SpecInvalid for a word that is none."""
    return [_state(one) for one in ([written] if isinstance(written, str) else written)]


def as_ranges(tasks: int | Iterable[int]) -> list[tuple[int, int]]:
    """(first, count) of task indexes, ascending, neighbours joined, from one or several; SpecInvalid for others."""
    if isinstance(tasks, str | bytes | bool) or not isinstance(tasks, int | Iterable):
        raise SpecInvalid(f"tasks={tasks!r} is no list of task indexes; expected for instance [3, 7]")
    if isinstance(tasks, range) and tasks.step == 1 and tasks.start >= 0:
        return [(tasks.start, len(tasks))] if tasks else []
    indexes = {tasks} if isinstance(tasks, int) else set(tasks)
    for one in indexes:
        if not _whole(one):
            raise SpecInvalid(f"tasks has {one!r}, which is no task's index; expected whole numbers from 0")
    ranges: list[tuple[int, int]] = []
    for index in sorted(indexes):
        if ranges and sum(ranges[-1]) == index:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + 1)
        else:
            ranges.append((index, 1))
    return ranges


def check_count(name: str, value: object, of: str) -> None:
    """SpecInvalid unless the value is a whole number from 0 on; `of` says what it counts."""
    if not _whole(value):
        raise SpecInvalid(f"{name}={value!r} is no number of {of}; expected 0 or more")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _named(fields: Mapping[Any, Any]) -> dict[str, Any]:
    for name in fields:
        if not isinstance(name, str):
            raise SpecInvalid(f"field {name!r} is no text; expected the names of fields")
    return dict(fields)


def _state(written: JobState | str) -> JobState:
    try:
        return JobState(written)
    except ValueError:
        known = ", ".join(one.value for one in JobState)
        raise SpecInvalid(f"state {written!r} is unknown; expected one of {known}") from None
