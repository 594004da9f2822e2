"""What may be submitted: Job, Service and Resources as users write them, checked here and nowhere else.

Whatever cannot be accepted raises SpecInvalid with one sentence. `compile()` gives the frozen JobSpec that
the rest of the system knows. What this version does not carry out yet is refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SkipValidation, model_validator

from omegacell.cellstate.constraints import check_attribute, parse_anti_affinity, parse_constraint
from omegacell.cellstate.edge import Edge, refuse_unsupported
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import (
    Amounts,
    CommitMode,
    Constraint,
    Detection,
    JobSpec,
    OnLost,
    TaskKind,
)
from omegacell.cellstate.units import parse_bytes, parse_cpu, parse_custom, parse_gpu, parse_seconds

Dump = Callable[[object], bytes]

_LATER = (
    "after",
    "after_any",
    "deadline",
    "health",
    "max_failures",
    "max_running",
    "open",
    "ports",
)
"""Fields that API.md names and the store cannot keep yet."""

MOST_TASKS = 10**9
"""A task's index fits 32 bits everywhere."""

Duration = float | str
Constraints = Sequence[str | Constraint | tuple[Any, ...] | Mapping[str, Any]]
Texts = Mapping[str, str]
_Text = Annotated[str, Field(min_length=1)]


def _seconds(name: str) -> AfterValidator:
    return AfterValidator(lambda value: parse_seconds(value, name))


def _items(each: Any) -> tuple[Any, ...] | None:
    """The items at once, so that a generator serves every later look."""
    if each is None:
        return None
    if isinstance(each, str | bytes | Mapping) or not isinstance(each, Iterable):
        raise SpecInvalid(f"each={each!r} is no list of items; expected for instance [0.1, 0.01]")
    return tuple(each)


class Resources(Edge):
    """What each task holds while it runs: CPUs, and bytes as an int or with a unit ("512MiB", "10MB").

    memory=0 means that memory is not accounted. gpu: below 1 a share of one device, else whole devices.
    custom: amounts of resources that machines have under a name of yours ({"licence": 1}).
    """

    cpu: float | str = 1
    memory: int | str = 0
    disk: int | str = 0
    gpu: float | str = 0
    custom: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Resources:
        self.amounts()
        return self

    def amounts(self) -> Amounts:
        """The same in whole units; SpecInvalid if one does not parse."""
        return Amounts(
            cpu_milli=parse_cpu(self.cpu),
            memory_bytes=parse_bytes(self.memory, "memory"),
            disk_bytes=parse_bytes(self.disk, "disk"),
            gpu_milli=parse_gpu(self.gpu),
            custom=parse_custom(self.custom),
        )


class _Placed(Edge):
    """What jobs and services share: how a task runs, where it may be placed, what happens when it fails."""

    labels: Texts = Field(default_factory=dict)
    namespace: _Text = "default"
    resources: Resources = Field(default_factory=Resources)
    constraints: Constraints = ()
    spread: str = ""
    anti_affinity: Mapping[str, int] = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=0, le=1000)] = 100
    preemptible: bool = True
    detection: Literal["fine", "coarse"] = "fine"
    policy: str = ""
    backoff: Annotated[Duration, _seconds("backoff")] = 1.0
    backoff_max: Annotated[Duration, _seconds("backoff_max")] = 60.0
    timeout: Annotated[Duration, _seconds("timeout")] = 0.0
    env: Texts = Field(default_factory=dict)
    cwd: str | Path = ""

    @model_validator(mode="before")
    @classmethod
    def _refuse_later(cls, written: Any) -> Any:
        if isinstance(written, Mapping):
            refuse_unsupported(cls.__name__.lower(), written, _LATER)
            return {name: value for name, value in written.items() if name not in _LATER}
        return written

    @model_validator(mode="after")
    def _check_placement(self) -> _Placed:
        for constraint in self.constraints:
            parse_constraint(constraint)
        parse_anti_affinity(self.anti_affinity)
        if self.spread:
            check_attribute(self.spread, "spread")
        for name in sorted(type(self).model_fields.keys() - {"command", "each", "function", "resources"}):
            _check_text(name, getattr(self, name))
        return self

    def _shared(self) -> dict[str, Any]:
        """The fields of JobSpec that do not depend on what kind of thing this is."""
        return {
            "amounts": self.resources.amounts(),
            "labels": dict(self.labels),
            "namespace": self.namespace,
            "constraints": tuple(parse_constraint(one) for one in self.constraints),
            "spread": self.spread,
            "anti_affinity": parse_anti_affinity(self.anti_affinity),
            "priority": self.priority,
            "preemptible": self.preemptible,
            "detection": Detection(self.detection),
            "policy": self.policy,
            "backoff_seconds": parse_seconds(self.backoff, "backoff"),
            "backoff_max_seconds": parse_seconds(self.backoff_max, "backoff_max"),
            "timeout_seconds": parse_seconds(self.timeout, "timeout"),
            "env": dict(self.env),
            "cwd": str(self.cwd),
        }


class Job(_Placed):
    """An array of like tasks: a command or a function, once for each item or `count` times (default 1).

    `{item}` in the command's arguments stands for the item, which the task also finds in OMEGA_ITEM; a
    function gets the item as its only argument.
    """

    command: Sequence[str] | None = None
    function: Callable[..., Any] | None = None
    each: Annotated[SkipValidation[Iterable[Any] | None], BeforeValidator(_items)] = None
    count: Annotated[int, Field(ge=1, le=MOST_TASKS)] | None = None
    name: str = ""
    scheduler: _Text = "batch"
    commit: Literal["incremental", "all_or_nothing", "gang"] = "incremental"
    gang_min: Annotated[int, Field(ge=0)] = 0
    retries: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    on_lost: Literal["rerun", "fail"] = "rerun"
    max_lost: Annotated[int, Field(ge=0, le=2**31 - 1)] = 5
    expected_duration: Annotated[Duration, _seconds("expected_duration")] = 0.0
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
            _check_command("job", self.name, self.command)
        if self.each is not None and self.count is not None:
            raise SpecInvalid(f"job {self.name!r} has both each and count={self.count}; give it one of them")
        if self.gang_min and self.commit != "gang":
            raise SpecInvalid(
                f'gang_min={self.gang_min} has no meaning for commit="{self.commit}"; say commit="gang"'
            )
        return self

    def compile(self, dump: Dump | None = None) -> tuple[JobSpec, tuple[bytes, ...]]:
        """The specification and the tasks' inputs (none, or one per task in index order).

        `dump` pickles functions and items (default: cloudpickle). Each item of a function becomes its
        pickled ((item,), {}); each item of a command its text in UTF-8.
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
            name=self.name or _name_of(self.command, self.function),
            kind=TaskKind.COMMAND if self.command is not None else TaskKind.FUNCTION,
            task_count=tasks,
            command=tuple(self.command or ()),
            payload=b"" if self.function is None else dump(self.function),
            key=self.key,
            scheduler=self.scheduler,
            commit=CommitMode(self.commit),
            gang_min=self.gang_min,
            retries=self.retries,
            on_lost=OnLost(self.on_lost),
            max_lost=self.max_lost,
            expected_duration_seconds=parse_seconds(self.expected_duration, "expected_duration"),
            **self._shared(),
        )
        if items is None:
            return spec, ()
        if self.function is not None:
            return spec, tuple(dump(((item,), {})) for item in items)
        texts = [item_text(item) for item in items]
        _check_text("each", texts)
        return spec, tuple(text.encode() for text in texts)


class Service(_Placed):
    """A command kept running in so many replicas, spread over machines; it runs again whenever it ends."""

    name: _Text
    command: Sequence[str]
    replicas: Annotated[int, Field(ge=1, le=MOST_TASKS)] = 1
    spread: str = "machine"
    scheduler: _Text = "service"

    @model_validator(mode="after")
    def _check_tasks(self) -> Service:
        _check_command("service", self.name, self.command)
        return self

    def compile(self) -> JobSpec:
        """The specification of the job that carries the service; its tasks are the replicas."""
        return JobSpec(
            name=self.name,
            kind=TaskKind.COMMAND,
            task_count=self.replicas,
            command=tuple(self.command),
            scheduler=self.scheduler,
            service=True,
            **self._shared(),
        )


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


def _check_text(name: str, value: object) -> None:
    """SpecInvalid for text, anywhere in `value`, that neither JSON in PostgreSQL nor an environment can hold."""
    if isinstance(value, str | Path):
        if not storable(str(value)):
            raise SpecInvalid(
                f"{name}={value!r} has a NUL or is no Unicode; expected text that UTF-8 can write, without NUL"
            )
    elif isinstance(value, Mapping):
        for pair in value.items():
            _check_text(name, pair)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for item in value:
            _check_text(name, item)


def storable(text: str) -> bool:
    """Whether a specification may hold this text: no NUL, and no bytes of a file's name that are not UTF-8."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _check_command(kind: str, name: str, command: Sequence[str]) -> None:
    if not command or not command[0]:
        raise SpecInvalid(
            f'command of {kind} {name!r} is empty; expected for instance ["python", "train.py"]'
        )
    for argument in command:
        if "\0" in argument:
            raise SpecInvalid(
                f"command of {kind} {name!r} has the argument {argument!r}; remove the NUL from it"
            )
    _check_text("command", command)


def _name_of(command: Sequence[str] | None, function: Callable[..., Any] | None) -> str:
    if command:
        return Path(command[0]).name or command[0]
    return str(getattr(function, "__name__", type(function).__name__))


def _cloudpickle(value: object) -> bytes:
    import cloudpickle

    return bytes(cloudpickle.dumps(value))
