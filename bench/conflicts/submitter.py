"""The process that submits the jobs, each at its time, whatever has become of those before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import numpy as np

from omegacell.bench.conflicts.plan import expected_seconds
from omegacell.bench.sim.jobs import JobTable
from omegacell.bench.throughput.figures import Float64, Work
from omegacell.cellstate.hints import Hints
from omegacell.cellstate.model import Int64, JobSpec, Submission, TaskKind
from omegacell.cellstate.postgres import PostgresStore


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Submitted(Work):
    """What was submitted, N jobs: `started` and `ended` are the submission's, `tasks` its tasks.

    origin: the host's clock at time 0 of the table; job_id: int64[N]; due: float64[N], seconds after the origin.
    """

    origin: float
    job_id: Int64
    due: Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """The part of the process; `queues`: the scheduler that serves each kind of task."""

    dsn: str
    schema: str
    jobs: JobTable
    queues: dict[str, str]

    @contextmanager
    def prepared(self) -> Iterator[Callable[[], Submitted]]:
        """Connected, with the specifications made."""
        jobs = self.jobs
        specs = [self._spec(index) for index in range(len(jobs))]
        with ExitStack() as stack:
            store = PostgresStore(self.dsn, schema=self.schema)
            stack.callback(store.close)
            hints = Hints(self.dsn, self.schema)
            stack.callback(hints.close)

            def run() -> Submitted:
                origin = time.monotonic()
                started, ended = np.zeros(len(jobs)), np.zeros(len(jobs))
                job_ids = np.zeros(len(jobs), dtype=np.int64)
                for index, spec in enumerate(specs):
                    time.sleep(max(0.0, origin + float(jobs.submitted_at[index]) - time.monotonic()))
                    started[index] = time.monotonic()
                    (job,) = store.submit([Submission(submission_id=uuid4(), spec=spec)])
                    ended[index] = time.monotonic()
                    job_ids[index] = job.job_id
                    hints.send("jobs")
                return Submitted(
                    started=started,
                    ended=ended,
                    slots=np.zeros(len(jobs), dtype=np.int64),
                    tasks=jobs.tasks,
                    conflicted=np.zeros(len(jobs), dtype=np.bool_),
                    origin=origin,
                    job_id=job_ids,
                    due=jobs.submitted_at,
                )

            yield run

    def _spec(self, index: int) -> JobSpec:
        jobs = self.jobs
        shape = jobs.shapes[jobs.shape[index]]
        return JobSpec(
            name=shape.kind,
            kind=TaskKind.COMMAND,
            command=("true",),
            task_count=int(jobs.tasks[index]),
            amounts=shape.amounts,
            scheduler=self.queues[shape.kind],
            policy=shape.policy,
            constraints=shape.constraints,
            anti_affinity=shape.anti_affinity,
            spread=shape.spread,
            priority=shape.priority,
            detection=shape.detection,
            commit=shape.commit,
            expected_duration_seconds=expected_seconds(float(jobs.duration_seconds[index])),
        )
