"""Resources as integers with the unit in the name, and the arrays that hold many of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


_NO_ENTRIES = np.zeros(0, dtype=np.int64)


def no_entries() -> Int64:
    """int64[0], the default of a column that most do not use; always the same one."""
    return _NO_ENTRIES


DIMENSIONS = ("cpu_milli", "memory_bytes", "disk_bytes")
"""The resource dimensions every machine has, in the order of the columns of every [.., R] array."""

DEVICE_MILLI = 1000
"""What one device (a GPU) holds."""

DEVICES_AT_MOST = 62
"""Devices of one machine: a set of them is a bit mask in one signed 64-bit integer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """An amount in every dimension of DIMENSIONS, on devices, and of named resources; never negative.

    gpu_milli: of a task, a share of one device below DEVICE_MILLI, else that many whole devices; of a
    machine, DEVICE_MILLI for each device it has. custom: (name, milli) by name, without zeros.
    """

    cpu_milli: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    gpu_milli: int = 0
    custom: tuple[tuple[str, int], ...] = ()

    def vector(self) -> Int64:
        """int64[R], in the order of DIMENSIONS."""
        return np.array((self.cpu_milli, self.memory_bytes, self.disk_bytes), dtype=np.int64)

    @property
    def plain(self) -> bool:
        """Whether it is about the dimensions alone: no devices, nothing of a name."""
        return not self.gpu_milli and not self.custom
