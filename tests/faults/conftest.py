"""What the tests of faults share: a cell with an owned clock, and a look into PostgreSQL's own log afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.postgres import PostgresStore
from omegacell.embedded_postgres import EmbeddedPostgres
from tests.contract.scene import Scene
from tests.faults.rivals import Arena

_EXPECTED = re.compile(
    r"is not the current one;"  # a fence that held: the call of an earlier incarnation
    r"|holds it and is alive;"  # a machine that another worker has registered meanwhile
    r"|expected one that has failed:"  # a job that another has told to run again meanwhile
    r"|does not exist in this cell;"  # one that a purge has forgotten meanwhile
)


@pytest.fixture
def server_log(server: EmbeddedPostgres, database: str) -> Iterator[None]:
    """After the test: PostgreSQL reported no deadlock while it ran, and no error but the fences' own."""
    before = server.log_file.stat().st_size
    yield
    with server.log_file.open("rb") as log:
        log.seek(before if server.log_file.stat().st_size >= before else 0)  # it was begun anew in between
        lines = log.read().decode(errors="replace").splitlines()
    assert [line for line in lines if "deadlock detected" in line] == []
    assert [line for line in lines if "ERROR:" in line and not _EXPECTED.search(line)] == []
    # Those that a stored function caught are in no log. Sessions report theirs at the latest when they end.
    with psycopg.connect(database, autocommit=True) as connection:
        found = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert found == (0,)


@pytest.fixture
def cell(database: str, clock: ManualClock, server_log: None) -> Iterator[PostgresStore]:
    """An empty cell whose time is `clock`; its invariants are checked after the test."""
    store = PostgresStore(database, clock=clock)
    yield store
    try:
        assert store.check() == ()
    finally:
        store.close()


@pytest.fixture
def scene(cell: PostgresStore, clock: ManualClock) -> Scene:
    """Short words for what the tests do with the cell."""
    return Scene(cell, clock)


@pytest.fixture
def arena(database: str, clock: ManualClock, cell: PostgresStore) -> Arena:
    """The cell as a place for races."""
    return Arena(dsn=database, now=clock.now())
