"""One raw session: what PostgreSQL does with the same rows and no rule, as the ceiling of the commit.

Guarded: one statement a transaction inserts the placements, charges the machines with an UPDATE that would refuse what
does not fit, and appends a log row. Copied: the same placements by binary COPY, nothing else. Sessions at the same time
take different machines: none waits for another, and none can deadlock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import psycopg
from psycopg import sql

from omegacell.bench.throughput.features import TASK_CPU_MILLI, TASK_MEMORY_BYTES
from omegacell.bench.throughput.figures import Work
from omegacell.bench.throughput.session import Run
from omegacell.cellstate.model import Int64
from omegacell.cellstate.postgres.arrays import register

_GUARDED = """
    WITH placed AS (
        INSERT INTO placement (job_id, first_index, count, attempt, failures, lost, machine_id, epoch, cpu_milli,
                               memory_bytes, disk_bytes, placed_at)
        SELECT %(job_id)b::bigint, u.i, 1, 1, 0, 0, u.machine_id, 1, %(cpu)b::bigint, %(memory)b::bigint, 0, now()
        FROM unnest(%(machines)b::bigint[]) WITH ORDINALITY AS u(machine_id, i)
    ), charged AS (
        UPDATE machine m
        SET used_cpu_milli = m.used_cpu_milli + d.n * %(cpu)b::bigint,
            used_memory_bytes = m.used_memory_bytes + d.n * %(memory)b::bigint, version = m.version + 1
        FROM (SELECT u.id, count(*) AS n FROM unnest(%(machines)b::bigint[]) AS u(id) GROUP BY u.id) d
        WHERE m.machine_id = d.id AND m.used_cpu_milli + d.n * %(cpu)b::bigint <= m.cpu_milli
        RETURNING m.machine_id, m.version
    )
    INSERT INTO cell_log (at, kind, machine_id, machine_version)
    SELECT now(), 'ceiling', array_agg(c.machine_id), array_agg(c.version) FROM charged c
"""

_COLUMNS = {
    "job_id": ">i8",
    "first_index": ">i8",
    "count": ">i4",
    "attempt": ">i4",
    "failures": ">i4",
    "lost": ">i4",
    "machine_id": ">i8",
    "epoch": ">i8",
    "cpu_milli": ">i8",
    "memory_bytes": ">i8",
    "disk_bytes": ">i8",
    "placed_at": ">i8",
}
"""The columns of a copied placement and their binary form; a time is microseconds since 2000."""

_COPY_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"


class Raw(StrEnum):
    """How a raw session writes."""

    GUARDED = "guarded"
    COPIED = "copied"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSession:
    """The part of one of `sessions` processes: statements of `claims` rows, measured after `warm` others."""

    dsn: str
    schema: str
    raw: Raw
    number: int
    sessions: int
    claims: int
    statements: int
    warm: int
    seed: int

    @contextmanager
    def prepared(self) -> Iterator[Run]:
        """Machines drawn, arguments laid out, and the first few statements run."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            register(connection)
            connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(self.schema)))
            act = self._guarded(connection) if self.raw is Raw.GUARDED else self._copied(connection)
            for number in range(self.warm):
                act(number)
            yield lambda: self._run(act)

    def _run(self, act: Callable[[int], None]) -> Work:
        """The measured statements, timed one by one."""
        started, ended = np.empty(self.statements), np.empty(self.statements)
        for number in range(self.statements):
            started[number] = time.monotonic()
            act(self.warm + number)
            ended[number] = time.monotonic()
        rows = np.full(self.statements, self.claims)
        return Work(
            started=started,
            ended=ended,
            slots=rows,
            tasks=rows,
            conflicted=np.zeros(self.statements, dtype=np.bool_),
        )

    def _guarded(self, connection: psycopg.Connection[tuple[object, ...]]) -> Callable[[int], None]:
        machines = self._machines(connection)

        def act(number: int) -> None:
            connection.execute(
                _GUARDED,
                {
                    "job_id": self._job(number),
                    "machines": machines[number],
                    "cpu": TASK_CPU_MILLI,
                    "memory": TASK_MEMORY_BYTES,
                },
            )

        return act

    def _copied(self, connection: psycopg.Connection[tuple[object, ...]]) -> Callable[[int], None]:
        statement = sql.SQL("COPY placement ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
        )
        blocks = [
            _COPY_START + _binary_rows(self._job(number), machines) + _COPY_END
            for number, machines in enumerate(self._machines(connection))
        ]

        def act(number: int) -> None:
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(blocks[number])

        return act

    def _machines(self, connection: psycopg.Connection[tuple[object, ...]]) -> Int64:
        """int64[statements, claims], of the machines that are this session's own."""
        rows = connection.execute("SELECT machine_id FROM machine ORDER BY machine_id").fetchall()
        own = np.array(rows, dtype=np.int64)[self.number :: self.sessions, 0]
        rng = np.random.default_rng((self.seed, self.number))
        return rng.choice(own, (self.warm + self.statements, self.claims))

    def _job(self, number: int) -> int:
        """A job id that no job and no other statement of this cell has."""
        kind = (self.sessions * 8 + self.number) * len(Raw) + list(Raw).index(self.raw)
        return -1 - (kind * 1_000_000 + number)


def _binary_rows(job_id: int, machine_ids: Int64) -> bytes:
    """Placements as COPY's binary rows: the number of columns, then length and value of each."""
    lengths = [(f"{name}_length", ">i4") for name in _COLUMNS]
    columns = [pair for both in zip(lengths, _COLUMNS.items(), strict=True) for pair in both]
    rows = np.zeros(len(machine_ids), dtype=[("columns", ">i2"), *columns])
    rows["columns"] = len(_COLUMNS)
    for name, kind in _COLUMNS.items():
        rows[f"{name}_length"] = np.dtype(kind).itemsize
    rows["job_id"] = job_id
    rows["first_index"] = np.arange(len(machine_ids))
    for name in ("count", "attempt", "epoch"):
        rows[name] = 1
    rows["machine_id"] = machine_ids
    rows["cpu_milli"] = TASK_CPU_MILLI
    rows["memory_bytes"] = TASK_MEMORY_BYTES
    return rows.tobytes()
