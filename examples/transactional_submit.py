"""A job that exists if and only if the order it belongs to does: submitted in the caller's own transaction."""

from __future__ import annotations

import uuid

import psycopg

import omegacell as omega


def main() -> None:
    """Uses the cell that OMEGA_DSN names, else the local one that `omega up` started."""
    order = str(uuid.uuid4())
    with omega.connect() as cell, psycopg.connect(cell.dsn) as connection:
        connection.execute("CREATE TEMPORARY TABLE orders (id uuid)")
        connection.commit()

        invoice = omega.Job(
            command=["echo", "invoice", order], key=f"invoice-{order}", labels={"order": order}
        )
        connection.execute("INSERT INTO orders VALUES (%s)", [order])
        cell.submit(invoice, connection=connection)
        connection.rollback()
        print("after the rollback:", len(cell.jobs(labels={"order": order})), "jobs")

        connection.execute("INSERT INTO orders VALUES (%s)", [order])
        job = cell.submit(invoice, connection=connection)
        connection.commit()
        print("after the commit:", len(cell.jobs(labels={"order": order})), "job,", job.status.state)


if __name__ == "__main__":
    main()
