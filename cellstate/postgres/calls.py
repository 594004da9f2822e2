"""What every group of calls has: the connections."""

from __future__ import annotations

from omegacell.cellstate.model import Int64, Purged
from omegacell.cellstate.postgres.connection import Connections

_JOBS_AT_ONCE = 1_000
"""Purged, or let go, in one transaction: short enough that nobody waits for its locks."""


class Calls:
    """Base of the groups of calls that make up PostgresStore."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def schema(self) -> str:
        """The PostgreSQL schema that holds the cell."""
        return self._connections.schema

    def _keep_house(self) -> None:
        """Make tomorrow's partitions; whoever makes one, about once a day, also forgets what is too old."""
        if self._connections.call("ensure_partitions")[0][0]:
            settings = self._connections.settings
            self._purge(settings.retention_seconds, settings.log_retention_seconds)

    def _purge(self, job_seconds: float, log_seconds: float) -> Purged:
        """Forget jobs that ended longer ago, their outcomes' partitions, and the log's."""
        (row,) = self._connections.call("cell_now")
        now = row[0].timestamp()
        jobs = 0
        while forgotten := self._connections.call("purge_jobs", now - job_seconds, _JOBS_AT_ONCE)[0][0]:
            jobs += forgotten
        dropped = 0
        for table, seconds in (("outcome", job_seconds), ("cell_log", log_seconds)):
            for old in self._connections.call("old_partitions", table, now - seconds):
                dropped += self._connections.call("drop_partition", table, old.partition)[0][0]
        return Purged(jobs=jobs, partitions=dropped)

    def _fold(self, jobs: Int64 | None) -> None:
        """Fold the counts of these jobs, in a transaction apart from the one that reported them."""
        if jobs is not None and len(jobs):
            (folded,) = self._connections.call("fold_jobs", jobs, False)
            self._release(due=folded.due)

    def _release(self, *, due: bool) -> None:
        """Settle what jobs wait for, if something is due, until nothing is."""
        while due:
            (released,) = self._connections.call("release_jobs", _JOBS_AT_ONCE)
            due = released.due
