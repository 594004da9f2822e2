"""What changed on the machines: the rows a reader applies to its private copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from omegacell.cellstate.model.amounts import Bool, Int64, no_entries


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MachineExtras:
    """What only some machines have, of the machines of a MachineRows; a machine not in it has none of it.

    Devices: device_machine, device_index, device_used (milli): int64[D], by machine and index.
    Named resources: custom_machine, custom_capacity, custom_used (milli): int64[N], custom_name: N names.
    Reservations: reserved_machine, reserved_job, reserved_priority: int64[V], reserved_until: V times
    (one that has passed holds nothing back).
    """

    device_machine: Int64 = field(default_factory=no_entries)
    device_index: Int64 = field(default_factory=no_entries)
    device_used: Int64 = field(default_factory=no_entries)
    custom_machine: Int64 = field(default_factory=no_entries)
    custom_name: tuple[str, ...] = ()
    custom_capacity: Int64 = field(default_factory=no_entries)
    custom_used: Int64 = field(default_factory=no_entries)
    reserved_machine: Int64 = field(default_factory=no_entries)
    reserved_job: Int64 = field(default_factory=no_entries)
    reserved_priority: Int64 = field(default_factory=no_entries)
    reserved_until: tuple[float, ...] = ()


NO_EXTRAS = MachineExtras()
"""Of a cell without devices, named resources and reservations."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MachineRows:
    """Current hot state of M machines, one row each.

    machine_id, version, claim_sequence: int64[M]; capacity, used: int64[M, R]; available: bool[M]
    (up and schedulable); extras: what else these machines have, whole.
    """

    machine_id: Int64
    version: Int64
    claim_sequence: Int64
    capacity: Int64
    used: Int64
    available: Bool
    extras: MachineExtras = NO_EXTRAS


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """The cold facts of one machine."""

    machine_id: int
    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far a reader has read the feed: the store's generation and the text of its pg_snapshot.

    Opaque to readers; the in-memory store keeps its own position in `snapshot`.
    """

    generation: int
    snapshot: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """What changed since a watermark: rows to apply by version, facts to replace, the next watermark.

    full: the rows are all machines there are, and the reader must forget the others. `log_rows` counts
    the log rows read, so that tests can see that nothing was read twice.
    """

    full: bool
    rows: MachineRows
    facts: tuple[MachineFacts, ...]
    watermark: Watermark
    log_rows: int
