"""The PostgreSQL store: the product. Every hot call is one stored function and one round trip.

connection.py    pool, keepalives, the clock, the one place that retries, errors by SQLSTATE
arrays.py        NumPy arrays in and out of bigint[]
functions.py     the stored functions' text, digest and installation
client.py        ClientStore     jobs.py     what is done with one job     status.py   its listings
scheduling.py    SchedulerStore
working.py       WorkerStore
processes.py     who holds a lease, and what people want of him
events.py        the log, for people
log_relay.py     tasks' logs
endpoints.py     where ports answer
view.py          the rows the invariants look at     times.py    times in statements
watermarks.py    how far a stream was read
"""

from __future__ import annotations

from omegacell.cellstate.clock import Clock
from omegacell.cellstate.postgres.client import ClientCalls
from omegacell.cellstate.postgres.connection import Connections, check_schema
from omegacell.cellstate.postgres.endpoints import EndpointCalls
from omegacell.cellstate.postgres.events import EventCalls
from omegacell.cellstate.postgres.log_relay import LogRelayCalls
from omegacell.cellstate.postgres.processes import ProcessCalls
from omegacell.cellstate.postgres.scheduling import SchedulerCalls
from omegacell.cellstate.postgres.working import WorkerCalls
from omegacell.cellstate.settings import Settings


class PostgresStore(
    ClientCalls, SchedulerCalls, WorkerCalls, ProcessCalls, EventCalls, LogRelayCalls, EndpointCalls
):
    """A cell in PostgreSQL; implements store.Store. Threads may share it, each call takes a connection.

    Opening it shakes hands: StoreUnavailable if the server does not answer, SchemaMismatch if the schema is
    missing or of another version. `clock` is for tests: it replaces the server's clock in every call.
    """

    def __init__(
        self, dsn: str, *, schema: str = "omega", clock: Clock | None = None, settings: Settings | None = None
    ) -> None:
        super().__init__(Connections(dsn, schema=schema, clock=clock, settings=settings or Settings()))
        try:
            check_schema(self._connections)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all pooled connections."""
        self._connections.close()


__all__ = ["PostgresStore"]
