"""Emptying a cell's database between two histories, in tens of milliseconds where a clone takes hundreds."""

from __future__ import annotations

import psycopg
from psycopg import sql

from omegacell.cellstate import tables


def empty(dsn: str, schema: str = "omega") -> None:
    """Delete all rows but the cell's own, and let every id and token count from 1 again."""
    emptied = [table.name for table in tables.metadata.sorted_tables if table is not tables.cell]
    with psycopg.connect(dsn) as connection:
        connection.execute(
            sql.SQL("TRUNCATE {} RESTART IDENTITY").format(
                sql.SQL(", ").join(sql.Identifier(schema, name) for name in emptied)
            )
        )
        sequences = connection.execute(
            "SELECT sequence_name FROM information_schema.sequences WHERE sequence_schema = %s", (schema,)
        ).fetchall()
        for (name,) in sequences:
            connection.execute(sql.SQL("ALTER SEQUENCE {} RESTART").format(sql.Identifier(schema, name)))
