"""A scenario: the cell, its schedulers and its workloads, as a TOML file has them, checked by pydantic.

The same file runs simulated and live. Files of ours: bench/scenarios; `--cell hot` is short for hot.toml.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from omegacell.bench.sim.jobs import JobTable, TaskShape
from omegacell.bench.sim.workload import exponential as generator
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Amounts, CommitMode, Detection
from omegacell.cellstate.units import parse_bytes, parse_cpu, parse_seconds

Cpu = Annotated[int, BeforeValidator(lambda value: parse_cpu(value, "cpu"))]
Memory = Annotated[int, BeforeValidator(lambda value: parse_bytes(value, "memory"))]
Seconds = Annotated[float, BeforeValidator(lambda value: parse_seconds(value, "a duration"))]


class Architecture(StrEnum):
    """Who sees what of the cell, and when. Table 1 of the paper, and partitioned synchronisation (ATC 2021)."""

    MONOLITHIC_SINGLE = "monolithic_single"
    MONOLITHIC_MULTI = "monolithic_multi"
    PARTITIONED = "partitioned"
    TWO_LEVEL = "two_level"
    SHARED_STATE = "shared_state"
    PARSYNC = "parsync"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Amount(_Part):
    """What a task takes, or a machine has; cpu in thousandths and memory in bytes, once read."""

    cpu: Cpu = 0
    memory: Memory = 0
    disk: Memory = 0

    def amounts(self) -> Amounts:
        """As the cell state has them."""
        return Amounts(cpu_milli=self.cpu, memory_bytes=self.memory, disk_bytes=self.disk)


class Filled(Amount):
    """Tasks that are there from the start and stay for ever."""

    tasks: int = Field(ge=0)


class Cell(Amount):
    """Machines that are alike, `machines` of them, or those of a CSV file (name, cpu, memory, gpu, attributes ...)."""

    machines: int = Field(default=0, ge=0)
    csv: Path | None = None
    filled: tuple[Filled, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> Cell:
        if bool(self.machines) == bool(self.csv):
            raise ValueError("expected either machines or csv; give one of them")
        return self


class SchedulerSpec(_Part):
    """`count` schedulers of one sort, which share the jobs of the task kinds that they serve, in turn.

    kind: a registered kind or package.module:Class. serves: task kinds, its own name if none is given. preset: of
    schedulers/config.py, or "default" for the kind's own; `config` sets single fields of SchedulerConfig over it.
    share: of the machines, under static partitioning (0: in proportion to the count).
    """

    name: str
    kind: str = "batch"
    serves: tuple[str, ...] = ()
    count: int = Field(default=1, ge=1)
    policy: str = "random_first_fit"
    preset: Literal["reference", "default"] = "reference"
    config: Mapping[str, Any] = Field(default_factory=dict)
    think_job_seconds: Seconds = 0.1
    think_task_seconds: Seconds = 0.005
    share: float = Field(default=0.0, ge=0.0, le=1.0)

    @property
    def task_kinds(self) -> tuple[str, ...]:
        """The kinds of tasks that it serves."""
        return self.serves or (self.name,)


class _Source(_Part):
    """What every workload says of its jobs, wherever they come from."""

    kind: str
    detection: Detection = Detection.FINE
    commit: CommitMode = CommitMode.INCREMENTAL
    priority: int = Field(default=100, ge=0, le=1000)
    rate: float = Field(default=1.0, gt=0.0)


class Exponential(_Source, Amount):
    """The reference simulator's generator. stream: its seed is 1000 x (the run's seed) + stream."""

    source: Literal["exponential"] = "exponential"
    stream: int = Field(ge=1, lt=1000)
    gap_seconds: Seconds
    tasks: float = Field(gt=0)
    duration_seconds: Seconds

    def jobs(self, *, seed: int, runtime_seconds: float, folder: Path) -> JobTable:
        """Those of one run; `folder` is where the scenario's relative paths start."""
        shape = TaskShape(
            kind=self.kind,
            amounts=self.amounts(),
            detection=self.detection,
            commit=self.commit,
            priority=self.priority,
        )
        return generator.exponential(
            shape,
            gap_seconds=self.gap_seconds,
            tasks=self.tasks,
            duration_seconds=self.duration_seconds,
            runtime_seconds=runtime_seconds,
            seed=1000 * seed + self.stream,
            rate=self.rate,
        )


Workload = Exponential


class Scenario(_Part):
    """One experiment. runtime_seconds: of virtual time; warm_up_seconds: what is cut from the measures' start.

    offer_seconds: between offers, under two_level; sync_seconds: how old a partition gets, under parsync.
    """

    name: str
    architecture: Architecture = Architecture.SHARED_STATE
    runtime_seconds: Seconds = 86_400.0
    warm_up_seconds: Seconds = 0.0
    cell: Cell
    scheduler: tuple[SchedulerSpec, ...]
    workload: tuple[Workload, ...]
    offer_seconds: Seconds = 1.0
    sync_seconds: Seconds = Field(default=1.0, gt=0.0)
    folder: Path = Field(default=Path(), exclude=True, repr=False)

    @model_validator(mode="after")
    def _everything_served(self) -> Scenario:
        served = {kind for scheduler in self.scheduler for kind in scheduler.task_kinds}
        for workload in self.workload:
            if workload.kind not in served:
                raise ValueError(
                    f"workload of kind {workload.kind!r} has no scheduler; add a [[scheduler]] that serves it"
                )
        return self

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that differ when anything of the scenario differs."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def load(path: Path) -> Scenario:
    """A scenario from a TOML file; SpecInvalid names the file and what is wrong in it."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise SpecInvalid(f"scenario {path} cannot be read: {error.strerror}; name a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecInvalid(f"scenario {path} is no TOML: {error}; see docs/simulating.md") from error
    return parse({**content, "folder": path.parent}, str(path))


def parse(content: Mapping[str, Any], what: str) -> Scenario:
    """A scenario from its content; SpecInvalid names the first thing that is wrong."""
    try:
        return Scenario.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise SpecInvalid(
            f"{what}, {at}: {first['msg']}, found {first['input']!r:.80}; see docs/simulating.md"
        ) from error


def shipped(name: str) -> Scenario:
    """A scenario of ours by name; SpecInvalid with the names there are."""
    folder = resources.files("omegacell.bench") / "scenarios"
    with resources.as_file(folder) as path:
        names = sorted(file.stem for file in path.glob("*.toml"))
        if name not in names:
            raise SpecInvalid(f"cell {name!r} is unknown; expected one of {', '.join(names)}")
        return load(path / f"{name}.toml")
