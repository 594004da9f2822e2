"""Resources as integers with the unit in the name, and the arrays that hold many of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

DIMENSIONS = ("cpu_milli", "memory_bytes", "disk_bytes")
"""The resource dimensions every machine has, in the order of the columns of every [.., R] array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """An amount in every dimension of DIMENSIONS; never negative."""

    cpu_milli: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0

    def vector(self) -> Int64:
        """int64[R], in the order of DIMENSIONS."""
        return np.array((self.cpu_milli, self.memory_bytes, self.disk_bytes), dtype=np.int64)
