"""Big gangs under a stream of small jobs: reservations, on the in-memory store in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omegacell.cellstate.model import AttemptState, CommitMode, Ended, JobState
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.explain import render
from omegacell.schedulers.scheduler import Scheduler
from tests.unit.schedulers.builders import MemoryCell


def finish(cell: MemoryCell, job: int) -> None:
    """All that a job holds succeeds."""
    ended = [
        Ended(
            job_id=job,
            first_index=slot.first_index,
            task_index=slot.first_index,
            attempt=slot.attempt,
            machine_id=slot.machine_id,
            epoch=slot.epoch,
            state=AttemptState.SUCCEEDED,
            exit_code=0,
            started_at=slot.placed_at,
            ended_at=cell.clock.now(),
        )
        for slot in cell.store.placements(job)
    ]
    cell.store.report_ended(cell.worker.holder_id, cell.worker.token, ended)


class Stream:
    """Small jobs of about 2 s without end, one submitted as another ends, that fill the cell."""

    def __init__(self, cell: MemoryCell, scheduler: Scheduler) -> None:
        self._cell = cell
        self._scheduler = scheduler
        self._running: list[tuple[float, int]] = []
        self._waiting: list[int] = []

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let it flow for so long, or until something is so; how long that took."""
        clock = self._cell.clock
        begun = clock.now()
        while not until() and clock.now() - begun < seconds:
            self._step(clock.now())
            clock.advance(0.25)
        return clock.now() - begun

    def _step(self, now: float) -> None:
        for ends_at, small in list(self._running):
            if ends_at <= now:
                self._running.remove((ends_at, small))
                finish(self._cell, small)
        self._waiting += [self._cell.submit() for _ in range(6 - len(self._waiting))]
        for _ in range(4):
            self._cell.run(self._scheduler)
        for small in list(self._waiting):
            if self._cell.store.job(small).placed:
                self._waiting.remove(small)
                self._running.append((now + 1.5 + 0.13 * (small % 9), small))


def gang_in_a_stream(config: SchedulerConfig) -> tuple[MemoryCell, Stream, int]:
    """A full cell through which small jobs flow, and a gang for half of it."""
    cell = MemoryCell(*[2_000] * 8)
    stream = Stream(cell, cell.scheduler(BatchScheduler, config=config))
    stream.run(3.0)
    return cell, stream, cell.submit(8, commit=CommitMode.GANG)


def test_gang_under_a_stream_of_small_jobs_starts_by_its_reservation() -> None:
    cell, stream, gang = gang_in_a_stream(SchedulerConfig(jobs_per_attempt=4))
    held: list[int] = []

    def started() -> bool:
        held.append(len(cell.store.reservations()))
        return cell.store.job(gang).placed == 8

    assert 5.0 < stream.run(60.0, started) < 15.0
    assert max(held) == 4
    assert cell.store.reservations() == ()
    assert cell.store.check() == ()


def test_without_reservations_the_gang_starves() -> None:
    cell, stream, gang = gang_in_a_stream(SchedulerConfig(jobs_per_attempt=4, reserve_after_attempts=0))
    stream.run(30.0)
    assert cell.store.job(gang).state is JobState.PENDING
    assert cell.store.job(gang).attempts > 10


def waiting_gang(*machines: int, tasks: int, **more: Any) -> tuple[MemoryCell, Scheduler, int]:
    """A cell full of what never ends, and a gang that waits in it."""
    cell = MemoryCell(*machines)
    scheduler = cell.scheduler(BatchScheduler, config=SchedulerConfig(preemption=False))
    cell.submit(sum(machines) // 1_000)
    cell.run(scheduler)
    return cell, scheduler, cell.submit(tasks, commit=CommitMode.GANG, **more)


def attempts(cell: MemoryCell, scheduler: Scheduler, count: int, *, seconds: float = 2.0) -> None:
    for _ in range(count):
        cell.run(scheduler)
        cell.clock.advance(seconds)


def test_reservation_is_told_and_ends_with_its_time() -> None:
    cell, scheduler, gang = waiting_gang(2_000, 2_000, 2_000, tasks=4)
    attempts(cell, scheduler, 5)
    assert cell.store.reservations() == ()
    attempts(cell, scheduler, 1)  # 10 s after START, which is 00:16:40 UTC
    said = "2 machines are reserved for it until 00:17:10 UTC."
    assert {(one.machine_id, one.job_id) for one in cell.store.reservations()} == {(1, gang), (2, gang)}
    assert said in render(cell.store.explanation(gang))
    attempts(cell, scheduler, 3)
    assert said in render(cell.store.explanation(gang))
    cell.clock.advance(14.0)
    assert cell.store.reservations() == ()


def test_gang_holds_one_reservation_and_ages_anew_after_it() -> None:
    cell, scheduler, _ = waiting_gang(2_000, 2_000, tasks=4)
    attempts(cell, scheduler, 6)
    until = {one.until for one in cell.store.reservations()}
    attempts(cell, scheduler, 8)
    assert {one.until for one in cell.store.reservations()} == until
    while cell.store.reservations():
        attempts(cell, scheduler, 1)
    attempts(cell, scheduler, 4)
    assert cell.store.reservations() == ()
    attempts(cell, scheduler, 3)
    assert len(cell.store.reservations()) == 2


def test_gang_that_no_machines_suffice_for_reserves_nothing() -> None:
    cell, scheduler, _ = waiting_gang(2_000, 2_000, tasks=5)
    attempts(cell, scheduler, 12)
    assert cell.store.reservations() == ()


def test_others_keep_off_reserved_machines_and_are_told() -> None:
    cell, scheduler, gang = waiting_gang(2_000, 2_000, tasks=4)
    attempts(cell, scheduler, 6)
    cell.add(1_000, first=3)
    (small, other) = (cell.submit(), cell.submit())
    cell.run(scheduler)
    assert [slot.machine_id for slot in cell.store.placements(small)] == [3]
    assert "2 of 3 machines are reserved for a gang; omega machines says for which." in render(
        cell.store.explanation(other)
    )
    assert cell.store.job(gang).placed == 0


def test_second_gang_reserves_other_machines_or_none() -> None:
    cell, scheduler, first = waiting_gang(2_000, 2_000, 2_000, tasks=4)
    second = cell.submit(4, commit=CommitMode.GANG)
    attempts(cell, scheduler, 8)
    holders = [one.job_id for one in cell.store.reservations()]
    assert holders in ([first, first], [second, second])


def test_reservation_another_was_faster_for_is_let_go() -> None:
    cell, scheduler, _ = waiting_gang(2_000, 2_000, tasks=4)
    attempts(cell, scheduler, 5)
    attempt = scheduler.begin(cell.clock.now())
    assert len(attempt.jobs[0].to_reserve) == 2
    cell.store.drain("m2", evict=False)
    finished = scheduler.finish(attempt, cell.clock.now())
    assert not finished.holds[0]
    assert cell.store.reservations() == ()
