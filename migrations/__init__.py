"""The database schema's history, applied by Alembic: `upgrade` and `downgrade` for one schema of one database.

Both run in one transaction under an advisory lock, so that two cells starting at once do not race, and a failed
migration leaves the schema as it was. After an upgrade the stored functions are replaced by this version's.
"""

from __future__ import annotations

import secrets
from importlib.resources import files

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql

from omegacell.cellstate.errors import StoreUnavailable
from omegacell.cellstate.postgres import functions
from omegacell.cellstate.postgres.connection import read_dsn, where
from omegacell.cellstate.tables import SCHEMA_VERSION


def configuration() -> Config:
    """Alembic's settings, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(files("omegacell.migrations")))
    return config


def head() -> str:
    """The newest revision; there is exactly one."""
    found = ScriptDirectory.from_config(configuration()).get_current_head()
    assert found is not None  # one head: checked by the tests
    return found


def upgrade(dsn: str, schema: str = "omega") -> None:
    """Bring the schema to this version, making it if need be; StoreUnavailable if the server does not answer."""
    _migrate(dsn, schema, head())


def downgrade(dsn: str, schema: str = "omega", revision: str = "base") -> None:
    """Take the schema back to `revision`, and what newer revisions held with it."""
    _migrate(dsn, schema, revision)


def _migrate(dsn: str, schema: str, target: str) -> None:
    read_dsn(dsn)
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=10),
        poolclass=sa.pool.NullPool,
    )
    try:
        with engine.begin() as connection:
            own = connection.connection.driver_connection
            assert own is not None  # a live connection
            own.execute("SELECT pg_advisory_xact_lock(20131, 2)")
            if target == head():
                own.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
            own.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
            own.execute("SET LOCAL client_min_messages = warning")
            config = configuration()
            config.attributes["connection"] = connection
            config.attributes["schema"] = schema
            if target == head():
                command.upgrade(config, target)
                own.execute(
                    "INSERT INTO cell (schema_version, functions_digest, generation) VALUES (%s, '', %s) "
                    "ON CONFLICT (cell_id) DO UPDATE SET schema_version = excluded.schema_version",
                    (SCHEMA_VERSION, secrets.randbits(62)),
                )
                functions.install(own, schema)
                own.execute("SELECT ensure_partitions()")
            else:
                functions.drop(own, schema)
                command.downgrade(config, target)
    except (psycopg.OperationalError, sa.exc.OperationalError) as error:
        first = str(error).strip().splitlines()[0]
        raise StoreUnavailable(
            f"database {where(dsn)} cannot be reached ({first}); check that it runs and that OMEGA_DSN is right"
        ) from error
    finally:
        engine.dispose()
