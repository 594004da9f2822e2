"""How jobs look to people: the list, one in full, and a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegacell.cellstate.model import Dependency, Endpoint, JobStatus, Placement, Preemption, Reservation
from omegacell.cli.output import ago, facts, moment, table
from omegacell.client import preemptions
from omegacell.client.cell import Cell
from omegacell.client.handles import JobHandle
from omegacell.client.ids import job_text, task_text
from omegacell.client.progress import ended_tasks

if TYPE_CHECKING:
    from omegacell.cli import replies

_LISTED = 20
"""So many tasks' devices, parents and ports fit the view of one job; programs find the rest in its --json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInFull:
    """A job and what belongs to it; `machines` are names by id, of those that `on_devices` and endpoints name."""

    status: JobStatus
    waits_for: tuple[Dependency, ...]
    preempted: tuple[Preemption, ...]
    reserved: tuple[Reservation, ...]
    on_devices: tuple[Placement, ...]
    endpoints: tuple[Endpoint, ...]
    machines: Mapping[int, str]

    def told(self) -> replies.JobInFull:
        """As --json has it."""
        from omegacell.cli import replies

        waits_for = [
            replies.WaitsFor(id=job_text(one.parent_job), any_end=one.any_end) for one in self.waits_for
        ]
        return replies.job_in_full(
            self.status,
            waits_for=tuple(waits_for),
            preemptions=self.preempted,
            reservations=self.reserved,
            endpoints=self.endpoints,
        )


def look_at(cell: Cell, handle: JobHandle) -> JobInFull:
    """The job as it is now."""
    status = handle.status
    placed = handle.placements() if 0 < status.placed <= _LISTED else ()
    on_devices = tuple(one for one in placed if one.devices)
    return JobInFull(
        status=status,
        waits_for=handle.dependencies() if status.blocked_by else (),
        preempted=handle.preemptions(),
        reserved=tuple(one for one in cell.reservations() if one.job_id == status.job_id),
        on_devices=on_devices,
        endpoints=handle.endpoints() if status.placed else (),
        machines={one.machine_id: one.name for one in cell.machines()} if on_devices else {},
    )


def show_jobs(found: Sequence[JobStatus]) -> None:
    """A row for each."""
    headings = ("JOB", "NAME", "STATE", "ENDED", "TASKS", "FAILED", "CANCELLED")
    rows = [
        (
            job_text(one.job_id),
            one.name,
            state(one),
            ended_tasks(one),
            one.replicas if one.service else one.task_count,
            one.failed,
            one.cancelled,
            one.scheduler,
            one.priority,
            ago(one.submitted_at),
        )
        for one in found
    ]
    right = ("ENDED", "TASKS", "FAILED", "CANCELLED", "PRIORITY")
    table((*headings, "SCHEDULER", "PRIORITY", "SUBMITTED"), rows, right=right)


def show_job(found: JobInFull) -> None:
    """Names and values."""
    status = found.status
    facts(
        {
            "job": job_text(status.job_id),
            "name": status.name,
            "namespace": "" if status.namespace == "default" else status.namespace,
            "state": state(status),
            "reason": status.reason,
            "waits for": _parents(found.waits_for),
            "replicas": status.replicas if status.service else "",
            "tasks": status.task_count,
            "  succeeded": status.succeeded,
            "  failed": status.failed,
            "  cancelled": status.cancelled,
            "  placed": status.placed,
            "  waiting": status.waiting,
            "  waiting to run again": status.waiting_retry,
            "  preempted": preemptions.by_job(preemptions.given_to(found.preempted, status.job_id), "by"),
            "preempted others": preemptions.by_job(
                preemptions.taken_from(found.preempted, status.job_id), "of"
            ),
            "at most placed": status.max_running or "",
            "reserved": _reserved(found.reserved),
            "gpus": _devices(found.on_devices, found.machines),
            "answers at": endpoints(found.endpoints),
            "scheduler": status.scheduler,
            "priority": status.priority,
            "labels": ", ".join(f"{name}={value}" for name, value in _labels(status)),
            "submitted": moment(status.submitted_at),
            "first placed": moment(status.first_placed_at),
            "ended": moment(status.ended_at),
        }
    )


def line(status: JobStatus) -> str:
    """Its id and where it stands."""
    return f"{job_text(status.job_id)} {state(status)}"


def state(status: JobStatus) -> str:
    """The state, and what else is to be known of it."""
    flags = [] if status.state.final else _flags(status)
    return ", ".join([status.state.value, *flags])


def endpoints(found: Sequence[Endpoint]) -> str:
    """Such as "http 10.0.0.7:31002, http 10.0.0.8:31000"; a long list is not told to its end."""
    told = [f"{one.name} {one.address}:{one.port}" for one in found[:_LISTED]]
    return ", ".join([*told, *(["..."] if len(found) > _LISTED else [])])


def _flags(status: JobStatus) -> list[str]:
    flags = {
        "being cancelled": status.cancel_requested,
        "held": status.held,
        # Every service is open: nothing is to be known by that.
        "open": status.open and not status.service and not status.cancel_requested,
    }
    return [flag for flag, raised in flags.items() if raised]


def _labels(status: JobStatus) -> list[tuple[str, str]]:
    """Those that users gave."""
    return [(name, value) for name, value in status.labels.items() if not name.startswith("omegacell/")]


def _parents(found: Sequence[Dependency]) -> str:
    told = [
        f"{job_text(one.parent_job)} {'to end' if one.any_end else 'to succeed'}" for one in found[:_LISTED]
    ]
    return ", ".join([*told, *([f"{len(found) - _LISTED} more"] if len(found) > _LISTED else [])])


def _reserved(reserved: Sequence[Reservation]) -> str:
    if not reserved:
        return ""
    return f"{len(reserved)} machines until {moment(max(one.until for one in reserved))}"


def _devices(placed: Sequence[Placement], names: Mapping[int, str]) -> str:
    """Which devices of its machine each task has, such as "j7.0: 0,1 of host-2"."""
    return "; ".join(
        f"{task_text(one.job_id, one.first_index)}: {','.join(map(str, one.devices))} of {names[one.machine_id]}"
        for one in placed
    )
