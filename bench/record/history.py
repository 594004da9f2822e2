"""The file that `omega record` writes: a header, then machines and jobs, one JSON object a line, or a Parquet table.

Each line is checked by pydantic when it is read: such files are also made by hand.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from omegacell.bench.sim.workload.lines import of_objects
from omegacell.cellstate.errors import OmegaError, SpecInvalid
from omegacell.cellstate.model import (
    DEVICE_MILLI,
    DEVICES_AT_MOST,
    Amounts,
    CommitMode,
    Detection,
    Operator,
)

VERSION: Literal[1] = 1
"""Of the format; rises when a field changes its meaning or goes away."""

_PARQUET = ".parquet"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sized(_Record):
    cpu_milli: int = Field(default=0, ge=0)
    memory_bytes: int = Field(default=0, ge=0)
    disk_bytes: int = Field(default=0, ge=0)
    gpu_milli: int = Field(default=0, ge=0, le=DEVICES_AT_MOST * DEVICE_MILLI)
    custom: Mapping[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)

    def amounts(self) -> Amounts:
        """As the cell state has them."""
        return Amounts(
            cpu_milli=self.cpu_milli,
            memory_bytes=self.memory_bytes,
            disk_bytes=self.disk_bytes,
            gpu_milli=self.gpu_milli,
            custom=tuple(sorted(self.custom.items())),
        )


class Header(_Record):
    """The first line. Times are seconds since the Unix epoch; since: nothing older was recorded, 0 for no bound."""

    record: Literal["header"] = "header"
    version: Literal[1] = VERSION
    recorded_at: float
    since: float = 0.0


class MachineRecord(_Sized):
    """A machine: its capacity (gpu_milli: 1000 a device) and its attributes."""

    record: Literal["machine"] = "machine"
    name: str
    attributes: Mapping[str, str] = Field(default_factory=dict)


class ConstraintRecord(_Record):
    """As Constraint."""

    attribute: str
    operator: Operator
    values: tuple[str, ...] = ()


class LimitRecord(_Record):
    """As AntiAffinity."""

    attribute: str
    limit: int = Field(ge=1)


class JobRecord(_Sized):
    """A job: the amounts of one task, and how it was to be scheduled.

    duration_seconds: the mean of the attempts that ran to an end, null where none has.
    """

    record: Literal["job"] = "job"
    submitted_at: float
    tasks: int = Field(ge=1)
    duration_seconds: float | None = Field(default=None, ge=0)
    scheduler: str = "batch"
    policy: str = ""
    detection: Detection = Detection.FINE
    commit: CommitMode = CommitMode.INCREMENTAL
    priority: int = Field(default=100, ge=0, le=1000)
    constraints: tuple[ConstraintRecord, ...] = ()
    anti_affinity: tuple[LimitRecord, ...] = ()
    spread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A cell's past; the jobs in any order."""

    header: Header
    machines: tuple[MachineRecord, ...]
    jobs: tuple[JobRecord, ...]


_ONE: TypeAdapter[Header | MachineRecord | JobRecord] = TypeAdapter(
    Annotated[Header | MachineRecord | JobRecord, Field(discriminator="record")]
)


def check_writable(path: Path) -> None:
    """SpecInvalid unless there is a folder for it, and what its kind needs: better before the work than after it."""
    if path.is_dir() or not path.parent.is_dir():
        raise SpecInvalid(f"--out {path} cannot be written; name a file in a folder that exists")
    if path.suffix == _PARQUET:
        _pyarrow()


def write(history: History, path: Path) -> None:
    """Store a history: a Parquet table if the name ends so, else JSON lines (of gzip as .gz)."""
    records = [one.model_dump(mode="json") for one in (history.header, *history.machines, *history.jobs)]
    try:
        if path.suffix == _PARQUET:
            _write_parquet(records, path)
            return
        text = "".join(json.dumps(record) + "\n" for record in records).encode()
        path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    except OSError as error:
        raise SpecInvalid(
            f"--out {path} cannot be written: {error.strerror or error}; name a file"
        ) from error


def read(path: Path) -> History:
    """A history from its file; SpecInvalid names the line and what is wrong in it."""
    header: Header | None = None
    machines: list[MachineRecord] = []
    jobs: list[JobRecord] = []
    for number, content in _records(path):
        match _checked(path, number, content):
            case Header() as one:
                header = one
            case MachineRecord() as one:
                machines.append(one)
            case JobRecord() as one:
                jobs.append(one)
        if header is None:
            raise SpecInvalid(f"{path}, line {number}: no header; expected a file that omega record wrote")
    if header is None:
        raise SpecInvalid(f"{path} is empty; expected a file that omega record wrote")
    return History(header=header, machines=tuple(machines), jobs=tuple(jobs))


def _checked(path: Path, number: int, content: Mapping[str, Any]) -> Header | MachineRecord | JobRecord:
    try:
        return _ONE.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        column = ".".join(str(part) for part in first["loc"][1:]) or "record"
        found = content.get("record") if column == "record" else first["input"]
        raise SpecInvalid(
            f"{path}, line {number}, column {column}: {found!r:.60} found, expected otherwise: {first['msg']}"
        ) from error


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if path.suffix != _PARQUET:
        yield from of_objects(path)
        return
    _pyarrow()
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise SpecInvalid(f"trace {path} cannot be read: {error}; expected a Parquet file") from error
    for number, row in enumerate(table.to_pylist(), start=1):
        yield number, {name: _unpacked(value) for name, value in row.items() if value is not None}


def _write_parquet(records: Iterable[Mapping[str, Any]], path: Path) -> None:
    """One table for all: a column that a record does not have is null, and what is nested is JSON."""
    _pyarrow()
    import pyarrow.parquet

    rows = [{name: _packed(value) for name, value in record.items()} for record in records]
    names = dict.fromkeys(name for row in rows for name in row)
    table = pyarrow.table({name: [row.get(name) for row in rows] for name in names})
    pyarrow.parquet.write_table(table, path)


def _packed(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _unpacked(value: Any) -> Any:
    nested = isinstance(value, str) and value[:1] in ("{", "[")
    return json.loads(value) if nested else value


def _pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise OmegaError("Parquet needs pyarrow; pip install 'omegacell[research]'") from error
