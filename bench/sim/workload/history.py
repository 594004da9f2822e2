"""omegacell's own history, as `omega record` wrote it, submitted again."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from omegacell.bench.record import history
from omegacell.bench.sim.jobs import FOR_EVER, JobRows, JobTable, TaskShape
from omegacell.bench.sim.workload.source import Trace
from omegacell.cellstate.model import AntiAffinity, CommitMode, Constraint, Detection


class History(Trace):
    """`kinds` are by the scheduler that a job named. Its time begins with the first job that was recorded.

    detection, commit, priority: instead of those recorded. Jobs whose duration is not known stay for ever.
    """

    source: Literal["history"]
    path: str
    detection: Detection | None = None
    commit: CommitMode | None = None
    priority: int | None = Field(default=None, ge=0, le=1000)

    def recorded(self, folder: Path) -> JobTable:
        """All jobs."""
        found = history.read(folder / self.path).jobs
        first = min((job.submitted_at for job in found), default=0.0)
        rows = JobRows()
        for job in found:
            kind = self.kind_of(job.scheduler)
            if kind:
                rows.add(
                    self._shape(kind, job),
                    submitted_at=job.submitted_at - first,
                    tasks=job.tasks,
                    duration_seconds=FOR_EVER if job.duration_seconds is None else job.duration_seconds,
                )
        return rows.table()

    def _shape(self, kind: str, job: history.JobRecord) -> TaskShape:
        return TaskShape(
            kind=kind,
            amounts=job.amounts(),
            detection=self.detection or job.detection,
            commit=self.commit or job.commit,
            priority=job.priority if self.priority is None else self.priority,
            constraints=tuple(
                Constraint(attribute=one.attribute, operator=one.operator, values=one.values)
                for one in job.constraints
            ),
            anti_affinity=tuple(
                AntiAffinity(attribute=one.attribute, limit=one.limit) for one in job.anti_affinity
            ),
            spread=job.spread,
            policy=job.policy,
        )
