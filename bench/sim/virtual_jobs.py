"""Jobs in virtual time: what a job is while it waits, what it holds once placed, and what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from omegacell.bench.sim.jobs import FOR_EVER, Float64, JobTable, TaskShape
from omegacell.bench.sim.utilisation import Utilisation
from omegacell.cellstate.found import JobFound
from omegacell.cellstate.model import ClaimedJob, Int64
from omegacell.cellstate.record import maker
from omegacell.cellstate.room import as_tuple

_claimed = maker(ClaimedJob)

NEVER = -1.0
"""A time that has not come."""


class Sort:
    """A TaskShape with what every attempt asks of it: its amounts as `vector`: int64[R].

    running: how many of its tasks run. counted: whether it matters how many of a job's tasks are on a machine.
    """

    __slots__ = ("counted", "plain", "running", "shape", "vector")

    def __init__(self, shape: TaskShape, utilisation: Utilisation) -> None:
        self.shape = shape
        self.vector = shape.amounts.vector()
        self.running = utilisation.level(as_tuple(shape.amounts))
        self.plain = shape.amounts.plain
        self.counted = bool(shape.anti_affinity or shape.spread)


class VirtualJob:
    """A job from its submission until nothing of it is left to place."""

    __slots__ = (
        "attempts",
        "commit",
        "conflicts",
        "detection",
        "duration_seconds",
        "fruitless",
        "index",
        "pending",
        "placed_on",
        "queued_at",
        "sort",
        "submitted_at",
        "task_count",
    )

    gang_min = 0

    def __init__(self, index: int, sort: Sort, *, tasks: int, duration: float, now: float) -> None:
        self.index = index
        self.sort = sort
        self.task_count = tasks
        self.detection = sort.shape.detection
        self.commit = sort.shape.commit
        self.pending = tasks
        self.duration_seconds = duration
        self.submitted_at = now
        self.queued_at = now
        self.attempts = 0
        self.fruitless = 0
        self.conflicts = 0
        self.placed_on: dict[int, int] = {}

    @property
    def placed(self) -> int:
        """Tasks that are placed, or have been."""
        return self.task_count - self.pending

    @property
    def job_id(self) -> int:
        """As schedulers call it; 0 is no job."""
        return self.index + 1

    def claimed(self) -> ClaimedJob:
        """What a scheduler gets to see of it."""
        shape = self.sort.shape
        return _claimed(
            job_id=self.index + 1,
            name="",
            scheduler=shape.kind,
            policy=shape.policy,
            amounts=shape.amounts,
            constraints=shape.constraints,
            anti_affinity=shape.anti_affinity,
            spread=shape.spread,
            priority=shape.priority,
            detection=shape.detection,
            commit=shape.commit,
            gang_min=0,
            service=False,
            expected_duration_seconds=0.0 if self.duration_seconds == FOR_EVER else self.duration_seconds,
            task_count=self.task_count,
            pending=self.pending,
            placed=self.task_count - self.pending,
            ended=0,
            attempts=self.attempts,
            fruitless=self.fruitless,
            submitted_at=self.submitted_at,
            placed_on=self.placed_on,
            conflicts=self.conflicts,
        )

    def found(self, alternatives: tuple[int, ...]) -> JobFound:
        """What a transaction finds of it."""
        shape = self.sort.shape
        return JobFound(
            amounts=shape.amounts,
            priority=shape.priority,
            detection=shape.detection,
            commit=shape.commit,
            gang_min=0,
            task_count=self.task_count,
            placed=self.task_count - self.pending,
            pending=self.pending,
            alternatives=alternatives,
        )


class Held:
    """What one commit gave one job, on rows: slots: int64[K], `count` together.

    taken: int64[K, R], or int64[R] where that is the same on every row.

    devices: for each row a mask per slot, nothing where the job needs none; then each row is there once.
    """

    __slots__ = ("count", "devices", "job", "rows", "slots", "taken")

    def __init__(self, job: VirtualJob, rows: Int64, slots: Int64, taken: Int64, count: int) -> None:
        self.job = job
        self.rows = rows
        self.slots = slots
        self.taken = taken
        self.count = count
        self.devices: tuple[tuple[int, ...], ...] = ()


class JobHistory:
    """What became of each of N jobs; seconds, NEVER where it did not come to that.

    first_wait, waited (in the queue, all attempts), placed_at (its last task): float64[N]; attempts, unplaced:
    int64[N]; abandoned: bool[N].
    """

    def __init__(self, jobs: JobTable) -> None:
        self.first_wait: Float64 = np.full(len(jobs), NEVER)
        self.waited: Float64 = np.zeros(len(jobs))
        self.placed_at: Float64 = np.full(len(jobs), NEVER)
        self.attempts: Int64 = np.zeros(len(jobs), dtype=np.int64)
        self.unplaced: Int64 = jobs.tasks.copy()
        self.abandoned = np.zeros(len(jobs), dtype=np.bool_)


class Desk:
    """A scheduler's queue: `queue` of those waiting, `taken` by id those it holds; `wake` is called when one comes."""

    __slots__ = ("queue", "taken", "wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        self.queue: deque[VirtualJob] = deque()
        self.taken: dict[int, VirtualJob] = {}
        self.wake = wake
