"""The database schema's history, applied by Alembic: `upgrade` and `downgrade` for one schema of one database.

Both run in one transaction under an advisory lock, so that two cells starting at once do not race, and a failed
migration leaves the schema as it was. After an upgrade the stored functions are replaced by this version's.

Every revision is a pair of SQL files, 0001_first_cell_up.sql and 0001_first_cell_down.sql; Alembic knows their order
and where a schema stands. An empty schema stands nowhere: all `up` files are run in turn, without Alembic, whose
import alone takes longer (0.3 s) than that (0.1 s). tests/postgres/test_schema.py holds the two ways equal.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from omegacell.cellstate.errors import StoreUnavailable
from omegacell.cellstate.postgres import functions
from omegacell.cellstate.postgres.connection import read_dsn, where
from omegacell.cellstate.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from alembic.config import Config

_UP = "_up.sql"
_CONNECT_SECONDS = 10

# What Alembic itself makes.
_VERSION_TABLE = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))
"""


def configuration() -> Config:
    """Alembic's settings, without an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("omegacell.migrations")))
    return config


def upgrade(dsn: str, schema: str = "omega") -> None:
    """Bring the schema to this version, making it if need be; StoreUnavailable if the server does not answer."""
    read_dsn(dsn)
    with _sentences(dsn):
        if not _create(dsn, schema):
            with _alembic(dsn, schema) as (own, command, config):
                command.upgrade(config, SCHEMA_VERSION)
                _complete(own, schema)


def downgrade(dsn: str, schema: str = "omega", revision: str = "base") -> None:
    """Take the schema back to `revision`, and what newer revisions held with it."""
    read_dsn(dsn)
    with _sentences(dsn), _alembic(dsn, schema) as (own, command, config):
        functions.drop(own, schema)
        command.downgrade(config, revision)


@contextmanager
def _sentences(dsn: str) -> Iterator[None]:
    """A server that does not answer, as StoreUnavailable."""
    try:
        yield
    except psycopg.OperationalError as error:
        first = str(error).strip().splitlines()[0]
        raise StoreUnavailable(
            f"database {where(dsn)} cannot be reached ({first}); check that it runs and that OMEGA_DSN is right"
        ) from error


def _create(dsn: str, schema: str) -> bool:
    """Make in an empty schema what all revisions in turn would; False, and nothing done, where it is not empty."""
    with psycopg.connect(dsn, connect_timeout=_CONNECT_SECONDS) as own:
        _lock(own)
        own.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        if not _is_empty(own, schema):
            return False
        _enter(own, schema)
        for script in up_scripts():
            own.execute(script.read_bytes())
        own.execute(_VERSION_TABLE)
        own.execute("INSERT INTO alembic_version VALUES (%s)", (SCHEMA_VERSION,))
        _complete(own, schema)
    return True


def up_scripts() -> list[Traversable]:
    """The SQL of all revisions upwards, oldest first."""
    folder = files("omegacell.migrations").joinpath("sql")
    return sorted((file for file in folder.iterdir() if file.name.endswith(_UP)), key=lambda file: file.name)


def _is_empty(own: psycopg.Connection[Any], schema: str) -> bool:
    """Whether the schema holds no relation at all, not even Alembic's."""
    query = (
        "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s LIMIT 1"
    )
    return own.execute(query, (schema,)).fetchone() is None


@contextmanager
def _alembic(dsn: str, schema: str) -> Iterator[tuple[psycopg.Connection[Any], ModuleType, Config]]:
    """One transaction in which Alembic's commands run: its connection, the commands, their configuration."""
    import sqlalchemy as sa
    from alembic import command

    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=_CONNECT_SECONDS),
        poolclass=sa.pool.NullPool,
    )
    try:
        with engine.begin() as connection:
            own: Any = connection.connection.driver_connection
            _lock(own)
            _enter(own, schema)
            config = configuration()
            config.attributes["connection"] = connection
            config.attributes["schema"] = schema
            yield own, command, config
    except sa.exc.OperationalError as error:
        if isinstance(error.orig, psycopg.OperationalError):
            raise error.orig from error
        raise
    finally:
        engine.dispose()


def _lock(own: psycopg.Connection[Any]) -> None:
    own.execute("SELECT pg_advisory_xact_lock(20131, 2)")


def _enter(own: psycopg.Connection[Any], schema: str) -> None:
    own.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
    own.execute("SET LOCAL client_min_messages = warning")


def _complete(own: psycopg.Connection[Any], schema: str) -> None:
    """What every upgrade ends with: the cell's row, this version's functions, today's partitions."""
    own.execute(
        "INSERT INTO cell (schema_version, functions_digest, generation) VALUES (%s, '', %s) "
        "ON CONFLICT (cell_id) DO UPDATE SET schema_version = excluded.schema_version",
        (SCHEMA_VERSION, secrets.randbits(62)),
    )
    functions.install(own, schema)
    own.execute("SELECT ensure_partitions()")
