"""What clients do with one job of PostgreSQL: let it grow, hold it, cancel ...; contract: store.ClientStore."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from uuid import uuid4

import numpy as np

from omegacell.cellstate import framing
from omegacell.cellstate.model import AttemptState, Endings, JobStatus, Outcome, Watermark
from omegacell.cellstate.postgres import watermarks
from omegacell.cellstate.postgres.status import StatusCalls

_SERVER_GENERATION = 0
"""Of an open job's outcomes there is one stream for ever: a purge takes them with their job."""


class JobCalls(StatusCalls):
    """Each is one stored function, and what follows for jobs that come after."""

    def append(self, job_id: int, first_index: int, inputs: Sequence[bytes]) -> int:
        """Add tasks to an open job; how many it then has."""
        chunks = [(first_index + first, count, chunk) for first, count, chunk in framing.chunks(inputs)]
        columns = tuple(map(list, zip(*chunks, strict=True))) if chunks else ([], [], [])
        return int(self._connections.call("append_tasks", job_id, first_index, len(inputs), *columns)[0][0])

    def close_job(self, job_id: int) -> JobStatus:
        """Add no more tasks to an open job."""
        self._release(due=self._connections.call("close_job", job_id)[0][0])
        return self.job(job_id)

    def renew_job(self, job_id: int, lease_seconds: float) -> bool:
        """Extend the lease of the job's client."""
        return bool(self._connections.call("renew_job", job_id, lease_seconds)[0][0])

    def cancel_tasks(self, job_id: int, ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        """Cancel tasks that are neither placed nor ended."""
        columns = (np.array([one[at] for one in ranges], dtype=np.int64) for at in (0, 1))
        rows = self._connections.call("cancel_tasks", job_id, *columns)
        self._release(due=any(row.due for row in rows))
        return tuple((row.first_index, row.count) for row in rows)

    def ended(self, job_id: int, watermark: Watermark | None) -> Endings:
        """Final outcomes of an open job since a watermark."""
        snapshot, up_since = watermarks.read(watermark)
        rows = self._connections.call("ended_outcomes", job_id, snapshot, up_since)
        return Endings(
            outcomes=tuple(
                Outcome(
                    job_id=row.job_id,
                    task_index=row.task_index,
                    attempt=row.attempt,
                    state=AttemptState(row.state),
                    final=True,
                    machine_id=row.machine_id,
                    exit_code=row.exit_code,
                    started_at=row.started_at,
                    ended_at=row.ended_at,
                    result=bytes(row.result),
                    error=row.error,
                    stdout_tail=row.stdout_tail,
                    stderr_tail=row.stderr_tail,
                )
                for row in rows
                if row.task_index is not None
            ),
            watermark=watermarks.written(_SERVER_GENERATION, rows[0].snapshot, rows[0].up_since),
        )

    def hold(self, job_id: int) -> JobStatus:
        """Place nothing more of a job for now."""
        self._connections.call("hold_job", job_id, True)
        return self.job(job_id)

    def release(self, job_id: int) -> JobStatus:
        """Let a held job be placed again."""
        self._connections.call("hold_job", job_id, False)
        return self.job(job_id)

    def retry_failed(self, job_id: int) -> JobStatus:
        """Run again what has no result in a job that has failed; sent again after a lost answer, once."""
        self._connections.call("retry_failed", job_id, uuid4())
        return self.job(job_id)

    def alter(
        self,
        job_id: int,
        *,
        replicas: int | None = None,
        priority: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> JobStatus:
        """Change replicas, priority or labels of a job that has not ended."""
        written = None if labels is None else json.dumps(dict(labels))
        self._connections.call("alter_job", job_id, replicas, priority, written)
        return self.job(job_id)

    def cancel(self, job_id: int) -> JobStatus:
        """Ask that a job end; see store.ClientStore.cancel."""
        self._release(
            due=self._connections.call("stop_job", job_id, "cancelled by request", False, True)[0][0]
        )
        return self.job(job_id)
