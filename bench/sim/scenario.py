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
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from omegacell.bench.sim.fields import Amount, Cpu, Memory, Part, Seconds
from omegacell.bench.sim.machines import Cell, Filled
from omegacell.bench.sim.workload.sources import Workload
from omegacell.cellstate.edge import expected
from omegacell.cellstate.errors import SpecInvalid

__all__ = [
    "Amount",
    "Architecture",
    "Cell",
    "Cpu",
    "Filled",
    "Memory",
    "Scenario",
    "SchedulerSpec",
    "Seconds",
    "Workload",
    "load",
    "parse",
    "shipped",
]


class Architecture(StrEnum):
    """Who sees what of the cell, and when. Table 1 of the paper, and partitioned synchronisation (ATC 2021)."""

    MONOLITHIC_SINGLE = "monolithic_single"
    MONOLITHIC_MULTI = "monolithic_multi"
    PARTITIONED = "partitioned"
    TWO_LEVEL = "two_level"
    SHARED_STATE = "shared_state"
    PARSYNC = "parsync"


class SchedulerSpec(Part):
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


class Scenario(Part):
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
            for kind in sorted(workload.task_kinds - served):
                raise ValueError(
                    f"workload of kind {kind!r} has no scheduler; add a [[scheduler]] that serves it"
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
        raise SpecInvalid(f"{what}: {_wrong(error)}; see docs/simulating.md") from error


def _wrong(error: ValidationError) -> str:
    """What is wrong first, and what was expected; a field that is unknown before one that is missing for it."""
    details = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    at = ".".join(str(part) for part in details["loc"])
    match details["type"]:
        case "extra_forbidden":
            return f"{at} is unknown; expected no such field"
        case "missing":
            return f"{at} is missing; expected a value"
        case "value_error":
            problem = details["msg"].removeprefix("Value error, ")
            return f"{at}: {problem}" if at else problem
        case "union_tag_not_found":
            return f"{at} has no source; expected one, such as exponential or history"
        case _:
            return f"{at}={details['input']!r:.80}; {expected(details)}"


def shipped(name: str) -> Scenario:
    """A scenario of ours by name; SpecInvalid with the names there are."""
    folder = resources.files("omegacell.bench") / "scenarios"
    with resources.as_file(folder) as path:
        names = sorted(file.stem for file in path.glob("*.toml"))
        if name not in names:
            raise SpecInvalid(f"cell {name!r} is unknown; expected one of {', '.join(names)}")
        return load(path / f"{name}.toml")
