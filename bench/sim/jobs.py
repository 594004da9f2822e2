"""A workload as columns: what arrives when, how many tasks it has, what they take and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

    def _of(self, chosen: Int64) -> JobTable:
        return JobTable(
            submitted_at=self.submitted_at[chosen],
            tasks=self.tasks[chosen],
            duration_seconds=self.duration_seconds[chosen],
            shape=self.shape[chosen],
            shapes=self.shapes,
        )


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
