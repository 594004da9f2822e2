"""Jobs whose gaps, tasks, durations and sizes are drawn from measured values, each independently of the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from omegacell.bench.sim.jobs import Float64, JobTable
from omegacell.bench.sim.workload import distributions
from omegacell.bench.sim.workload.distributions import Distribution, Empirical
from omegacell.bench.sim.workload.source import Asking
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Amounts, Int64
from omegacell.cellstate.units import parse_bytes, parse_cpu, written_seconds

_GAP, _TASKS, _DURATION, _CPU, _MEMORY = range(5)
"""Streams of random numbers: changing the distribution of one quantity leaves the draws of the others as they are."""

_AT_ONCE = 4096

JOBS_AT_MOST = 100_000_000
"""More than a machine's memory holds; gaps of 0 would never come to an end."""


class EmpiricalSource(Asking):
    """Drawn by the inverse of the distribution functions. stream: with the run's seed, of the random numbers.

    interpolate: between the measured values; otherwise only they are drawn.
    """

    source: Literal["empirical"]
    stream: int = Field(default=1, ge=0)
    gap_seconds: Distribution
    tasks: Distribution
    duration_seconds: Distribution
    cpu: Distribution
    memory: Distribution = 0
    interpolate: bool = False

    def jobs(self, *, seed: int, runtime_seconds: float, folder: Path) -> JobTable:
        """Those of one run."""
        read = distributions.read
        gap = read(self.gap_seconds, "gap_seconds", folder, _seconds)
        tasks = read(self.tasks, "tasks", folder, _tasks)
        duration = read(self.duration_seconds, "duration_seconds", folder, _seconds)
        cpu = read(self.cpu, "cpu", folder, _cpu)
        memory = read(self.memory, "memory", folder, _bytes)

        def draw(stream: int, of: Empirical, count: int) -> Float64:
            rng = np.random.default_rng([seed, self.stream, stream])
            return of.quantiles(rng.random(count), interpolate=self.interpolate)

        rng = np.random.default_rng([seed, self.stream, _GAP])
        submitted = arrivals(
            lambda count: gap.quantiles(rng.random(count), interpolate=self.interpolate) / self.rate,
            runtime_seconds,
        )
        count = len(submitted)
        sizes = np.stack([draw(_CPU, cpu, count), draw(_MEMORY, memory, count)], axis=1)
        amounts, shape = amounts_of(np.rint(sizes).astype(np.int64))
        return JobTable(
            submitted_at=submitted,
            tasks=np.maximum(np.ceil(draw(_TASKS, tasks, count)), 1).astype(np.int64),
            duration_seconds=draw(_DURATION, duration, count),
            shape=shape,
            shapes=tuple(self.shape(self.kind, one) for one in amounts),
        )


def arrivals(gaps: Callable[[int], Float64], runtime_seconds: float) -> Float64:
    """Times of submission, of all jobs before the end of the runtime; `gaps(n)` draws the next n."""
    times: list[Float64] = []
    at, made = 0.0, 0
    while at < runtime_seconds:
        drawn = gaps(_AT_ONCE)
        drawn[0] += at
        times.append(np.add.accumulate(drawn))
        at, made = float(times[-1][-1]), made + _AT_ONCE
        if made > JOBS_AT_MOST:
            raise SpecInvalid(f"gap_seconds lets come over {JOBS_AT_MOST} jobs; expected longer gaps")
    whole = np.concatenate(times) if times else np.zeros(0)
    return whole[whole < runtime_seconds]


def amounts_of(sizes: Int64) -> tuple[tuple[Amounts, ...], Int64]:
    """The distinct amounts, and for each job the position of its own, from sizes: int64[N, 2], cpu_milli and bytes."""
    distinct, position = np.unique(sizes, axis=0, return_inverse=True)
    amounts = tuple(
        Amounts(cpu_milli=cpu_milli, memory_bytes=memory_bytes)
        for cpu_milli, memory_bytes in distinct.tolist()
    )
    return amounts, position.reshape(-1).astype(np.int64)


def _seconds(value: object, name: str) -> float:
    return written_seconds(str(value), name)


def _cpu(value: object, name: str) -> float:
    return float(parse_cpu(value, name)) if value else 0.0


def _bytes(value: object, name: str) -> float:
    """Bytes from a number, or a string with or without a unit."""
    number = value if isinstance(value, float) else float(str(value)) if str(value).isdecimal() else None
    return float(parse_bytes(int(number) if number is not None and number.is_integer() else value, name))


def _tasks(value: object, name: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if not 1 <= number < 2**53:
        raise SpecInvalid(f"{name}={value!r} is no number of tasks; expected 1 or more")
    return number
