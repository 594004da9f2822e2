"""How full the cell is: samples at every whole second, taken as things change and not one by one."""

from __future__ import annotations

from omegacell.cellstate.model import Int64


class Utilisation:
    """The mean over the seconds after `warm_up` of what is used, by dimension.

    Between two changes all samples are alike, so that a change pays for those since the last one: `change` is called
    with what is used from `now` on. A sample at the moment of a change sees what was before.
    """

    def __init__(self, used: tuple[int, int, int], *, warm_up: float = 0.0) -> None:
        self._used = list(used)
        self._sums = [0] * len(used)
        self._sampled = self._first = int(warm_up)
        self._next = self._first + 1.0  # a comparison is all that most changes pay

    def change(self, now: float, amounts: tuple[int, int, int], count: int) -> None:
        """`count` more tasks of these amounts from now on; fewer where it is negative."""
        if now >= self._next:
            self._sample(int(now))
        used = self._used
        used[0] += amounts[0] * count
        used[1] += amounts[1] * count
        used[2] += amounts[2] * count

    def _sample(self, second: int) -> None:
        seconds = second - self._sampled
        for dimension, used in enumerate(self._used):
            self._sums[dimension] += used * seconds
        self._sampled, self._next = second, second + 1.0

    def mean(self, now: float, capacity: Int64) -> list[float]:
        """The shares of the capacity: int64[R], in use on average; nan before the first sample."""
        if int(now) > self._sampled:
            self._sample(int(now))
        samples = self._sampled - self._first
        return [
            total / (samples * held) if samples and held else float("nan")
            for total, held in zip(self._sums, capacity.tolist(), strict=True)
        ]
