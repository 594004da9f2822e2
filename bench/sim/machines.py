"""The machines of a scenario, as a snapshot at time 0: alike, in groups, or from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from omegacell.bench.sim.fields import Amount, Devices
from omegacell.bench.sim.workload.lines import Line, with_header
from omegacell.bench.sim.workload.openb import GPU_MODEL
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import (
    DEVICE_MILLI,
    DEVICES_AT_MOST,
    Amounts,
    Changes,
    Int64,
    MachineExtras,
    MachineFacts,
    MachineRows,
    Watermark,
)
from omegacell.cellstate.snapshot import Snapshot
from omegacell.cellstate.units import parse_bytes, parse_cpu, parse_devices


class Filled(Amount):
    """Tasks that are there from the start and stay for ever."""

    tasks: int = Field(ge=0)


class Alike(Amount):
    """What machines that are alike have. gpu: whole devices."""

    gpu: Devices = 0
    attributes: Mapping[str, str] = Field(default_factory=dict)

    def amounts(self) -> Amounts:
        """As the cell state has them."""
        return Amounts(cpu_milli=self.cpu, memory_bytes=self.memory, disk_bytes=self.disk, gpu_milli=self.gpu)


class Group(Alike):
    """So many machines that are alike, among others; called by the prefix and a number."""

    machines: int = Field(ge=1)
    prefix: str = ""


class Cell(Alike):
    """Machines that are alike, `machines` of them; or [[cell.group]]s of such; or those of a file.

    csv: columns name, cpu, memory, disk, gpu (whole devices) and any attributes. openb: the node list of that trace.
    history: what `omega record` wrote. filled: what occupies them from the start.
    """

    machines: int = Field(default=0, ge=0)
    group: tuple[Group, ...] = ()
    csv: Path | None = None
    openb: Path | None = None
    history: Path | None = None
    filled: tuple[Filled, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> Cell:
        sources = (self.machines, self.group, self.csv, self.openb, self.history)
        if sum(map(bool, sources)) != 1:
            raise ValueError("expected one of machines, group, csv, openb and history")
        alike = self.amounts() != Amounts() or bool(self.attributes)
        if alike and not self.machines:
            raise ValueError(
                "cpu, memory, disk, gpu and attributes go with machines; the groups or the file have their own"
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine at time 0."""

    name: str
    capacity: Amounts
    attributes: Mapping[str, str] = field(default_factory=dict)


def snapshot_of(cell: Cell, folder: Path) -> Snapshot:
    """All machines, empty and available; ids from 1 in row order. SpecInvalid for files that cannot be read."""
    if cell.machines and not cell.gpu:  # most cells, and the largest: no object for each machine
        return _snapshot(
            np.tile(cell.amounts().vector(), (cell.machines, 1)),
            MachineExtras(),
            [
                MachineFacts(machine_id=number, name=f"m{number}", attributes=cell.attributes)
                for number in range(1, cell.machines + 1)
            ],
        )
    found = list(machines_of(cell, folder))
    if not found:
        raise SpecInvalid("the cell has no machines; expected at least one")
    capacity = np.array([one.capacity.vector() for one in found])
    facts = [
        MachineFacts(machine_id=number, name=one.name, attributes=one.attributes)
        for number, one in enumerate(found, start=1)
    ]
    return _snapshot(capacity, _extras(found), facts)


def _snapshot(capacity: Int64, extras: MachineExtras, facts: Sequence[MachineFacts]) -> Snapshot:
    """capacity: int64[M, R]."""
    zeros = np.zeros(len(capacity), dtype=np.int64)
    rows = MachineRows(
        machine_id=np.arange(1, len(capacity) + 1, dtype=np.int64),
        version=zeros,
        claim_sequence=zeros,
        capacity=capacity,
        used=np.zeros_like(capacity),
        available=np.ones(len(capacity), dtype=np.bool_),
        extras=extras,
    )
    changes = Changes(
        full=True,
        rows=rows,
        facts=tuple(facts),
        watermark=Watermark(generation=0, snapshot=""),
        log_rows=0,
    )
    snapshot = Snapshot()
    snapshot.apply(changes)
    return snapshot


def _extras(machines: Iterable[Machine]) -> MachineExtras:
    """The devices and named resources, all of them free."""
    devices = [
        (at, index)
        for at, one in enumerate(machines, start=1)
        for index in range(one.capacity.gpu_milli // DEVICE_MILLI)
    ]
    named = [(at, *custom) for at, one in enumerate(machines, start=1) for custom in one.capacity.custom]
    device = np.array(devices, dtype=np.int64).reshape(-1, 2)
    return MachineExtras(
        device_machine=device[:, 0],
        device_index=device[:, 1],
        device_used=np.zeros(len(devices), dtype=np.int64),
        custom_machine=np.array([at for at, _, _ in named], dtype=np.int64),
        custom_name=tuple(name for _, name, _ in named),
        custom_capacity=np.array([milli for _, _, milli in named], dtype=np.int64),
        custom_used=np.zeros(len(named), dtype=np.int64),
    )


def machines_of(cell: Cell, folder: Path) -> Iterator[Machine]:
    """The machines of a scenario's cell, in row order."""
    if cell.machines:
        return _alike(cell, cell.machines, "m")
    if cell.group:
        return chain.from_iterable(
            _alike(group, group.machines, group.prefix or f"g{number}-")
            for number, group in enumerate(cell.group, start=1)
        )
    if cell.csv is not None:
        return _distinct(folder / cell.csv, _from_csv(folder / cell.csv))
    if cell.openb is not None:
        return _distinct(folder / cell.openb, _from_openb(folder / cell.openb))
    assert cell.history is not None  # one of them was given
    return _from_history(folder / cell.history)


def _alike(one: Alike, count: int, prefix: str) -> Iterator[Machine]:
    capacity = one.amounts()
    return (
        Machine(name=f"{prefix}{number}", capacity=capacity, attributes=one.attributes)
        for number in range(1, count + 1)
    )


def _distinct(path: Path, found: Iterable[tuple[Line, Machine]]) -> Iterator[Machine]:
    names: set[str] = set()
    for line, machine in found:
        if not machine.name or machine.name in names:
            raise SpecInvalid(
                f"{path}, line {line.number}: machine {machine.name!r} found, expected a name of its own"
            )
        names.add(machine.name)
        yield machine


_AMOUNTS = ("name", "cpu", "memory", "disk", "gpu")


def _from_csv(path: Path) -> Iterator[tuple[Line, Machine]]:
    for line in with_header(path, ("name", "cpu", "memory")):
        capacity = Amounts(
            cpu_milli=line.parsed("cpu", parse_cpu),
            memory_bytes=line.parsed("memory", _bytes),
            disk_bytes=line.parsed("disk", _bytes) if line.text("disk") else 0,
            gpu_milli=line.parsed("gpu", parse_devices) if line.text("gpu") else 0,
        )
        attributes = {name: line.text(name) for name in line.columns if name not in _AMOUNTS}
        yield (
            line,
            Machine(
                name=line.text("name"),
                capacity=capacity,
                attributes={name: value for name, value in attributes.items() if value},
            ),
        )


def _bytes(word: str, name: str) -> int:
    return parse_bytes(int(word) if word.isdecimal() else word, name)


def _from_openb(path: Path) -> Iterator[tuple[Line, Machine]]:
    for line in with_header(path, ("sn", "cpu_milli", "memory_mib", "gpu", "model")):
        devices = line.count("gpu")
        if devices > DEVICES_AT_MOST:
            raise line.wrong("gpu", f"at most {DEVICES_AT_MOST}")
        model = line.text("model")
        yield (
            line,
            Machine(
                name=line.text("sn"),
                capacity=Amounts(
                    cpu_milli=line.count("cpu_milli"),
                    memory_bytes=line.count("memory_mib") * 2**20,
                    gpu_milli=devices * DEVICE_MILLI,
                ),
                attributes={GPU_MODEL: model} if model else {},
            ),
        )


def _from_history(path: Path) -> Iterator[Machine]:
    from omegacell.bench.record import history

    for record in history.read(path).machines:
        yield Machine(name=record.name, capacity=record.amounts(), attributes=record.attributes)
