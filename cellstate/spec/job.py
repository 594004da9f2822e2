"""An array of like tasks: what it runs, in how many tasks, and what it comes after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BeforeValidator, Field, SkipValidation, model_validator

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import CommitMode, JobSpec, OnLost, TaskKind
from omegacell.cellstate.spec.placed import Duration, Placed, Text, seconds
from omegacell.cellstate.spec.text import check_command, check_text
from omegacell.cellstate.units import parse_seconds

Dump = Callable[[object], bytes]

MOST_TASKS = 10**9
"""A task's index fits 32 bits everywhere."""


@runtime_checkable
class Submitted(Protocol):
    """A job that is stored already; JobHandle is one."""

    @property
    def job_id(self) -> int:
        """Its number."""
        ...


Parent = Any
"""What `after` may hold: "j7" or 7, a JobHandle, or a Job (or its name) of the same submit_many or file."""


def _items(each: Any) -> tuple[Any, ...] | None:
    """The items at once, so that a generator serves every later look."""
    if each is None:
        return None
    if isinstance(each, str | bytes | Mapping) or not isinstance(each, Iterable):
        raise SpecInvalid(f"each={each!r} is no list of items; expected for instance [0.1, 0.01]")
    return tuple(each)


def _parents(name: str) -> BeforeValidator:
    """One parent or several as a tuple."""

    def read(written: Any) -> tuple[Parent, ...]:
        if written is None:
            return ()
        alone = isinstance(written, str | int | Job | Submitted)
        if not alone and (isinstance(written, bytes | Mapping) or not isinstance(written, Iterable)):
            raise SpecInvalid(
                f'{name}={written!r} is no list of jobs; expected for instance ["j7", "prepare"]'
            )
        parents = (written,) if alone else tuple(written)
        for one in parents:
            if isinstance(one, bool) or not isinstance(one, str | int | Job | Submitted) or one == "":
                raise SpecInvalid(
                    f"{name}={one!r} names no job; expected an id such as j7, a JobHandle, or a Job (or its name) "
                    "of the same call"
                )
        check_text(name, [one for one in parents if isinstance(one, str)])
        return parents

    return BeforeValidator(read)


class Job(Placed):
    """An array of like tasks: a command or a function, once for each item or `count` times (default 1).

    `{item}` in the command's arguments stands for the item, which the task also finds in OMEGA_ITEM; a
    function gets the item as its only argument. `after`: jobs that must have succeeded before any task is placed,
    `after_any`: jobs that must have ended. max_running: so many tasks at once at most. max_failures: as many failed
    tasks end the job. deadline: the job fails unless it has ended so long after its submission. held: nothing is
    placed before release().
    """

    command: Sequence[str] | None = None
    function: Callable[..., Any] | None = None
    each: Annotated[SkipValidation[Iterable[Any] | None], BeforeValidator(_items)] = None
    count: Annotated[int, Field(ge=1, le=MOST_TASKS)] | None = None
    name: str = ""
    scheduler: Text = "batch"
    commit: Literal["incremental", "all_or_nothing", "gang"] = "incremental"
    gang_min: Annotated[int, Field(ge=0)] = 0
    after: Annotated[SkipValidation[Parent | Sequence[Parent]], _parents("after")] = ()
    after_any: Annotated[SkipValidation[Parent | Sequence[Parent]], _parents("after_any")] = ()
    max_running: Annotated[int, Field(ge=1, le=MOST_TASKS)] | None = None
    max_failures: Annotated[int, Field(ge=1, le=MOST_TASKS)] | None = None
    retries: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    on_lost: Literal["rerun", "fail"] = "rerun"
    max_lost: Annotated[int, Field(ge=0, le=2**31 - 1)] = 5
    deadline: Annotated[Duration, seconds("deadline")] = 0.0
    expected_duration: Annotated[Duration, seconds("expected_duration")] = 0.0
    held: bool = False
    key: str = ""

    @model_validator(mode="after")
    def _check_tasks(self) -> Job:
        if (self.command is None) == (self.function is None):
            both = self.command is not None
            raise SpecInvalid(
                f"job {self.name!r} has {'both a command and a function' if both else 'nothing to run'}; "
                "give it either command or function"
            )
        if self.command is not None:
            check_command(f"job {self.name!r}", self.command)
        if self.each is not None and self.count is not None:
            raise SpecInvalid(f"job {self.name!r} has both each and count={self.count}; give it one of them")
        self._check_limits()
        return self

    def _check_limits(self) -> None:
        """What limits and commit modes do not go together."""
        if self.gang_min and self.commit != "gang":
            raise SpecInvalid(
                f'gang_min={self.gang_min} has no meaning for commit="{self.commit}"; say commit="gang"'
            )
        if self.max_running is not None and self.commit != "incremental":
            raise SpecInvalid(
                f'max_running={self.max_running} contradicts commit="{self.commit}", which places tasks together; '
                "leave one of them out"
            )

    @property
    def shown_name(self) -> str:
        """Its name, or the one that it gets from what it runs."""
        return self.name or _name_of(self.command, self.function)

    def compile(self, dump: Dump | None = None) -> tuple[JobSpec, tuple[bytes, ...]]:
        """The specification and the tasks' inputs (none, or one per task in index order).

        `dump` pickles functions and items (default: cloudpickle). Each item of a function becomes its
        pickled ((item,), {}); each item of a command its text in UTF-8. What the job comes after is not in it: only
        who submits knows the ids (client/dependencies.py).
        """
        dump = dump or _cloudpickle
        items = None if self.each is None else tuple(self.each)
        if items is not None and not items:
            raise SpecInvalid(f"each of job {self.name!r} is empty; give it at least one item")
        tasks = len(items) if items is not None else self.count or 1
        if self.gang_min > tasks:
            raise SpecInvalid(
                f"gang_min={self.gang_min} is more than the {tasks} tasks of job {self.name!r}; lower it"
            )
        spec = JobSpec(
            name=self.shown_name,
            kind=TaskKind.COMMAND if self.command is not None else TaskKind.FUNCTION,
            task_count=tasks,
            command=tuple(self.command or ()),
            payload=b"" if self.function is None else dump(self.function),
            key=self.key,
            scheduler=self.scheduler,
            commit=CommitMode(self.commit),
            gang_min=self.gang_min,
            max_running=self.max_running or 0,
            max_failures=self.max_failures or 0,
            retries=self.retries,
            on_lost=OnLost(self.on_lost),
            max_lost=self.max_lost,
            deadline_seconds=parse_seconds(self.deadline, "deadline"),
            expected_duration_seconds=parse_seconds(self.expected_duration, "expected_duration"),
            **self.shared(),
        )
        if items is None:
            return spec, ()
        if self.function is not None:
            return spec, tuple(dump(((item,), {})) for item in items)
        texts = [item_text(item) for item in items]
        check_text("each", texts)
        return spec, tuple(text.encode() for text in texts)


def item_text(item: object) -> str:
    """An item of a command's array as the text that replaces {item}: strings as they are, else JSON."""
    if isinstance(item, str):
        return item
    if isinstance(item, Path):
        return str(item)
    import json

    try:
        return json.dumps(item)
    except (TypeError, ValueError):
        raise SpecInvalid(
            f"item {item!r} of each has no text; give a command strings, numbers or what JSON can hold"
        ) from None


def _name_of(command: Sequence[str] | None, function: Callable[..., Any] | None) -> str:
    if command:
        return Path(command[0]).name or command[0]
    return str(getattr(function, "__name__", type(function).__name__))


def _cloudpickle(value: object) -> bytes:
    import cloudpickle

    return bytes(cloudpickle.dumps(value))
