"""What changes a machine as a whole: registration, cordon and drain, loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omegacell.cellstate.errors import MachineInUse, NotFound
from omegacell.cellstate.memory import slots
from omegacell.cellstate.memory.endings import end_slot
from omegacell.cellstate.memory.fold import fold
from omegacell.cellstate.memory.log import MachinesChanged
from omegacell.cellstate.memory.state import Cell, Machine, Worker, room_of
from omegacell.cellstate.model import (
    AttemptState,
    Ended,
    EventKind,
    MachineSpec,
    MachineStatus,
    Placement,
    RegisteredMachine,
    Stop,
)
from omegacell.cellstate.transactions import check_machines


def register(
    cell: Cell, worker: Worker, specs: Sequence[MachineSpec], *, now: float
) -> tuple[RegisteredMachine, ...]:
    """Bring machines up under a worker, all or none; what a known one still held is lost."""
    _refuse_taken(cell, worker, specs, now=now)
    touched_jobs: set[int] = set()
    lost: list[int] = []
    registered: list[RegisteredMachine] = []
    for spec in specs:
        machine_id = cell.machine_of_name.get(spec.name)
        if machine_id is None:
            machine = _create(cell, worker, spec)
        else:
            machine = cell.machines[machine_id]
            lost += [machine_id] if machine.up else []
            touched_jobs |= _lose_placements(cell, machine, now=now)
            cell.workers[machine.worker_id].machine_ids.discard(machine_id)
            machine.spec, machine.room = spec, room_of(spec.capacity)
            machine.worker_id = worker.worker_id
        worker.machine_ids.add(machine.machine_id)
        _bring(machine, up=True)
        registered.append(
            RegisteredMachine(machine_id=machine.machine_id, name=spec.name, epoch=machine.epoch)
        )
    brought = [machine.machine_id for machine in registered]
    cell.feed.append(brought, facts=True)
    _note(cell, EventKind.MACHINE_LOST, lost, now=now)
    _note(cell, EventKind.MACHINE_UP, brought, now=now)
    fold(cell, touched_jobs, now=now)
    return tuple(registered)


def _refuse_taken(cell: Cell, worker: Worker, specs: Sequence[MachineSpec], *, now: float) -> None:
    check_machines(specs)
    for spec in specs:
        machine_id = cell.machine_of_name.get(spec.name)
        if machine_id is None:
            continue
        machine = cell.machines[machine_id]
        holder = cell.workers[machine.worker_id]
        if machine.up and holder is not worker and holder.expires_at > now:
            raise MachineInUse(
                f"machine {spec.name!r} is held by worker {holder.spec.name!r}, whose lease runs; "
                "choose another name, or wait until that worker has ended"
            )


def _create(cell: Cell, worker: Worker, spec: MachineSpec) -> Machine:
    machine = Machine(
        machine_id=len(cell.machines) + 1,
        spec=spec,
        worker_id=worker.worker_id,
        room=room_of(spec.capacity),
    )
    cell.machines[machine.machine_id] = machine
    cell.machine_of_name[spec.name] = machine.machine_id
    return machine


def _bring(machine: Machine, *, up: bool) -> None:
    """Begin a new epoch, in which nothing is placed yet."""
    machine.up = up
    machine.epoch += 1
    machine.version += 1
    machine.claim_sequence += 1


def lose(cell: Cell, machine_ids: Iterable[int], *, now: float) -> int:
    """Take machines down that are up: what they hold is lost, their jobs are folded. How many were up."""
    lost: list[int] = []
    touched_jobs: set[int] = set()
    for machine_id in sorted(machine_ids):
        machine = cell.machines[machine_id]
        if machine.up:
            touched_jobs |= _lose_placements(cell, machine, now=now)
            _bring(machine, up=False)
            lost.append(machine_id)
    if lost:
        cell.feed.append(lost)
    _note(cell, EventKind.MACHINE_LOST, lost, now=now)
    fold(cell, touched_jobs, now=now)
    return len(lost)


def _note(cell: Cell, kind: EventKind, machine_ids: Sequence[int], *, now: float) -> None:
    """Log that this happened to machines, if there are any."""
    if machine_ids:
        cell.log.append(MachinesChanged(at=now, kind=kind, machine_ids=tuple(sorted(machine_ids))))


def _lose_placements(cell: Cell, machine: Machine, *, now: float) -> set[int]:
    """End everything a machine holds as lost; the jobs that lost something, not yet folded."""
    touched_jobs: set[int] = set()
    for job_id, first_index in sorted(machine.holds):
        slot = cell.jobs[job_id].placements[first_index]
        tasks = range(first_index, first_index + slot.count)
        end_slot(cell, slot, {task: _lost(machine, slot, task, now=now) for task in tasks}, now=now)
        touched_jobs.add(job_id)
    return touched_jobs


def _lost(machine: Machine, slot: Placement, task_index: int, *, now: float) -> Ended:
    """What the worker would have to say of a task that went with its machine."""
    return Ended(
        job_id=slot.job_id,
        first_index=slot.first_index,
        task_index=task_index,
        attempt=slot.attempt,
        machine_id=machine.machine_id,
        epoch=machine.epoch,
        state=AttemptState.LOST,
        exit_code=-1,
        started_at=0.0,
        ended_at=now,
        error=f"machine {machine.spec.name} was lost",
    )


def set_schedulable(cell: Cell, name: str, *, schedulable: bool, evict: bool, now: float) -> MachineStatus:
    """Let a machine take placements or not; with `evict` ask what it holds to run elsewhere."""
    machine = _named(cell, name)
    turned = machine.schedulable != schedulable
    machine.schedulable = schedulable
    evicted = _evict(cell, machine) if evict else 0
    if turned:
        machine.claim_sequence += 1
    if turned or evicted:
        machine.version += 1
        cell.feed.append((machine.machine_id,))
        kind = EventKind.MACHINE_UNCORDONED if schedulable else EventKind.MACHINE_DRAINED
        _note(cell, kind, (machine.machine_id,), now=now)
    return status(machine)


def _evict(cell: Cell, machine: Machine) -> int:
    evicted = 0
    for job_id, first_index in machine.holds:
        slot = cell.jobs[job_id].placements[first_index]
        if slot.stop is Stop.NONE:
            slots.tell(cell, slot, Stop.PREEMPT)
            evicted += 1
    return evicted


def _named(cell: Cell, name: str) -> Machine:
    machine_id = cell.machine_of_name.get(name)
    if machine_id is None:
        raise NotFound(f"there is no machine {name!r}; see `omega machines` for those there are")
    return cell.machines[machine_id]


def status(machine: Machine) -> MachineStatus:
    """The machine for people to look at."""
    return MachineStatus(
        machine_id=machine.machine_id,
        name=machine.spec.name,
        worker_id=machine.worker_id,
        capacity=machine.spec.capacity,
        used=machine.used,
        up=machine.up,
        schedulable=machine.schedulable,
        epoch=machine.epoch,
        version=machine.version,
        claim_sequence=machine.claim_sequence,
        placements=len(machine.holds),
        attributes=dict(machine.spec.attributes),
        devices=machine.devices_used,
    )
