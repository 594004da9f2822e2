"""java.util.Random, whose stream the reference simulator's generator draws from, in blocks.

A 48-bit linear congruential generator: s' = (s * 0x5DEECE66D + 0xB) mod 2^48, seeded with (seed ^ 0x5DEECE66D) mod
2^48. n steps at once are one such step with other constants, so a block of draws is a few vectorised operations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
UInt64 = NDArray[np.uint64]

_MULTIPLIER, _INCREMENT = 0x5DEECE66D, 0xB
_MASK = (1 << 48) - 1
_BLOCK = 4096


def _jumps() -> tuple[UInt64, UInt64]:
    """uint64[2 * _BLOCK] each: multiplier and increment of 1, 2, ... steps."""
    multipliers, increments = [], []
    multiplier, increment = 1, 0
    for _ in range(2 * _BLOCK):
        multiplier, increment = (
            multiplier * _MULTIPLIER & _MASK,
            (increment * _MULTIPLIER + _INCREMENT) & _MASK,
        )
        multipliers.append(multiplier)
        increments.append(increment)
    return np.array(multipliers, dtype=np.uint64), np.array(increments, dtype=np.uint64)


class JavaRandom:
    """The doubles that `nextDouble` of java.util.Random(seed) gives, one after another."""

    _jump: tuple[UInt64, UInt64] | None = None

    def __init__(self, seed: int) -> None:
        self._state = (seed ^ _MULTIPLIER) & _MASK
        if JavaRandom._jump is None:
            JavaRandom._jump = _jumps()
        self._multipliers, self._increments = JavaRandom._jump

    def doubles(self) -> Float64:
        """float64[4096]: the next so many, each in [0, 1): ((next(26) << 27) + next(27)) * 2^-53."""
        # Products overflow 64 bits, which leaves the lowest 48 as they should be.
        states = (np.uint64(self._state) * self._multipliers + self._increments) & np.uint64(_MASK)
        self._state = int(states[-1])
        high = states[0::2] >> np.uint64(48 - 26)
        low = states[1::2] >> np.uint64(48 - 27)
        return ((high << np.uint64(27)) + low).astype(np.float64) * 2.0**-53
