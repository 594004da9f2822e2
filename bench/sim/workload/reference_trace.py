"""The trace files of the reference simulator (google/cluster-scheduler-simulator, folder traces), space-separated.

The initial state of a cell: lines of `11 time job production class tasks cpus bytes` for jobs that were there at the
start (cpus and bytes of the whole job), and `12 time job production class unused` when such a job ended. Distributions:
lines of `cluster policy scheduler value`, where the value is a gap, a number of tasks or a run time in seconds.
Scheduler 0 is batch and 1 service; in the initial state service is what is production and of class 2 or 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from omegacell.bench.sim.fields import Amount, Cpu, Memory
from omegacell.bench.sim.jobs import FOR_EVER, JobRows, JobTable
from omegacell.bench.sim.workload.distributions import Empirical, empirical
from omegacell.bench.sim.workload.empirical import amounts_of, arrivals
from omegacell.bench.sim.workload.lines import Line, of_words
from omegacell.bench.sim.workload.source import Asking, milli, whole_bytes
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Amounts

_THERE = {
    name: at
    for at, name in enumerate(("event", "time", "job", "production", "class", "tasks", "cpus", "bytes"))
}
_ENDED = {name: at for at, name in enumerate(("event", "time", "job", "production", "class", "unused"))}
_DRAWN = {name: at for at, name in enumerate(("cluster", "policy", "scheduler", "value"))}
_GAP, _TASKS, _DURATION, _CPU, _MEMORY = range(5)


class ReferenceTrace(Asking, Amount):
    """With `initial` alone: its jobs, all at 0; those without an end stay for ever.

    With interarrival, tasks and runtimes (files of distributions): jobs drawn from these, each quantity by itself, by
    linear interpolation between its values; of a number of tasks the whole part counts. Sizes are drawn from the
    tasks of `initial`, from those below max_cpu and max_memory where these are given; without `initial` they are cpu
    and memory. only: the jobs of one of the file's two schedulers.
    """

    source: Literal["reference_trace"]
    only: Literal["batch", "service", ""] = ""
    initial: str = ""
    interarrival: str = ""
    tasks: str = ""
    runtimes: str = ""
    max_cpu: Cpu | None = None
    max_memory: Memory | None = None
    stream: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> ReferenceTrace:
        drawn = sum(map(bool, (self.interarrival, self.tasks, self.runtimes)))
        if drawn not in (0, 3) or not (drawn or self.initial):
            raise ValueError("expected initial, or interarrival, tasks and runtimes, or all four")
        return self

    def jobs(self, *, seed: int, runtime_seconds: float, folder: Path) -> JobTable:
        """Those of one run."""
        if self.interarrival:
            return self._drawn(seed, runtime_seconds, folder)
        rows = JobRows()
        for job in initial_jobs(folder / self.initial, self.only):
            amounts = Amounts(cpu_milli=job.cpu_milli, memory_bytes=job.memory_bytes)
            shape = self.shape(self.kind, amounts)
            rows.add(shape, submitted_at=0.0, tasks=job.tasks, duration_seconds=job.duration_seconds)
        return rows.table()

    def _drawn(self, seed: int, runtime_seconds: float, folder: Path) -> JobTable:
        gap = self._distribution(folder / self.interarrival, least=0.0)
        tasks = self._distribution(folder / self.tasks, least=1.0)
        durations = self._distribution(folder / self.runtimes, least=0.0, positive=True)
        cpu, memory = self._sizes(folder)
        rng = [np.random.default_rng([seed, self.stream, quantity]) for quantity in range(5)]

        submitted = arrivals(
            lambda count: gap.quantiles(rng[_GAP].random(count), interpolate=True) / self.rate,
            runtime_seconds,
        )
        count = len(submitted)
        sizes = np.stack(
            [
                cpu.quantiles(rng[_CPU].random(count), interpolate=True),
                memory.quantiles(rng[_MEMORY].random(count), interpolate=True),
            ],
            axis=1,
        )
        amounts, shape = amounts_of(np.rint(sizes).astype(np.int64))
        return JobTable(
            submitted_at=submitted,
            tasks=tasks.quantiles(rng[_TASKS].random(count), interpolate=True).astype(np.int64),
            duration_seconds=durations.quantiles(rng[_DURATION].random(count), interpolate=True),
            shape=shape,
            shapes=tuple(self.shape(self.kind, one) for one in amounts),
        )

    def _distribution(self, path: Path, *, least: float, positive: bool = False) -> Empirical:
        found: list[float] = []
        for number, words in of_words(path):
            line = _line(path, number, words, _DRAWN)
            value = line.amount("value", least=least)
            if self._wanted(line.text("scheduler") == "1") and (value or not positive):
                found.append(value)
        if not found:
            raise SpecInvalid(
                f"trace {path} has no values of {self.only or 'any'} jobs; expected at least one"
            )
        return empirical(found)

    def _sizes(self, folder: Path) -> tuple[Empirical, Empirical]:
        if not self.initial:
            return empirical([self.cpu]), empirical([self.memory])
        path = folder / self.initial
        jobs = list(initial_jobs(path, self.only))
        cpu = [job.cpu_milli for job in jobs if self.max_cpu is None or job.cpu_milli < self.max_cpu]
        memory = [
            job.memory_bytes for job in jobs if self.max_memory is None or job.memory_bytes < self.max_memory
        ]
        if not (cpu and memory):
            raise SpecInvalid(f"trace {path} has no {self.only or 'jobs'} below max_cpu and max_memory")
        return empirical(cpu), empirical(memory)

    def _wanted(self, service: bool) -> bool:
        return not self.only or (self.only == "service") == service


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialJob:
    """A job that was there at the start; the amounts are of one task, the duration from the start on."""

    tasks: int
    cpu_milli: int
    memory_bytes: int
    duration_seconds: float


def initial_jobs(path: Path, only: Literal["batch", "service", ""] = "") -> Iterator[InitialJob]:
    """The jobs of an initial state, or those of one scheduler, in the order of the file."""
    there: dict[str, Line] = {}
    ended: dict[str, float] = {}
    for number, words in of_words(path):
        if words[0] not in ("11", "12"):
            raise SpecInvalid(f"{path}, line {number}, column event: {words[0]!r} found, expected 11 or 12")
        line = _line(path, number, words, _THERE if words[0] == "11" else _ENDED)
        service = line.text("production") == "1" and line.count("class") >= 2
        if only and (only == "service") != service:
            continue
        job = line.text("job")
        if words[0] == "11":
            there[job] = line
        elif job in there:
            ended[job] = line.amount("time")
        else:
            raise line.wrong("job", "one that an earlier line of event 11 has")
    for job, line in there.items():
        tasks = line.count("tasks", least=1)
        yield InitialJob(
            tasks=tasks,
            cpu_milli=milli(line.amount("cpus") / tasks),
            memory_bytes=whole_bytes(line.amount("bytes") / tasks),
            duration_seconds=ended.get(job, FOR_EVER),
        )


def _line(path: Path, number: int, words: list[str], columns: dict[str, int]) -> Line:
    if len(words) != len(columns):
        raise SpecInvalid(
            f"{path}, line {number}: {len(words)} columns found, expected {len(columns)} ({' '.join(columns)})"
        )
    return Line(path, number, columns, words)
