"""The migrations lead to tables.py, up and down; the handshake refuses everything else."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy.dialects.postgresql.base import PGDialect

from omegacell import migrations
from omegacell.cellstate import tables
from omegacell.cellstate.errors import SchemaMismatch, SpecInvalid, StoreUnavailable
from omegacell.cellstate.postgres import PostgresStore, functions
from omegacell.embedded_postgres import EmbeddedPostgres


def relations(dsn: str, schema: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s "
            "UNION ALL "
            "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = %s",
            (schema, schema),
        )
        return {name for (name,) in rows}


EVERYTHING = """
SELECT 'relation', c.relname, c.relkind::text, c.relpersistence::text, c.reloptions::text,
       pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid)
FROM pg_class c WHERE c.relnamespace = to_regnamespace('omega')
UNION ALL
SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnum::text || a.attnotnull::text,
       pg_get_expr(d.adbin, d.adrelid), concat_ws(' ', a.attidentity, a.attgenerated, a.attstorage, a.attoptions)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = to_regnamespace('omega') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', k.conname, k.conrelid::regclass::text, pg_get_constraintdef(k.oid), '', '', ''
FROM pg_constraint k WHERE k.connamespace = to_regnamespace('omega')
UNION ALL
SELECT 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), '', '', '', ''
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = to_regnamespace('omega')
UNION ALL
SELECT 'function', p.proname, pg_get_functiondef(p.oid), '', '', '', ''
FROM pg_proc p WHERE p.pronamespace = to_regnamespace('omega')
UNION ALL
SELECT 'revision', version_num, '', '', '', '', '' FROM omega.alembic_version
"""


def everything(dsn: str) -> set[tuple[str, ...]]:
    with psycopg.connect(dsn) as connection:
        return set(connection.execute(EVERYTHING).fetchall())


def test_a_new_schema_is_what_the_revisions_in_turn_make(database: str) -> None:
    made_at_once = everything(database)
    migrations.downgrade(database)
    migrations.upgrade(database)  # by Alembic, as its table of versions is there
    assert everything(database) == made_at_once
    revisions = ScriptDirectory.from_config(migrations.configuration()).walk_revisions()
    assert [script.name[:4] for script in migrations.up_scripts()] == [one.revision for one in revisions][
        ::-1
    ]


def test_there_is_one_head_and_the_code_speaks_it() -> None:
    heads = ScriptDirectory.from_config(migrations.configuration()).get_heads()
    assert heads == [tables.SCHEMA_VERSION]


def test_the_migrated_schema_equals_the_tables(database: str) -> None:
    def ours(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or (name in tables.metadata.tables)

    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(database, options="-csearch_path=omega"),
        poolclass=sa.pool.NullPool,
    )
    assert isinstance(engine.dialect, PGDialect)
    engine.dialect.ischema_names["xid8"] = tables.Xid8
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": ours, "compare_type": True, "compare_server_default": False}
        )
        differences = compare_metadata(context, tables.metadata)
    engine.dispose()
    assert differences == []


def test_down_leaves_nothing_and_up_works_again(database: str) -> None:
    migrations.downgrade(database)
    assert {name for name in relations(database, "omega") if not name.startswith("alembic_version")} == set()
    migrations.upgrade(database)
    PostgresStore(database).close()


def test_an_upgrade_twice_changes_nothing(database: str) -> None:
    before = relations(database, "omega")
    migrations.upgrade(database)
    assert relations(database, "omega") == before


def test_a_cell_lives_in_the_schema_it_is_given_and_nowhere_else(database: str) -> None:
    migrations.upgrade(database, "second cell")
    store = PostgresStore(database, schema="second cell")
    assert store.jobs() == ()
    assert store.check() == ()
    store.close()
    assert relations(database, "public") == set()


def test_every_function_file_makes_the_function_of_its_name() -> None:
    for name, text in functions.texts():
        assert f"CREATE FUNCTION {name}(" in text
        assert text.startswith("-- "), name


@pytest.mark.parametrize("column", ["schema_version", "functions_digest"])
def test_a_foreign_version_is_refused_in_one_sentence(database: str, column: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("UPDATE omega.cell SET {} = 'other'").format(sql.Identifier(column)))
    with pytest.raises(SchemaMismatch, match="run omega db upgrade") as caught:
        PostgresStore(database)
    assert "\n" not in str(caught.value)


def test_an_empty_database_is_refused_in_one_sentence(server: EmbeddedPostgres) -> None:
    with pytest.raises(SchemaMismatch, match="holds no cell of this version; run omega db upgrade"):
        PostgresStore(make_conninfo(server.dsn, dbname="postgres"))


def test_an_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/cell cannot be reached") as caught:
        PostgresStore("postgresql://someone:secret@127.0.0.1:1/cell")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("use", [PostgresStore, migrations.upgrade, migrations.downgrade])
def test_a_dsn_that_does_not_parse_is_one_sentence(use: Callable[[str], object]) -> None:
    with pytest.raises(SpecInvalid, match="DSN cannot be read") as caught:
        use("postgres:/what")
    assert "\n" not in str(caught.value)
