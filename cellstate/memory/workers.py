"""What workers do: hold a lease, pull what their machines hold, report how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from omegacell.cellstate.errors import MachineInUse, TokenLost
from omegacell.cellstate.memory.endings import end_placement
from omegacell.cellstate.memory.fold import fold
from omegacell.cellstate.memory.machines import lose
from omegacell.cellstate.memory.state import Cell, Machine, Worker
from omegacell.cellstate.model import Ended, Holdings, Lease, Placement, Started, WorkerSpec, WorkerStatus


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
    """Note which placements run."""
    for report in started:
        placement = _held(cell, report)
        if placement is not None:
            cell.jobs[report.job_id].placements[report.first_index] = replace(placement, running=True)


def report_ended(cell: Cell, ended: Sequence[Ended], *, now: float) -> tuple[bool, ...]:
    """End placements and fold their jobs; False for each that is not held any more."""
    accepted: list[bool] = []
    touched_jobs: set[int] = set()
    touched_machines: set[int] = set()
    for report in ended:
        placement = _held(cell, report)
        accepted.append(placement is not None)
        if placement is not None:
            end_placement(cell, cell.jobs[report.job_id], placement, report, now=now)
            touched_jobs.add(report.job_id)
            touched_machines.add(report.machine_id)
    for machine_id in touched_machines:
        cell.machines[machine_id].version += 1
    if touched_machines:
        cell.feed.append(sorted(touched_machines))
    fold(cell, touched_jobs, now=now)
    return tuple(accepted)


def _held(cell: Cell, report: Started | Ended) -> Placement | None:
    """The placement a report is about, if it is still held under (epoch, attempt)."""
    job = cell.jobs.get(report.job_id)
    placement = job.placements.get(report.first_index) if job is not None else None
    if placement is None:
        return None
    held = (placement.machine_id, placement.epoch, placement.attempt)
    return placement if held == (report.machine_id, report.epoch, report.attempt) else None
