"""The stored functions: their text in sql/functions/, their digest, their installation.

Functions have no migrations of their own: `install` replaces them all, in the transaction of the upgrade, and the
digest in the cell's row tells every client whether the server's are the ones it was written against.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """(name, CREATE FUNCTION statement), by name."""
    folder = files("omegacell.cellstate").joinpath("sql", "functions")
    found = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return tuple((file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in found)


_SIGNATURE = re.compile(r"CREATE FUNCTION \w+\((?P<parameters>.*?)\)(?=\s*(?:RETURNS|LANGUAGE))", re.DOTALL)
_PARAMETER = re.compile(r"^\s*(?P<out>OUT\s+)?(?P<name>\w+)\s+(?P<type>.+?)\s*$", re.DOTALL)


@cache
def argument_types(name: str) -> tuple[str, ...]:
    """The types of a function's arguments, in order: callers cast to them, so that Python values need no hints."""
    signature = _SIGNATURE.search(dict(texts())[name])
    assert signature is not None, name  # every file starts with its CREATE FUNCTION
    found = [_PARAMETER.match(part) for part in signature["parameters"].split(",") if part.strip()]
    return tuple(match["type"] for match in found if match is not None and not match["out"])


@cache
def digest() -> str:
    """SHA-256 over all texts, shortened to 16 hex digits."""
    joined = "\n".join(text for _, text in texts())
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def install(connection: psycopg.Connection[Any], schema: str) -> None:
    """Replace all functions of the schema; the caller owns the transaction.

    The search path is set for the rest of the transaction, and the functions keep it as their own.
    """
    drop(connection, schema)
    connection.execute(sql.SQL("SET LOCAL search_path = {}, pg_temp").format(sql.Identifier(schema)))
    connection.execute("SET LOCAL check_function_bodies = off")  # they call each other in any order
    for _, text in texts():
        connection.execute(text.encode())
    connection.execute("UPDATE cell SET functions_digest = %s", (digest(),))


def drop(connection: psycopg.Connection[Any], schema: str) -> None:
    """Drop all functions of the schema; the caller owns the transaction."""
    existing = connection.execute(
        "SELECT format('DROP FUNCTION IF EXISTS %%s CASCADE', p.oid::regprocedure) FROM pg_proc p "
        "JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = %s",
        (schema,),
    ).fetchall()
    for (statement,) in existing:
        connection.execute(str(statement).encode())
