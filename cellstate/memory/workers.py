"""What workers do: hold a lease, pull what their machines hold, report how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from omegacell.cellstate.errors import MachineInUse, TokenLost
from omegacell.cellstate.memory.endings import end_slot
from omegacell.cellstate.memory.fold import fold
from omegacell.cellstate.memory.machines import lose
from omegacell.cellstate.memory.state import Cell, Machine, Worker
from omegacell.cellstate.model import (
    AttemptState,
    Ended,
    Holdings,
    Kept,
    Lease,
    Placement,
    Started,
    WorkerSpec,
    WorkerStatus,
)

SlotKey = tuple[int, int]
"""job_id and first_index."""

_STOPPED = (AttemptState.PREEMPTED, AttemptState.CANCELLED)
"""What a worker may say of a task whose slot gave its place away: anything else came too late."""


def register(cell: Cell, spec: WorkerSpec, *, lease_seconds: float, replace_token: int, now: float) -> Lease:
    """Make a process the current incarnation of its worker; what the earlier one had is lost."""
    worker_id = cell.worker_of_name.get(spec.name)
    if worker_id is None:
        worker_id = len(cell.workers) + 1
        cell.worker_of_name[spec.name] = worker_id
        worker = Worker(worker_id=worker_id, spec=spec, token=0, lease_seconds=lease_seconds, expires_at=now)
        cell.workers[worker_id] = worker
    else:
        worker = cell.workers[worker_id]
        if worker.expires_at > now and replace_token != worker.token and not _same_process(worker.spec, spec):
            raise MachineInUse(
                f"worker {spec.name!r} is held by process {worker.spec.pid} on host {worker.spec.host!r}, "
                "whose lease runs; choose another name, or wait until that process has ended"
            )
        lose(cell, worker.machine_ids, now=now)
    worker.spec = spec
    worker.token = cell.new_token()
    worker.lease_seconds = lease_seconds
    worker.expires_at = now + lease_seconds
    return Lease(
        holder_id=worker_id, token=worker.token, lease_seconds=lease_seconds, expires_at=worker.expires_at
    )


def _same_process(one: WorkerSpec, other: WorkerSpec) -> bool:
    return (one.host, one.boot_id, one.pid) == (other.host, other.boot_id, other.pid)


def fenced(cell: Cell, worker_id: int, token: int) -> Worker:
    """The worker, if the token is its current one; TokenLost otherwise."""
    worker = cell.workers.get(worker_id)
    if worker is None or not worker.token or worker.token != token:
        raise TokenLost(
            f"token {token} of worker {worker_id} is no longer valid: a newer incarnation took over or the "
            "lease ended; this one must stop its tasks"
        )
    return worker


def renew(worker: Worker, *, now: float) -> float:
    """Extend the lease; its new end."""
    worker.expires_at = now + worker.lease_seconds
    return worker.expires_at


def release(cell: Cell, worker_id: int, token: int, *, now: float) -> None:
    """End the lease in good order; an old token changes nothing."""
    worker = cell.workers.get(worker_id)
    if worker is not None and worker.token and worker.token == token:
        void(worker, now=now)
        lose(cell, worker.machine_ids, now=now)


def void(worker: Worker, *, now: float) -> None:
    """End the lease: no call with its token is heard any more."""
    worker.token = 0
    worker.expires_at = min(worker.expires_at, now)


def statuses(cell: Cell, *, now: float) -> tuple[WorkerStatus, ...]:
    """All workers by id."""
    return tuple(
        WorkerStatus(
            worker_id=worker.worker_id,
            name=worker.spec.name,
            host=worker.spec.host,
            boot_id=worker.spec.boot_id,
            pid=worker.spec.pid,
            log_directory=worker.spec.log_directory,
            token=worker.token,
            expires_at=worker.expires_at,
            alive=worker.expires_at > now,
            machine_count=sum(cell.machines[machine_id].up for machine_id in worker.machine_ids),
            address=worker.spec.address,
        )
        for worker in cell.workers.values()
    )


def pull(cell: Cell, worker: Worker, known: Mapping[int, int]) -> tuple[Holdings, ...]:
    """The worker's machines that are up and whose version is not the known one, by id."""
    return tuple(
        _holdings(cell, machine)
        for machine_id in sorted(worker.machine_ids)
        if (machine := cell.machines[machine_id]).up and known.get(machine_id) != machine.version
    )


def _holdings(cell: Cell, machine: Machine) -> Holdings:
    return Holdings(
        machine_id=machine.machine_id,
        version=machine.version,
        epoch=machine.epoch,
        placements=tuple(
            cell.jobs[job_id].placements[first_index] for job_id, first_index in sorted(machine.holds)
        ),
    )


def report_started(cell: Cell, started: Sequence[Started]) -> None:
    """Note which placements run, and on which ports."""
    for report in started:
        placement = _held(cell, report)
        if placement is not None:
            runs = replace(placement, running=True, ports=tuple(sorted(report.ports)))
            cell.jobs[report.job_id].placements[report.first_index] = runs


def report_ended(cell: Cell, ended: Sequence[Ended], kept: Sequence[Kept], *, now: float) -> tuple[bool, ...]:
    """End slots, or let them go on with one task, and fold their jobs; False for each report not heeded."""
    goes_on: dict[SlotKey, int] = {}
    for word in kept:
        if _held_task(cell, word) is not None:
            goes_on.setdefault((word.job_id, word.first_index), word.task_index)
    reports: dict[SlotKey, dict[int, Ended]] = {key: {} for key in goes_on}
    accepted = [_heed(cell, report, reports, goes_on) for report in ended]
    touched: set[int] = set()
    for key, told in reports.items():
        slot = cell.jobs[key[0]].placements[key[1]]
        end_slot(cell, slot, told, kept=goes_on.get(key, -1), now=now)
        touched.add(slot.machine_id)
    for machine_id in touched:
        cell.machines[machine_id].version += 1
    if touched:
        cell.feed.append(sorted(touched))
    fold(cell, {job_id for job_id, _ in reports}, now=now)
    return tuple(accepted)


def _heed(
    cell: Cell, report: Ended, reports: dict[SlotKey, dict[int, Ended]], goes_on: Mapping[SlotKey, int]
) -> bool:
    """Put a report with those of its slot, unless it is not of a task that may end; whether it is believed."""
    slot = _held_task(cell, report)
    key = (report.job_id, report.first_index)
    if slot is None or report.task_index == goes_on.get(key) or report.task_index in reports.get(key, {}):
        return False
    reports.setdefault(key, {})[report.task_index] = _as_it_counts(slot, report)
    return not slot.preempted_by or report.state in _STOPPED


def _as_it_counts(slot: Placement, ended: Ended) -> Ended:
    """The report as it is recorded: a slot that gave its place away was preempted, whatever came of it late."""
    if not slot.preempted_by:
        return ended
    told = replace(ended, error=f"preempted by job j{slot.preempted_by}")
    if ended.state is AttemptState.PREEMPTED:
        return told
    return replace(told, state=AttemptState.PREEMPTED, exit_code=-1, result=b"")


def _held_task(cell: Cell, report: Ended | Kept) -> Placement | None:
    """The slot a report is about, if it is still held under (epoch, attempt) and one of the task."""
    slot = _held(cell, report)
    if slot is None or not slot.first_index <= report.task_index < slot.first_index + slot.count:
        return None
    return slot


def _held(cell: Cell, report: Started | Ended | Kept) -> Placement | None:
    """The slot a report is about, if it is still held under (epoch, attempt)."""
    job = cell.jobs.get(report.job_id)
    slot = job.placements.get(report.first_index) if job is not None else None
    if slot is None:
        return None
    held = (slot.machine_id, slot.epoch, slot.attempt)
    return slot if held == (report.machine_id, report.epoch, report.attempt) else None
