"""The reference simulator's generator: gaps, numbers of tasks and durations are exponential, job by job as there.

Source: the published lightweight simulator of Schwarzkopf et al., EuroSys 2013.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from omegacell.bench.sim.jobs import JobTable, TaskShape
from omegacell.bench.sim.workload.java_random import JavaRandom


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

    Drawn in this order: the gap to the first job; then for each job its duration, its number of tasks (rounded up), and
    the gap to the next. `rate` divides the mean gap.
    """
    gap = gap_seconds / rate
    draws = _logarithms(seed)
    submitted: list[float] = []
    counts: list[int] = []
    durations: list[float] = []
    at = -gap * next(draws)
    while at < runtime_seconds:
        submitted.append(at)
        durations.append(-duration_seconds * next(draws))
        counts.append(math.ceil(-tasks * next(draws)))
        at += -gap * next(draws)
    return JobTable(
        submitted_at=np.array(submitted),
        tasks=np.array(counts, dtype=np.int64),
        duration_seconds=np.array(durations),
        shape=np.zeros(len(submitted), dtype=np.int64),
        shapes=(shape,),
    )


def _logarithms(seed: int) -> Iterator[float]:
    """ln(u) of the stream's doubles, those that are 0 left out."""
    random = JavaRandom(seed)
    while True:
        for double in random.doubles().tolist():
            if double:
                yield math.log(double)
