"""The rows the invariants look at, read in one snapshot."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from omegacell.cellstate.cell_view import (
    CellView,
    FinalOutcomesView,
    JobView,
    MachineView,
    PlacementView,
    RetryView,
)
from omegacell.cellstate.model import DEVICE_MILLI, Amounts, JobState
from omegacell.cellstate.postgres.connection import Connections
from omegacell.cellstate.postgres.rows import named_amounts, placement

_JOBS = """
    SELECT s.job_id, s.state, s.task_count, s.next_index, s.placed - coalesce(d.ended, 0) AS placed,
           s.succeeded + coalesce(d.succeeded, 0) AS succeeded, s.failed + coalesce(d.failed, 0) AS failed,
           s.cancelled + coalesce(d.cancelled, 0) AS cancelled, s.never_placed, s.claimed_by,
           s.purged_succeeded, s.purged_unsuccessful, s.open, s.held, s.blocked_by, s.max_running,
           d.job_id IS NOT NULL AS unfolded
    FROM job_state s LEFT JOIN (
        SELECT x.job_id, sum(x.ended)::bigint AS ended, sum(x.succeeded)::bigint AS succeeded,
               sum(x.failed)::bigint AS failed, sum(x.cancelled)::bigint AS cancelled
        FROM job_delta x GROUP BY x.job_id) d ON d.job_id = s.job_id
"""
_FINALS = """
    SELECT o.job_id, count(*) FILTER (WHERE o.state = 'succeeded') AS succeeded, array_agg(o.task_index) AS tasks
    FROM outcome o JOIN job_state s ON s.job_id = o.job_id -- those of purged jobs go with their partitions
    WHERE o.final GROUP BY o.job_id
"""
_MACHINES = """
    SELECT m.*, d.devices, c.custom, c.custom_used
    FROM machine m
    LEFT JOIN (SELECT x.machine_id, array_agg(x.used_milli ORDER BY x.device_index) AS devices
               FROM device x GROUP BY x.machine_id) d USING (machine_id)
    LEFT JOIN (SELECT x.machine_id, jsonb_object_agg(x.name, x.capacity_milli) AS custom,
                      jsonb_object_agg(x.name, x.used_milli) AS custom_used
               FROM machine_custom x GROUP BY x.machine_id) c USING (machine_id)
"""
_PLACEMENTS = """
    SELECT p.*, j.gpu_milli, j.custom
    FROM placement p LEFT JOIN job j ON j.job_id = p.job_id AND p.preempted_by IS NULL
"""


def read(connections: Connections) -> CellView:
    """The whole cell in one repeatable-read transaction, after folding what was reported."""
    connections.call("fold_jobs", None, False)
    return connections.run(lambda connection: _read(connection, connections.schema))


def _read(connection: psycopg.Connection[Any], schema: str) -> CellView:
    with connection.transaction(), connection.cursor(row_factory=namedtuple_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))

        def rows(query: str) -> list[Any]:
            return cursor.execute(query.encode()).fetchall()

        # Before the snapshot is taken: a purge that drops outcomes and counts them is then wholly before it, or after.
        cursor.execute("LOCK TABLE outcome IN ACCESS SHARE MODE")
        jobs = rows(_JOBS)
        queue = [row.job_id for row in rows("SELECT job_id FROM job_queue")]
        queued = set(queue)
        # A job whose counts came in after the fold is requeued by its reporter's own fold in a moment.
        queue += [job.job_id for job in jobs if job.unfolded and job.job_id not in queued and _has_work(job)]
        return CellView(
            machines=tuple(_machine(row) for row in rows(_MACHINES)),
            placements=tuple(_placement(row) for row in rows(_PLACEMENTS)),
            jobs=tuple(_job(row) for row in jobs),
            retries=tuple(
                RetryView(job_id=row.job_id, first_index=row.first_index, count=row.count)
                for row in rows("SELECT * FROM retry")
            ),
            finals=tuple(
                FinalOutcomesView(
                    job_id=row.job_id,
                    succeeded=row.succeeded,
                    task_indexes=np.array(row.tasks, dtype=np.int64),
                )
                for row in rows(_FINALS)
            ),
            queue=tuple(queue),
            dependencies=tuple(
                (row.parent_job, row.child_job)
                for row in rows("SELECT parent_job, child_job FROM dependency")
            ),
            scheduler_ids=frozenset(row.scheduler_id for row in rows("SELECT scheduler_id FROM scheduler")),
        )


def _has_work(job: Any) -> bool:
    """Whether something of the job waits for a place, and may have one: it is neither placed nor ended."""
    done = job.succeeded + job.failed + job.cancelled
    full = 0 < job.max_running <= job.placed
    return bool(job.claimed_by == 0 and not job.held and not full and job.placed + done < job.task_count)


def _machine(row: Any) -> MachineView:
    devices = tuple(row.devices or ())
    return MachineView(
        machine_id=row.machine_id,
        epoch=row.epoch,
        capacity=Amounts(
            cpu_milli=row.cpu_milli,
            memory_bytes=row.memory_bytes,
            disk_bytes=row.disk_bytes,
            gpu_milli=DEVICE_MILLI * len(devices),
            custom=named_amounts(row.custom),
        ),
        used=Amounts(
            cpu_milli=row.used_cpu_milli,
            memory_bytes=row.used_memory_bytes,
            disk_bytes=row.used_disk_bytes,
            gpu_milli=sum(devices),
            custom=named_amounts(row.custom_used),
        ),
        devices=devices,
    )


def _placement(row: Any) -> PlacementView:
    read = placement(row, placed_at=0.0)
    return PlacementView(
        job_id=read.job_id,
        first_index=read.first_index,
        count=read.count,
        machine_id=read.machine_id,
        epoch=read.epoch,
        amounts=read.amounts,
        devices=read.devices,
        preempted_by=read.preempted_by,
    )


def _job(row: Any) -> JobView:
    names = (
        "job_id",
        "task_count",
        "next_index",
        "placed",
        "succeeded",
        "failed",
        "cancelled",
        "never_placed",
        "purged_succeeded",
        "purged_unsuccessful",
        "open",
        "held",
        "blocked_by",
        "max_running",
    )
    state, claimed_by = JobState(row.state), row.claimed_by
    if row.unfolded and not row.open and row.succeeded + row.failed + row.cancelled == row.task_count:
        # Reported after the fold: its reporter's own ends the job in a moment.
        state, claimed_by = JobState.SUCCEEDED if row.succeeded == row.task_count else JobState.FAILED, 0
    return JobView(**{name: getattr(row, name) for name in names}, state=state, claimed_by=claimed_by)
