"""A scheduler's private copy of the cell: arrays over machines, kept in step with the store's feed.

A machine is a row here, from 0 to M - 1, in the order in which this snapshot met it (after a full load: the
order of the store, by id). Rows are what policies speak of; ids are what claims speak of. Nothing here knows
a store: `apply` takes what `SchedulerStore.sync` answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from omegacell.cellstate.extras import ExtrasByRow, NamedResource, Reserved
from omegacell.cellstate.model import DIMENSIONS, Bool, Changes, Int64, MachineFacts, MachineRows, Watermark

Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]

NAME_ATTRIBUTE = "machine"
"""The attribute every machine has: its name, so that a constraint or a limit may speak of it."""

_NEVER = -1
"""Version of a row whose machine has been named but not yet described; every real version is newer."""


class AttributeColumn:
    """One attribute of all machines, dictionary-encoded: codes: int32[M], -1 where a machine has none.

    `words[code]` is the text, `numbers[code]` its numeric form (nan where it has none). A question about
    values is answered once per word, not once per machine.
    """

    def __init__(self, rows: int, space: int) -> None:
        self._codes: Int32 = np.full(space, -1, dtype=np.int32)
        self._rows = rows
        self._code_of: dict[str, int] = {}
        self._numbers: list[float] = []

    @property
    def codes(self) -> Int32:
        """int32[M]; -1 where the machine does not have the attribute."""
        view = self._codes[: self._rows]
        view.flags.writeable = False
        return view

    @property
    def words(self) -> tuple[str, ...]:
        """The distinct values met so far, by code; some may no longer be in use."""
        return tuple(self._code_of)

    @property
    def numbers(self) -> Float64:
        """float64[V], the words as numbers, nan where a word is none."""
        return np.array(self._numbers, dtype=np.float64)

    def __len__(self) -> int:
        """How many distinct values there are, V."""
        return len(self._numbers)

    def code(self, word: str) -> int:
        """The code of a value; -1 if no machine ever had it."""
        return self._code_of.get(word, -1)

    def put(self, row: int, word: str) -> None:
        """Give a machine this value."""
        code = self._code_of.get(word)
        if code is None:
            code = self._code_of[word] = len(self._code_of)
            self._numbers.append(_number(word))
        self._codes[row] = code

    def clear(self, row: int) -> None:
        """Take the attribute from a machine."""
        self._codes[row] = -1

    def resize(self, rows: int, space: int) -> None:
        """Follow the snapshot: `rows` in use out of `space`."""
        if space > len(self._codes):
            codes = np.full(space, -1, dtype=np.int32)
            codes[: self._rows] = self._codes[: self._rows]
            self._codes = codes
        self._rows = rows


def _number(word: str) -> float:
    if (
        word[:1].isalpha() and word[:1] not in "iInN"
    ):  # no number, infinity or nan begins so: most words, at once
        return float("nan")
    try:
        return float(word)
    except ValueError:
        return float("nan")


class Snapshot:
    """The cell as one scheduler last saw it. Applying costs what changed, never the size of the cell.

    machines: how many are known, M; also those that are down. machine_id, version (of each machine's row as seen here),
    claim_sequence (what a claim under coarse detection has seen): int64[M]. capacity, used (as the store last said),
    free: int64[M, R]. available: bool[M], up and schedulable. `free_to_read` and `available_to_read` are the same
    memory, not to be written.

    `free` is capacity less used. An attempt may write it, and what is free of devices and named resources,
    through its view, which undoes that before the attempt ends. All arrays are windows on buffers that double
    when full: do not keep them across `apply`.
    """

    machines: int
    machine_id: Int64
    version: Int64
    claim_sequence: Int64
    capacity: Int64
    used: Int64
    free: Int64
    available: Bool
    free_to_read: Int64
    available_to_read: Bool

    def __init__(self, dimensions: Sequence[str] = DIMENSIONS) -> None:
        self.dimensions = tuple(dimensions)
        self.watermark: Watermark | None = None
        self._forget()

    def _forget(self) -> None:
        width = len(self.dimensions)
        self._rows = 0
        self._machine_id: Int64 = np.zeros(0, dtype=np.int64)
        self._version: Int64 = np.zeros(0, dtype=np.int64)
        self._claim_sequence: Int64 = np.zeros(0, dtype=np.int64)
        self._capacity: Int64 = np.zeros((0, width), dtype=np.int64)
        self._used: Int64 = np.zeros((0, width), dtype=np.int64)
        self._free: Int64 = np.zeros((0, width), dtype=np.int64)
        self._available: Bool = np.zeros(0, dtype=np.bool_)
        self._extras = ExtrasByRow()
        # Ids come from one sequence and are dense, so a table from id to row is small, and one gather answers
        # for a whole transaction.
        self._row_of_id: Int32 = np.full(0, -1, dtype=np.int32)
        self._names: list[str] = []
        self._attributes: dict[str, AttributeColumn] = {NAME_ATTRIBUTE: AttributeColumn(0, 0)}
        self._largest: Int64 = np.zeros(width, dtype=np.int64)
        self._largest_stale = False
        self._set_windows()

    def _set_windows(self) -> None:
        """Follow the buffers and the number of rows: made here, as an attempt at a small job asks for all of them."""
        rows = self.machines = self._rows
        self.machine_id = self._machine_id[:rows]
        self.version = self._version[:rows]
        self.claim_sequence = self._claim_sequence[:rows]
        self.capacity = self._capacity[:rows]
        self.used = self._used[:rows]
        self.free = self._free[:rows]
        self.available = self._available[:rows]
        self.free_to_read = self.free.view()
        self.available_to_read = self.available.view()
        self.free_to_read.flags.writeable = self.available_to_read.flags.writeable = False

    @property
    def device_free(self) -> Int64:
        """int64[M, D]: milli free on each device as in `free`, -1 where a machine has no such device.

        D is the most devices of any machine, 0 in a cell without devices.
        """
        return self._extras.device_free

    @property
    def named(self) -> Mapping[str, NamedResource]:
        """The named resources that machines were ever told to have."""
        return self._extras.named

    @property
    def reserved(self) -> Reserved:
        """The machines kept for a gang, also where the time of that has passed."""
        return self._extras.reserved

    @property
    def names(self) -> Sequence[str]:
        """M names; "" where a machine's facts have not come yet."""
        return self._names

    @property
    def largest(self) -> Int64:
        """int64[R]: the largest capacity of any machine in each dimension; the unit of normalised scores."""
        if self._largest_stale:
            self._largest = self.capacity.max(axis=0, initial=0)
            self._largest_stale = False
        return self._largest

    def attribute(self, name: str) -> AttributeColumn:
        """The column of an attribute; one without values if no machine has it."""
        column = self._attributes.get(name)
        return AttributeColumn(self._rows, self._rows) if column is None else column

    def rows_of(self, machine_ids: Int64) -> Int64:
        """int64[K]: the rows of these machines, -1 where unknown."""
        known = (machine_ids >= 0) & (machine_ids < len(self._row_of_id))
        rows = np.full(len(machine_ids), -1, dtype=np.int64)
        rows[known] = self._row_of_id[machine_ids[known]]
        return rows

    def apply(self, changes: Changes) -> None:
        """Take what the feed brought, and its watermark; a row older than ours changes nothing."""
        if changes.full:
            self._forget()
        self.apply_rows(changes.rows)
        if changes.facts:
            self._apply_facts(changes.facts)
        self.watermark = changes.watermark

    def apply_rows(self, rows: MachineRows) -> None:
        """Take current rows of some machines, a verdict's for instance, each only where it is newer."""
        if not len(rows.machine_id):
            return
        # In order of version, so that of two rows of one machine the newer is written last.
        order = np.argsort(rows.version, kind="stable")
        at = self._rows_for(rows.machine_id[order])
        newer = rows.version[order] > self._version[at]
        if not newer.all():
            order, at = order[newer], at[newer]
        capacity, used = rows.capacity[order], rows.used[order]
        if not self._largest_stale and not np.array_equal(capacity, self._capacity[at]):
            self._largest_stale = True
        self._version[at] = rows.version[order]
        self._claim_sequence[at] = rows.claim_sequence[order]
        self._capacity[at] = capacity
        self._used[at] = used
        self._free[at] = capacity - used
        self._available[at] = rows.available[order]
        self._extras.replace(at, rows.extras, self.rows_of)

    def _apply_facts(self, facts: Sequence[MachineFacts]) -> None:
        """Replace name and attributes of these machines."""
        at = self._rows_for(np.array([fact.machine_id for fact in facts], dtype=np.int64))
        of_names = self._column(NAME_ATTRIBUTE)
        others = [column for column in self._attributes.values() if column is not of_names]
        for row, fact in zip(at.tolist(), facts, strict=True):
            for column in others:
                column.clear(row)
            for name, word in fact.attributes.items():
                self._column(name).put(row, word)
            self._names[row] = fact.name
            of_names.put(row, fact.name)

    def _column(self, name: str) -> AttributeColumn:
        if name not in self._attributes:
            self._attributes[name] = AttributeColumn(self._rows, len(self._version))
        return self._attributes[name]

    def _rows_for(self, machine_ids: Int64) -> Int64:
        """The rows of these machines, made where they are new."""
        top = int(machine_ids.max())
        if top >= len(self._row_of_id):
            table = np.full(max(2 * len(self._row_of_id), top + 1), -1, dtype=np.int32)
            table[: len(self._row_of_id)] = self._row_of_id
            self._row_of_id = table
        at = self._row_of_id[machine_ids].astype(np.int64)
        if at.min() < 0:
            self._add(np.unique(machine_ids[at < 0]))
            at = self._row_of_id[machine_ids].astype(np.int64)
        return at

    def _add(self, machine_ids: Int64) -> None:
        """Append machines, not yet described, in the order given."""
        first, last = self._rows, self._rows + len(machine_ids)
        if last > len(self._version):
            self._grow(max(2 * len(self._version), last, 16))
        self._rows = last
        self._machine_id[first:last] = machine_ids
        self._version[first:last] = _NEVER
        self._row_of_id[machine_ids] = np.arange(first, last, dtype=np.int32)
        self._names.extend([""] * len(machine_ids))
        for column in self._attributes.values():
            column.resize(last, len(self._version))
        self._extras.resize(last, len(self._version))
        self._set_windows()

    def _grow(self, space: int) -> None:
        self._machine_id = _wider(self._machine_id, space)
        self._version = _wider(self._version, space)
        self._claim_sequence = _wider(self._claim_sequence, space)
        self._capacity = _wider(self._capacity, space)
        self._used = _wider(self._used, space)
        self._free = _wider(self._free, space)
        available = np.zeros(space, dtype=np.bool_)
        available[: len(self._available)] = self._available
        self._available = available


def _wider(column: Int64, space: int) -> Int64:
    wider = np.zeros((space, *column.shape[1:]), dtype=np.int64)
    wider[: len(column)] = column
    return wider
