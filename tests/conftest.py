"""What all tests may use: one PostgreSQL server a session, a database of its own for each test that asks.

A server that does not start is an error, never a skip.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from omegacell.cellstate.clock import ManualClock
from omegacell.embedded_postgres import EmbeddedPostgres
from omegacell.migrations import upgrade

_TEMPLATE = "omega_template"
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """A server without durability, on a data directory that is gone afterwards."""
    with EmbeddedPostgres.temporary(settings=_FAST) as server:
        yield server


@pytest.fixture(scope="session")
def template(server: EmbeddedPostgres) -> str:
    """Name of a database with an empty cell, to be cloned."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    upgrade(make_conninfo(server.dsn, dbname=_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """DSN of a database with an empty cell of this test's own."""
    name = f"omega_test_{next(_numbers)}"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    yield make_conninfo(server.dsn, dbname=name)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def kept_database(server: EmbeddedPostgres, template: str) -> str:
    """DSN of a database that many tests use one after another, each behind tests.reset.empty."""
    name = "omega_kept"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    return make_conninfo(server.dsn, dbname=name)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test owns. It starts at the full second that comes next.

    So it is never behind the start of a server that is already up. Tests move it by multiples of 0.25 s,
    which floats and microseconds hold exactly.
    """
    return ManualClock(float(math.ceil(time.time())))
