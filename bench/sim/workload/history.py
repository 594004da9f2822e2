"""omegacell's own history, as `omega record` wrote it, submitted again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from omegacell.bench.sim.jobs import FOR_EVER, JobRows, JobTable, TaskShape
from omegacell.bench.sim.workload.source import AskingTrace
from omegacell.cellstate.model import AntiAffinity, Constraint

if TYPE_CHECKING:
    from omegacell.bench.record import history


class History(AskingTrace):
    """`kinds` are by the scheduler that a job named. Its time begins with the first job that was recorded.

    detection, commit, priority and policy, where they are given, stand in for those recorded; policy "" is the
    scheduler's own. Jobs whose duration is not known
    stay for ever.
    """

    source: Literal["history"]
    path: str
    policy: str = ""

    def recorded(self, folder: Path) -> JobTable:
        """All jobs."""
        from omegacell.bench.record import history

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
        given = self.model_fields_set
        return TaskShape(
            kind=kind,
            amounts=job.amounts(),
            detection=self.detection if "detection" in given else job.detection,
            commit=self.commit if "commit" in given else job.commit,
            priority=self.priority if "priority" in given else job.priority,
            constraints=tuple(
                Constraint(attribute=one.attribute, operator=one.operator, values=one.values)
                for one in job.constraints
            ),
            anti_affinity=tuple(
                AntiAffinity(attribute=one.attribute, limit=one.limit) for one in job.anti_affinity
            ),
            spread=job.spread,
            policy=self.policy if "policy" in given else job.policy,
        )
