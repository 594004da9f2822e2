"""Rows of the stored functions as the model's values: machines with their extras, claimed jobs, placements."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from omegacell.cellstate.model import (
    NO_EXTRAS,
    Amounts,
    ClaimedJob,
    Int64,
    MachineExtras,
    MachineRows,
    Placement,
    Stop,
)
from omegacell.cellstate.specification import from_json

_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def machine_rows(row: Any) -> MachineRows:
    """The arrays of machine_arrays as MachineRows."""
    return MachineRows(
        machine_id=row.machine_id,
        version=row.version,
        claim_sequence=row.claim_sequence,
        capacity=np.column_stack((row.cpu_milli, row.memory_bytes, row.disk_bytes)),
        used=np.column_stack((row.used_cpu_milli, row.used_memory_bytes, row.used_disk_bytes)),
        available=row.available,
        extras=NO_EXTRAS if row.extras is None else _extras(json.loads(row.extras)),
    )


def _extras(written: dict[str, Any]) -> MachineExtras:
    device: list[list[Any]] = written["device"] or [[]] * 3
    custom: list[list[Any]] = written["custom"] or [[]] * 4
    reserved: list[list[Any]] = written["reserved"] or [[]] * 4
    return MachineExtras(
        device_machine=_int64(device[0]),
        device_index=_int64(device[1]),
        device_used=_int64(device[2]),
        custom_machine=_int64(custom[0]),
        custom_name=tuple(custom[1]),
        custom_capacity=_int64(custom[2]),
        custom_used=_int64(custom[3]),
        reserved_machine=_int64(reserved[0]),
        reserved_job=_int64(reserved[1]),
        reserved_priority=_int64(reserved[2]),
        reserved_until=tuple(float(until) for until in reserved[3]),
    )


def _int64(values: list[int]) -> Int64:
    return np.array(values, dtype=np.int64)


def claimed(row: Any) -> ClaimedJob:
    """A row of claim_jobs."""
    spec = from_json(row.specification | {"payload_sha256": _EMPTY_SHA256}, b"")
    return ClaimedJob(
        job_id=row.job_id,
        name=row.name,
        scheduler=row.scheduler,
        policy=spec.policy,
        amounts=spec.amounts,
        constraints=spec.constraints,
        anti_affinity=spec.anti_affinity,
        spread=spec.spread,
        priority=row.priority,
        detection=spec.detection,
        commit=spec.commit,
        gang_min=spec.gang_min,
        service=spec.service,
        expected_duration_seconds=spec.expected_duration_seconds,
        task_count=row.task_count,
        pending=row.pending,
        placed=row.placed,
        ended=row.ended,
        attempts=row.attempts,
        fruitless=row.fruitless,
        submitted_at=row.submitted_at,
        placed_on=dict(zip(row.on_machine.tolist(), row.on_count.tolist(), strict=True)),
        conflicts=row.conflicts,
        measured_tasks=row.measured_tasks,
        mean_task_seconds=row.measured_us / row.measured_tasks / 1e6 if row.measured_tasks else 0.0,
        max_running=spec.max_running,
    )


def placement(row: Any, placed_at: float) -> Placement:
    """A placement from a row with the table's columns, and gpu_milli and custom of its job (null once preempted)."""
    mask = row.devices or 0
    return Placement(
        job_id=row.job_id,
        first_index=row.first_index,
        count=row.count,
        attempt=row.attempt,
        failures=row.failures,
        lost=row.lost,
        machine_id=row.machine_id,
        epoch=row.epoch,
        amounts=Amounts(
            cpu_milli=row.cpu_milli,
            memory_bytes=row.memory_bytes,
            disk_bytes=row.disk_bytes,
            gpu_milli=row.gpu_milli or 0,
            custom=named_amounts(row.custom),
        ),
        running=row.running,
        stop=Stop(row.stop),
        placed_at=placed_at,
        devices=tuple(index for index in range(mask.bit_length()) if mask >> index & 1),
        preempted_by=row.preempted_by or 0,
        ports=tuple(sorted(row.ports.items())) if row.ports else (),
    )


def named_amounts(written: dict[str, int] | None) -> tuple[tuple[str, int], ...]:
    """(name, milli) by name, from a JSON object or null."""
    return tuple(sorted(written.items())) if written else ()
