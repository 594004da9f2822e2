"""How full the cell is: samples at every whole second, taken as things change and not one by one."""

from __future__ import annotations

from omegacell.cellstate.model import Int64


class Level:
    """How many there are of something, and the sum of that over the seconds after `warm_up`.

    Between two changes all samples are alike, so that a change pays for those since the last one at once. A sample at
    the moment of a change sees what was before.
    """

    __slots__ = ("_count", "_sampled", "_total")

    def __init__(self, *, warm_up: float = 0.0) -> None:
        self._count = 0
        self._total = 0
        self._sampled = int(warm_up)

    def change(self, now: float, count: int) -> None:
        """`count` more from now on; fewer where it is negative."""
        second = int(now)
        if second > self._sampled:
            self._total += self._count * (second - self._sampled)
            self._sampled = second
        self._count += count

    def total(self, now: float) -> int:
        """The sum of all samples up to now."""
        self.change(now, 0)
        return self._total


class Utilisation:
    """The mean of what is used, by dimension, over the seconds after `warm_up`; a Level for each sort of use."""

    def __init__(self, *, warm_up: float = 0.0) -> None:
        self._warm_up = warm_up
        self._levels: list[tuple[tuple[int, int, int], Level]] = []

    def level(self, amounts: tuple[int, int, int]) -> Level:
        """For what takes these amounts each."""
        level = Level(warm_up=self._warm_up)
        self._levels.append((amounts, level))
        return level

    def mean(self, now: float, capacity: Int64) -> list[float]:
        """The shares of the capacity: int64[R], in use on average; nan before the first sample."""
        samples = int(now) - int(self._warm_up)
        totals = [(amounts, level.total(now)) for amounts, level in self._levels]
        return [
            sum(amounts[dimension] * total for amounts, total in totals) / (samples * held)
            if samples > 0 and held
            else float("nan")
            for dimension, held in enumerate(capacity.tolist())
        ]
