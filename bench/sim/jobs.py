"""A workload as columns: what arrives when, how many tasks it has, what they take and for how long."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import (
    Amounts,
    AntiAffinity,
    CommitMode,
    Constraint,
    Detection,
    Int64,
)

Float64 = NDArray[np.float64]

FOR_EVER = float("inf")
"""The duration of a task that does not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskShape:
    """What all jobs of a sort have in common. `kind` routes them: "batch" and "service" in the reference cells."""

    kind: str
    amounts: Amounts
    detection: Detection = Detection.FINE
    commit: CommitMode = CommitMode.INCREMENTAL
    priority: int = 100
    constraints: tuple[Constraint, ...] = ()
    anti_affinity: tuple[AntiAffinity, ...] = ()
    spread: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobTable:
    """N jobs in order of submission.

    submitted_at: float64[N], seconds from the start; tasks: int64[N]; duration_seconds: float64[N], of each task
    (FOR_EVER: it stays); shape: int64[N], positions in `shapes`.
    """

    submitted_at: Float64
    tasks: Int64
    duration_seconds: Float64
    shape: Int64
    shapes: tuple[TaskShape, ...]

    def __len__(self) -> int:
        """N."""
        return len(self.submitted_at)

    def before(self, seconds: float) -> JobTable:
        """Those submitted earlier than that."""
        return self._of(np.flatnonzero(self.submitted_at < seconds))

    def replayed(
        self, *, start: float, end: float, rate: float, limit: int, runtime: float = FOR_EVER
    ) -> JobTable:
        """The jobs submitted from `start` on and before `end`, the first `limit` of them (0: all), `rate` times as
        often: `start` becomes 0, and what comes after the runtime is left out. Durations stay.
        """
        window = self._of(np.flatnonzero((self.submitted_at >= start) & (self.submitted_at < end)))
        if limit:
            window = window._of(np.arange(min(limit, len(window))))
        return replace(window, submitted_at=(window.submitted_at - start) / rate).before(runtime)

    def evenly(self, gap_seconds: float) -> JobTable:
        """The same jobs in the same order, one every so often, the first at 0."""
        return replace(self, submitted_at=np.arange(len(self), dtype=np.float64) * gap_seconds)

    def _of(self, chosen: Int64) -> JobTable:
        return JobTable(
            submitted_at=self.submitted_at[chosen],
            tasks=self.tasks[chosen],
            duration_seconds=self.duration_seconds[chosen],
            shape=self.shape[chosen],
            shapes=self.shapes,
        )


class JobRows:
    """Jobs one by one, until they are a table; 32 bytes each, in any order."""

    def __init__(self) -> None:
        self._submitted_at = array("d")
        self._duration = array("d")
        self._tasks = array("q")
        self._shape = array("q")
        self._position: dict[TaskShape, int] = {}

    def add(self, shape: TaskShape, *, submitted_at: float, tasks: int, duration_seconds: float) -> None:
        """One more."""
        self._submitted_at.append(submitted_at)
        self._tasks.append(tasks)
        self._duration.append(duration_seconds)
        self._shape.append(self._position.setdefault(shape, len(self._position)))

    def table(self) -> JobTable:
        """All of them in order of submission; at one moment, in the order in which they were added."""
        table = JobTable(
            submitted_at=np.array(self._submitted_at, dtype=np.float64),
            tasks=np.array(self._tasks, dtype=np.int64),
            duration_seconds=np.array(self._duration, dtype=np.float64),
            shape=np.array(self._shape, dtype=np.int64),
            shapes=tuple(self._position),
        )
        return table._of(np.argsort(table.submitted_at, kind="stable"))


def merged(tables: Sequence[JobTable]) -> JobTable:
    """All jobs in order of submission; at one moment, in the order of the tables."""
    if not tables:
        raise SpecInvalid("the scenario has no workload; add a [[workload]]")
    shapes = tuple(shape for table in tables for shape in table.shapes)
    first = np.cumsum([0, *(len(table.shapes) for table in tables)])
    whole = JobTable(
        submitted_at=np.concatenate([table.submitted_at for table in tables]),
        tasks=np.concatenate([table.tasks for table in tables]),
        duration_seconds=np.concatenate([table.duration_seconds for table in tables]),
        shape=np.concatenate([table.shape + first[at] for at, table in enumerate(tables)]),
        shapes=shapes,
    )
    return whole._of(np.argsort(whole.submitted_at, kind="stable"))
