"""A job that exists if and only if the order it belongs to does: submitted in the caller's own transaction."""

from __future__ import annotations

import os

import psycopg

import omegacell as omega


def main() -> None:
    """Expects OMEGA_DSN to name a cell, for example one that `omega up` started."""
    dsn = os.environ["OMEGA_DSN"]
    with omega.connect(dsn) as cell, psycopg.connect(dsn) as connection:
        connection.execute("CREATE TEMPORARY TABLE orders (id int)")
        connection.commit()

        connection.execute("INSERT INTO orders VALUES (1)")
        cell.submit(command=["echo", "invoice", "1"], key="invoice-1", connection=connection)
        connection.rollback()
        print("after the rollback:", len(cell.jobs(limit=10)), "jobs")

        connection.execute("INSERT INTO orders VALUES (1)")
        job = cell.submit(command=["echo", "invoice", "1"], key="invoice-1", connection=connection)
        connection.commit()
        print("after the commit:", len(cell.jobs(limit=10)), "job,", job.status.state)


if __name__ == "__main__":
    main()
