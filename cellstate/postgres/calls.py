"""What every group of calls has: the connections."""

from __future__ import annotations

from omegacell.cellstate.model import Int64
from omegacell.cellstate.postgres.connection import Connections


class Calls:
    """Base of the groups of calls that make up PostgresStore."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def schema(self) -> str:
        """The PostgreSQL schema that holds the cell."""
        return self._connections.schema

    def _fold(self, jobs: Int64 | None) -> None:
        """Fold the counts of these jobs, in a transaction apart from the one that reported them."""
        if jobs is not None and len(jobs):
            self._connections.call("fold_jobs", jobs, False)
