"""Connecting to a database by its DSN."""

from __future__ import annotations

import psycopg
import pytest

import omegacell as omega
from omegacell.embedded_postgres import EmbeddedPostgres
from tests.live.conftest import Command


def test_a_job_in_a_transaction_that_rolls_back_leaves_nothing(database: str) -> None:
    with omega.connect(database) as cell, psycopg.connect(database) as connection:
        cell.submit(command=["true"], connection=connection)
        connection.rollback()
        assert cell.jobs() == ()
        handle = cell.submit(command=["true"], connection=connection)
        connection.commit()
        assert [one.job_id for one in cell.jobs()] == [handle.job_id]


def test_a_job_is_found_again_by_another_cell(database: str) -> None:
    with omega.connect(database) as cell:
        handle = cell.map(abs, [1, 2, 3], name="x")
    with omega.connect(database) as other:
        assert other.job(handle.id).status.task_count == 3


def test_a_database_without_a_cell_says_what_to_do(server: EmbeddedPostgres) -> None:
    with pytest.raises(omega.SchemaMismatch, match="omega db upgrade"):
        omega.connect(server.dsn)
    said = Command()("--dsn", server.dsn, "jobs")
    assert (said.code, said.out) == (5, "")


def test_an_unreachable_database_is_named_without_its_password() -> None:
    with pytest.raises(omega.StoreUnavailable, match=r"127\.0\.0\.1:1/x") as caught:
        omega.connect("postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
