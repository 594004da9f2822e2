"""The reference simulator's generator: gaps, numbers of tasks and durations are exponential, job by job as there.

Source: the published lightweight simulator of Schwarzkopf et al., EuroSys 2013.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from omegacell.bench.sim.fields import Seconds, TaskAmount
from omegacell.bench.sim.jobs import Float64, JobTable, TaskShape
from omegacell.bench.sim.workload.java_random import JavaRandom
from omegacell.bench.sim.workload.source import Asking

_AT_ONCE = 4096
"""Jobs that are drawn at once."""


class Exponential(Asking, TaskAmount):
    """The reference simulator's generator. stream: its seed is 1000 x (the run's seed) + stream."""

    source: Literal["exponential"] = "exponential"
    stream: int = Field(ge=1, lt=1000)
    gap_seconds: Seconds = Field(gt=0)
    tasks: float = Field(gt=0)
    duration_seconds: Seconds

    def jobs(self, *, seed: int, runtime_seconds: float, folder: Path) -> JobTable:
        """Those of one run."""
        return exponential(
            self.shape(self.kind, self.amounts()),
            gap_seconds=self.gap_seconds,
            tasks=self.tasks,
            duration_seconds=self.duration_seconds,
            runtime_seconds=runtime_seconds,
            seed=1000 * seed + self.stream,
            rate=self.rate,
        )


def exponential(
    shape: TaskShape,
    *,
    gap_seconds: float,
    tasks: float,
    duration_seconds: float,
    runtime_seconds: float,
    seed: int,
    rate: float = 1.0,
) -> JobTable:
    """Jobs until the end of the runtime. exp(mean) = -mean * ln(u), u a double of java.util.Random(seed), never 0.

    Drawn in this order: the gap to the first job; then for each job its duration, its number of tasks (rounded
    up), and the gap to the next. `rate` divides the mean gap.
    """
    gap = gap_seconds / rate
    submitted, counts, durations = [], [], []
    at = 0.0
    for drawn in _logarithms(seed):
        gaps = -gap * drawn[:, 0]
        gaps[0] += at
        times = np.add.accumulate(gaps)  # one after another, as a loop adds them: equal to the last bit
        submitted.append(times)
        durations.append(-duration_seconds * drawn[:, 1])
        counts.append(np.ceil(-tasks * drawn[:, 2]).astype(np.int64))
        at = float(times[-1])
        if at >= runtime_seconds:
            break
    jobs = JobTable(
        submitted_at=np.concatenate(submitted),
        tasks=np.concatenate(counts),
        duration_seconds=np.concatenate(durations),
        shape=np.zeros(sum(map(len, submitted)), dtype=np.int64),
        shapes=(shape,),
    )
    return jobs.before(runtime_seconds)


def _logarithms(seed: int) -> Iterator[Float64]:
    """float64[4096, 3], again and again: ln(u) of the stream's doubles, those that are 0 left out.

    By math.log and not np.log, whose last bit differs for one double in 300: the jobs would not be the reference's.
    """
    random = JavaRandom(seed)
    left = np.zeros(0)
    while True:
        doubles = [left]
        while sum(map(len, doubles)) < 3 * _AT_ONCE:
            block = random.doubles()
            doubles.append(block[block > 0.0])
        drawn = np.concatenate(doubles)
        now, left = drawn[: 3 * _AT_ONCE], drawn[3 * _AT_ONCE :]
        yield np.array(list(map(math.log, now.tolist()))).reshape(_AT_ONCE, 3)
