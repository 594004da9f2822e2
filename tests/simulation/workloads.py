"""Builders for workloads: from the words of a scenario to a table of jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from omegacell.bench.sim.jobs import JobTable, TaskShape
from omegacell.bench.sim.workload.sources import Workload

DATA = Path(__file__).parent / "data"
"""Small files in the format of each trace, made up; openb_*.csv are lines of the trace itself."""

Words = dict[str, Any]
"""Of a [[workload]]."""

_ANY: TypeAdapter[Workload] = TypeAdapter(Workload)


def jobs(*, seed: int = 1, runtime: float = 1e9, folder: Path = DATA, **words: Any) -> JobTable:
    """The jobs of a [[workload]] with these words; of kind batch if they do not say."""
    workload = _ANY.validate_python({"kind": "batch"} | words)
    return workload.jobs(seed=seed, runtime_seconds=runtime, folder=folder)


def rows(table: JobTable) -> list[tuple[float, int, float]]:
    """(submitted_at, tasks, duration_seconds) of each job."""
    return list(
        zip(
            table.submitted_at.tolist(),
            table.tasks.tolist(),
            table.duration_seconds.tolist(),
            strict=True,
        )
    )


def shapes(table: JobTable) -> list[TaskShape]:
    """The shape of each job."""
    return [table.shapes[at] for at in table.shape.tolist()]
