"""What a scheduler sees where it does not see the cell as it is: a part of it, or all of it as it once was."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from omegacell.cellstate.extras import NamedResource
from omegacell.cellstate.model import Int64
from omegacell.cellstate.snapshot import AttributeColumn, Snapshot


class Window(Snapshot):
    """Rows first to last - 1 of a snapshot, as one of its own; not to be applied to, and nor is `whole` from now on.

    It lies on the memory of `whole`: what is free there is free here. `own`: what claims change is a copy, and stays as
    it is now until its owner writes it. Cost: one pass over the copies; names and attributes are shared.
    """

    def __init__(self, whole: Snapshot, first: int, last: int, *, own: bool = False) -> None:
        super().__init__(whole.dimensions)
        rows = slice(first, last)

        def part(column: Int64) -> Int64:
            return column[rows].copy() if own else column[rows]

        self._whole = whole
        self._first = first
        self._rows = last - first
        self._names = list(whole.names[first:last])
        self._machine_id = whole.machine_id[rows]
        self._version = whole.version[rows]
        self._capacity = whole.capacity[rows]
        self._used = whole.used[rows]
        self._available = whole.available[rows]
        self._free = part(whole.free)
        self._claim_sequence = part(whole.claim_sequence)
        self._set_windows()
        self._device_free = part(whole.device_free)
        self._named = {
            name: NamedResource(capacity=resource.capacity[rows], free=part(resource.free))
            for name, resource in whole.named.items()
        }
        self._columns: dict[str, AttributeColumn] = {}
        self._largest_stale = True

    @property
    def device_free(self) -> Int64:
        """int64[M, D]: as in Snapshot."""
        return self._device_free

    @property
    def named(self) -> Mapping[str, NamedResource]:
        """As in Snapshot."""
        return self._named

    def attribute(self, name: str) -> AttributeColumn:
        """The column of an attribute, made when it is first asked for: facts do not change in a run."""
        if name not in self._columns:
            whole = self._whole.attribute(name)
            column = self._columns[name] = AttributeColumn(self._rows, self._rows)
            words = whole.words
            for row, code in enumerate(whole.codes[self._first : self._first + self._rows].tolist()):
                if code >= 0:
                    column.put(row, words[code])
        return self._columns[name]

    def rows_of(self, machine_ids: Int64) -> Int64:
        """int64[K]: the rows of these machines, -1 for those outside."""
        rows = self._whole.rows_of(machine_ids) - self._first
        rows[(rows < 0) | (rows >= self._rows)] = -1
        return rows

    def clear(self) -> None:
        """Nothing is free; only where free is its own."""
        self._free[:] = 0
        np.minimum(self._device_free, 0, out=self._device_free)
        for resource in self._named.values():
            resource.free[:] = 0
