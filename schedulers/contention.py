"""Among how many machines to choose, by how many of the recent claims conflicted. Pure.

Schedulers that rank machines alike all want the same best one, and all but one of them lose. Who instead
picks the best of a random part of the cell picks, in effect, at random among the best: if each machine is
seen with probability 1 / w, the choice falls on one of the w best or so. `Width` is that w. It doubles with a
conflict and shrinks slowly without, so that it settles where one or two attempts in ten conflict, however
many rivals there are; without rivals it is 1, and choices are the policy's own.
"""

from __future__ import annotations

import numpy as np

from omegacell.cellstate.model import Bool

_WIDENED_BY = 2.0
_NARROWED_BY = 0.93
"""Where conflicts are one in ten both cancel out: 2 x 0.93^9.6 = 1."""
_WIDEST = 4_096.0
"""One machine in 4,096 is as good as a random one in any cell we know; a lull then is over in 115 attempts."""
_SEEN_BESIDES = 4.0
"""Machines to be seen on average beyond one for each slot: then room is hardly ever missed for not being seen."""


class Width:
    """How far a scheduler's choices are spread, from 1; learns from every job that made claims."""

    def __init__(self) -> None:
        self._width = 1.0

    def learn(self, *, conflicted: bool) -> None:
        """Count a job whose claims were judged."""
        self._width *= _WIDENED_BY if conflicted else _NARROWED_BY
        self._width = min(max(self._width, 1.0), _WIDEST)

    def share(self, machines: int, slots: int) -> float:
        """Which share of `machines` to look at for so many slots; 1 or more: all."""
        return max(1.0 / self._width, (slots + _SEEN_BESIDES) / max(machines, 1))


def seen(machines: int, share: float, rng: np.random.Generator) -> Bool:
    """bool[M]: which of the machines to look at, a random choice."""
    chosen: Bool = rng.random(machines) < share
    return chosen
