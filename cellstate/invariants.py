"""What must always hold in a cell, as pure functions over a plain view of it.

The one home of the invariants: MemoryStore.check() and PostgresStore.check() each build a CellView from
one consistent state and ask here; `omega fsck`, the tests and the simulator ask the stores.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from omegacell.cellstate.cell_view import CellView, MachineView, PlacementView, RetryView
from omegacell.cellstate.model import DEVICE_MILLI, DIMENSIONS, Amounts, Int64, JobState, Violation
from omegacell.cellstate.room import device_count, device_milli


def check(view: CellView) -> tuple[Violation, ...]:
    """Every broken invariant; empty is good."""
    return (
        *_used_is_what_placements_hold(view),
        *_devices_are_as_many_as_amounts_say(view),
        *_preempted_placements_hold_nothing(view),
        *_placements_are_of_this_epoch(view),
        *_a_task_is_in_one_place(view),
        *_counters_are_outcomes(view),
        *_queued_iff_work_and_unclaimed(view),
        *_final_jobs_hold_nothing(view),
        *_claims_are_held_by_schedulers(view),
        *_blocked_jobs_wait_for_others(view),
        *_no_more_runs_than_may(view),
    )


def _used_is_what_placements_hold(view: CellView) -> Iterator[Violation]:
    """In every dimension, of every named resource and on every device of every machine."""
    held: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for placement in view.placements:
        amounts = placement.amounts
        on_machine = held[placement.machine_id]
        for dimension in DIMENSIONS:
            on_machine[dimension] += getattr(amounts, dimension)
        for name, milli in amounts.custom:
            on_machine[f"custom {name}"] += milli
        for index in placement.devices:
            on_machine[f"device {index}"] += device_milli(amounts.gpu_milli)
    for machine in view.machines:
        used, capacity = _by_name(machine)
        on_machine = held[machine.machine_id]
        for name in {**used, **capacity, **on_machine}:
            if used[name] != on_machine[name]:
                yield Violation(
                    invariant="used is what placements hold",
                    detail=f"machine {machine.machine_id} has {used[name]} {name} used, "
                    f"its placements hold {on_machine[name]}",
                )
            if not 0 <= used[name] <= capacity[name]:
                yield Violation(
                    invariant="used is within capacity",
                    detail=f"machine {machine.machine_id} has {used[name]} {name} used of {capacity[name]}",
                )


def _by_name(machine: MachineView) -> tuple[Counter[str], Counter[str]]:
    """What a machine has used and what it has, by what that is."""
    used: Counter[str] = Counter()
    capacity: Counter[str] = Counter()
    for counted, amounts in ((used, machine.used), (capacity, machine.capacity)):
        counted.update({dimension: getattr(amounts, dimension) for dimension in DIMENSIONS})
        counted.update({f"custom {name}": milli for name, milli in amounts.custom})
    used.update({f"device {index}": milli for index, milli in enumerate(machine.devices)})
    capacity.update({f"device {index}": DEVICE_MILLI for index in range(len(machine.devices))})
    return used, capacity


def _devices_are_as_many_as_amounts_say(view: CellView) -> Iterator[Violation]:
    for machine in view.machines:
        if len(machine.devices) * DEVICE_MILLI != machine.capacity.gpu_milli:
            yield Violation(
                invariant="a machine has the devices of its capacity",
                detail=f"machine {machine.machine_id} has {len(machine.devices)} devices and a capacity of "
                f"{machine.capacity.gpu_milli} gpu_milli",
            )
    for placement in view.placements:
        devices, wanted = placement.devices, device_count(placement.amounts.gpu_milli)
        if len(set(devices)) != len(devices) or len(devices) != wanted:
            yield Violation(
                invariant="a placement is on as many devices as it holds",
                detail=f"task j{placement.job_id}.{placement.first_index} is on the devices "
                f"{list(devices)}, expected {wanted} different ones",
            )


def _preempted_placements_hold_nothing(view: CellView) -> Iterator[Violation]:
    for placement in view.placements:
        if placement.preempted_by and (placement.amounts != Amounts() or placement.devices):
            yield Violation(
                invariant="preempted placements hold nothing",
                detail=f"task j{placement.job_id}.{placement.first_index} gave its place on machine "
                f"{placement.machine_id} to j{placement.preempted_by} and still holds {placement.amounts} on "
                f"the devices {list(placement.devices)}",
            )


def _placements_are_of_this_epoch(view: CellView) -> Iterator[Violation]:
    epochs = {machine.machine_id: machine.epoch for machine in view.machines}
    for placement in view.placements:
        epoch = epochs.get(placement.machine_id)
        if epoch != placement.epoch:
            yield Violation(
                invariant="placements are of their machine's epoch",
                detail=f"task j{placement.job_id}.{placement.first_index} is placed on machine "
                f"{placement.machine_id} in epoch {placement.epoch}, the machine is in "
                f"{'none' if epoch is None else epoch}",
            )


def _a_task_is_in_one_place(view: CellView) -> Iterator[Violation]:
    """Every numbered task in exactly one of: a retry range, a placement, a final outcome; no other in any.

    Tasks whose final outcome a purge dropped are in none, and just as many as were dropped.
    """
    found: defaultdict[int, list[Int64]] = defaultdict(list)
    rows: tuple[PlacementView | RetryView, ...] = (*view.placements, *view.retries)
    for row in rows:
        found[row.job_id].append(np.arange(row.first_index, row.first_index + row.count, dtype=np.int64))
    for final in view.finals:
        found[final.job_id].append(final.task_indexes)
    jobs = {job.job_id: job for job in view.jobs}
    for job_id in sorted(found.keys() | jobs.keys()):
        job = jobs.get(job_id)
        expected = job.next_index if job else 0
        purged = job.purged_succeeded + job.purged_unsuccessful if job else 0
        indexes = np.concatenate(found[job_id]) if found[job_id] else np.zeros(0, dtype=np.int64)
        places = np.bincount(indexes, minlength=expected)
        numbered = np.arange(len(places)) < expected
        too_many, none = np.flatnonzero(places > numbered), np.flatnonzero(places < numbered)
        if len(too_many) or len(none) != purged:
            yield Violation(
                invariant="a task is in one place",
                detail=f"of the {expected} tasks numbered of job j{job_id} {len(none)} are in no placement, retry "
                f"or final outcome (first {none[:1]}), expected {purged}, which a purge dropped; {len(too_many)} "
                f"are in several, or in one and not numbered (first {too_many[:1]})",
            )


def _counters_are_outcomes(view: CellView) -> Iterator[Violation]:
    placed: Counter[int] = Counter()
    for placement in view.placements:
        placed[placement.job_id] += placement.count
    finals = {final.job_id: final for final in view.finals}
    for job in view.jobs:
        final = finals.get(job.job_id)
        succeeded = job.purged_succeeded + (final.succeeded if final else 0)
        unsuccessful = job.purged_unsuccessful + (len(final.task_indexes) - final.succeeded if final else 0)
        for counter, counted, there in (
            ("placed", job.placed, placed[job.job_id]),
            ("succeeded", job.succeeded, succeeded),
            (
                "failed and cancelled after placing",
                job.failed + job.cancelled - job.never_placed,
                unsuccessful,
            ),
        ):
            if counted != there:
                yield Violation(
                    invariant="counters are outcomes",
                    detail=f"job j{job.job_id} counts {counted} tasks as {counter}, its rows are {there}",
                )
        if not 0 <= job.next_index <= job.task_count - job.never_placed:
            yield Violation(
                invariant="numbering is within the job",
                detail=f"job j{job.job_id} has {job.task_count} tasks, of which {job.next_index} are "
                f"numbered and {job.never_placed} will never be",
            )


def _queued_iff_work_and_unclaimed(view: CellView) -> Iterator[Violation]:
    rows = Counter(view.queue)
    with_work = _jobs_with_work(view)
    for job in view.jobs:
        wanted = int(job.job_id in with_work and not job.claimed_by)
        if rows[job.job_id] != wanted:
            yield Violation(
                invariant="a job is queued once while it has work and nobody has claimed it",
                detail=f"job j{job.job_id} is in the queue {rows[job.job_id]} times, expected {wanted} "
                f"(state {job.state}{', held' if job.held else ''}, claimed by {job.claimed_by})",
            )
    for job_id in sorted(rows.keys() - {job.job_id for job in view.jobs}):
        yield Violation(
            invariant="a job is queued once while it has work and nobody has claimed it",
            detail=f"job j{job_id} is in the queue and does not exist",
        )


def _final_jobs_hold_nothing(view: CellView) -> Iterator[Violation]:
    for job in view.jobs:
        ended = job.succeeded + job.failed + job.cancelled
        if job.state.final and (job.placed or job.claimed_by or ended != job.task_count):
            yield Violation(
                invariant="final jobs hold nothing",
                detail=f"job j{job.job_id} is {job.state} with {job.placed} tasks placed, {ended} of "
                f"{job.task_count} tasks ended and claimed by {job.claimed_by}",
            )
        if job.state.final and job.open:
            yield Violation(
                invariant="final jobs are closed",
                detail=f"job j{job.job_id} is {job.state}, and tasks may still be added to it",
            )
        goes_on = job.state.final or job.open or job.state is JobState.BLOCKED
        if ended == job.task_count and not goes_on:
            yield Violation(
                invariant="jobs whose tasks have all ended are final",
                detail=f"job j{job.job_id} is {job.state} and all its {ended} tasks have ended",
            )


def _claims_are_held_by_schedulers(view: CellView) -> Iterator[Violation]:
    with_work = _jobs_with_work(view)
    for job in view.jobs:
        if job.claimed_by and job.claimed_by not in view.scheduler_ids:
            yield Violation(
                invariant="claimed jobs are a scheduler's",
                detail=f"job j{job.job_id} is claimed by {job.claimed_by}, which is no scheduler's id",
            )
        if job.claimed_by and job.job_id not in with_work:
            yield Violation(
                invariant="claimed jobs have work",
                detail=f"job j{job.job_id} is claimed by {job.claimed_by} and has nothing left to place",
            )


def _blocked_jobs_wait_for_others(view: CellView) -> Iterator[Violation]:
    waits = Counter(child for _, child in view.dependencies)
    for job in view.jobs:
        counted, there = job.blocked_by, waits.pop(job.job_id, 0)
        if counted != there or (counted > 0) != (job.state is JobState.BLOCKED):
            yield Violation(
                invariant="a job is blocked while it waits for others",
                detail=f"job j{job.job_id} is {job.state} and counts {counted} jobs that it waits for, its rows are "
                f"{there}",
            )
    for child in sorted(waits):
        yield Violation(
            invariant="a job is blocked while it waits for others",
            detail=f"job j{child} waits for {waits[child]} others and does not exist",
        )
    for parent, child in sorted(view.dependencies):
        if parent >= child:
            yield Violation(
                invariant="jobs come after earlier ones",
                detail=f"job j{child} comes after j{parent}, which is not earlier",
            )


def _no_more_runs_than_may(view: CellView) -> Iterator[Violation]:
    for job in view.jobs:
        if job.max_running and job.placed > job.max_running:
            yield Violation(
                invariant="no more of a job is placed than max_running",
                detail=f"job j{job.job_id} has {job.placed} tasks placed, expected at most {job.max_running}",
            )


def _jobs_with_work(view: CellView) -> set[int]:
    """Jobs that have something left to place, now or later, and may be placed."""
    left = {job.job_id for job in view.jobs if job.next_index + job.never_placed < job.task_count}
    left |= {retry.job_id for retry in view.retries}
    return {job.job_id for job in view.jobs if job.placeable and job.job_id in left}
