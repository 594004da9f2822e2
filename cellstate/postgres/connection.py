"""Connections to the cell's database: one pool, one way to call, one place that retries.

Every stored function is safe to send twice (by id, by token, or because it is level-triggered), so a call whose
connection broke is sent again until Settings.retry_seconds are over; then StoreUnavailable. Broken links show
themselves within seconds: keepalives and tcp_user_timeout are on, on both sides.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NoReturn, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import namedtuple_row
from sqlalchemy.pool import QueuePool

from omegacell.cellstate.clock import Clock
from omegacell.cellstate.errors import (
    KeyConflict,
    MachineInUse,
    NotFound,
    OmegaError,
    SchemaMismatch,
    SpecInvalid,
    StoreUnavailable,
    TokenLost,
)
from omegacell.cellstate.postgres import arrays, functions
from omegacell.cellstate.settings import Settings
from omegacell.cellstate.tables import SCHEMA_VERSION, cell

T = TypeVar("T")

_OURS: Mapping[str, type[OmegaError]] = {
    "OM001": TokenLost,
    "OM002": NotFound,
    "OM004": SpecInvalid,
    "OM005": MachineInUse,
}
_TRANSIENT = ("40001", "40P01", "57P01", "57P02", "57P03", "53300", "25006")
"""25006: a standby that is not yet, or no longer, the primary writes nothing."""
_LINK = {
    "keepalives": "1",
    "keepalives_idle": "3",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
    "application_name": "omegacell",
}
_SERVER_LINK = "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3"


def where(dsn: str) -> str:
    """The server of a DSN for messages: host, port and database, never the password."""
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return "unreadable DSN"
    return f"{parts.get('host', 'local socket')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def read_dsn(dsn: str) -> dict[str, Any]:
    """The parts of a DSN; SpecInvalid if it cannot be read."""
    try:
        return conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        cause = " ".join(str(error).split())
        raise SpecInvalid(
            f"DSN cannot be read ({cause}); expected postgresql://user:password@host:port/database"
        ) from error


class Connections:
    """A pool of connections to one schema; SQLAlchemy's QueuePool keeps them, psycopg talks."""

    def __init__(self, dsn: str, *, schema: str, clock: Clock | None, settings: Settings) -> None:
        parts = read_dsn(dsn)
        timeout = str(max(1, int(settings.connect_timeout_seconds)))
        self._conninfo = make_conninfo("", **{**_LINK, "connect_timeout": timeout, **parts})
        self._where = where(dsn)
        self._schema = schema
        self._clock = clock
        self.settings = settings
        self._closed = threading.Event()
        self._broken = 0
        self._engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=4,
            max_overflow=28,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
        ).execution_options(schema_translate_map={None: schema})

    @property
    def schema(self) -> str:
        """The PostgreSQL schema that holds the cell."""
        return self._schema

    @property
    def where(self) -> str:
        """Host, port and database, for messages."""
        return self._where

    @property
    def broken(self) -> int:
        """How often the link to the server failed a call so far: state of the server may have been lost since."""
        return self._broken

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._conninfo, autocommit=True)
        if not self.settings.poll_only:
            connection.execute(_SERVER_LINK)
        else:
            connection.prepare_threshold = None
        arrays.register(connection)
        return connection

    def close(self) -> None:
        """Close every idle connection and refuse further calls."""
        self._closed.set()
        self._engine.dispose()

    def call(self, function: str, *arguments: Any) -> list[Any]:
        """Rows of a stored function as named tuples, in a transaction of its own."""
        query = _query(self._schema, function)
        return self.run(lambda connection: _rows(connection, query, arguments))

    def call_on(self, connection: Any, function: str, *arguments: Any) -> list[Any]:
        """The same on the caller's own psycopg or SQLAlchemy connection, inside its transaction."""
        own = _driver_connection(connection)
        cursor = own.cursor(binary=True, row_factory=namedtuple_row)
        arrays.register(cursor)
        try:
            with cursor:
                return cursor.execute(_query(self._schema, function).encode(), arguments).fetchall()
        except psycopg.Error as error:
            self._raise(error)

    def read(self, statement: sa.Executable) -> list[Any]:
        """Rows of a SQLAlchemy Core statement on tables.py; SQLAlchemy keeps its compiled form."""
        return self._again(lambda pooled: list(pooled.execute(statement)))

    def run(self, act: Callable[[psycopg.Connection[Any]], T]) -> T:
        """What `act` returns on a pooled connection, sent again while the trouble is transient."""
        return self._again(lambda pooled: act(_driver_connection(pooled)))

    def once(self, act: Callable[[psycopg.Connection[Any]], T]) -> T:
        """What `act` returns on a pooled connection; the first trouble counts."""
        try:
            return self._once(lambda pooled: act(_driver_connection(pooled)))
        except psycopg.Error as error:
            self._raise(error)

    def _again(self, act: Callable[[sa.Connection], T]) -> T:
        deadline = time.monotonic() + self.settings.retry_seconds
        pause = 0.02
        while True:
            if self._closed.is_set():
                raise StoreUnavailable(f"database {self._where}: this store is closed; open a new one")
            try:
                return self._once(act)
            except psycopg.Error as error:
                self._broken += _transient(error)
                if not _transient(error) or time.monotonic() + pause > deadline:
                    self._raise(error)
            self._closed.wait(pause)
            pause = min(pause * 2, 1.0)

    def _once(self, act: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.connect() as pooled:
                return self._on(pooled, act)
        except sa.exc.TimeoutError as error:
            raise StoreUnavailable(
                f"database {self._where}: all pooled connections are in use; share the store among fewer threads"
            ) from error
        except sa.exc.DBAPIError as error:
            if isinstance(error.orig, psycopg.Error):
                raise error.orig from error
            raise

    def _on(self, pooled: sa.Connection, act: Callable[[sa.Connection], T]) -> T:
        connection = _driver_connection(pooled)
        try:
            if self._clock is not None:
                now = datetime.fromtimestamp(self._clock.now(), UTC).isoformat()
                if pooled.info.get("omega.now") != now:
                    connection.execute("SELECT set_config('omega.now', %s, false)", (now,))
                    pooled.info["omega.now"] = now
            return act(pooled)
        except psycopg.Error:
            if connection.closed or connection.broken:
                pooled.invalidate()
            raise

    def _raise(self, error: psycopg.Error) -> NoReturn:
        """The error of our tree that a database error stands for."""
        state = error.sqlstate or ""
        message = error.diag.message_primary or str(error).strip()
        if state in _OURS:
            raise _OURS[state](message) from error
        if state == "OM003":
            raise KeyConflict(message, (error.diag.message_detail or "").split(",")) from error
        if state in ("3F000", "42883", "42P01"):
            raise SchemaMismatch(
                f"database {self._where}: schema {self._schema} holds no cell of this version; run omega db upgrade"
            ) from error
        if _transient(error) or isinstance(error, psycopg.OperationalError):
            first = message.splitlines()[0] if message else type(error).__name__
            raise StoreUnavailable(
                f"database {self._where} cannot be reached ({first}); check that it runs and that OMEGA_DSN is right"
            ) from error
        raise error


@cache
def _query(schema: str, function: str) -> str:
    """SELECT * FROM schema.function(...), each placeholder cast to its argument's type."""
    placeholders = ", ".join(f"%b::{kind}" for kind in functions.argument_types(function))
    name = sql.Identifier(schema, function).as_string()
    return f"SELECT * FROM {name.replace('%', '%%')}({placeholders})"


def _rows(connection: psycopg.Connection[Any], query: str, arguments: tuple[Any, ...]) -> list[Any]:
    with connection.cursor(binary=True, row_factory=namedtuple_row) as cursor:
        return cursor.execute(query.encode(), arguments).fetchall()


def _transient(error: psycopg.Error) -> bool:
    """Whether the same call may succeed a moment later."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _TRANSIENT or state.startswith("08")


def _driver_connection(connection: Any) -> psycopg.Connection[Any]:
    found = connection
    if isinstance(connection, sa.Connection):
        found = connection.connection.driver_connection
    elif isinstance(getattr(connection, "connection", None), psycopg.Connection):
        found = connection.connection
    if not isinstance(found, psycopg.Connection):
        raise SpecInvalid(
            f"connection is a {type(connection).__name__}, expected a psycopg or SQLAlchemy (psycopg) connection"
        )
    return found


def check_schema(connections: Connections) -> None:
    """SchemaMismatch unless the database holds the tables and functions this code was written for."""
    query = sql.SQL("SELECT schema_version, functions_digest FROM {}").format(
        sql.Identifier(connections.schema, cell.name)
    )
    rows = connections.once(lambda connection: connection.execute(query).fetchall())
    found = rows[0] if rows else ("nothing", "")
    if found[0] != SCHEMA_VERSION or found[1] != functions.digest():
        raise SchemaMismatch(
            f"database {connections.where}: schema {connections.schema} has version {found[0]}"
            f"{'' if found[0] != SCHEMA_VERSION else ' with other functions'}, this omegacell speaks "
            f"{SCHEMA_VERSION}; run omega db upgrade, or use the omegacell that made it"
        )
