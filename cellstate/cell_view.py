"""What the invariants look at: a cell's rows as plain values, whichever store they are from."""

from __future__ import annotations

from dataclasses import dataclass

from omegacell.cellstate.model import Amounts, Int64, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineView:
    """One machine's row, its named resources among the amounts; devices: milli used, by index."""

    machine_id: int
    epoch: int
    capacity: Amounts
    used: Amounts
    devices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementView:
    """One placement's row. devices: indexes; preempted_by: the job that a claim put in its place, 0 if none."""

    job_id: int
    first_index: int
    count: int
    machine_id: int
    epoch: int
    amounts: Amounts
    devices: tuple[int, ...] = ()
    preempted_by: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job's state, with counts that were reported but not folded yet already in its counters.

    purged_succeeded, purged_unsuccessful: of its final outcomes, those that a purge dropped; they stay counted.
    blocked_by: how many jobs it still waits for. max_running: 0 for no limit.
    """

    job_id: int
    state: JobState
    task_count: int
    next_index: int
    placed: int
    succeeded: int
    failed: int
    cancelled: int
    never_placed: int
    claimed_by: int
    purged_succeeded: int = 0
    purged_unsuccessful: int = 0
    held: bool = False
    open: bool = False
    blocked_by: int = 0
    max_running: int = 0

    @property
    def placeable(self) -> bool:
        """Whether more of it may be placed, now or later, if anything is left."""
        full = self.max_running and self.placed >= self.max_running
        return not (self.state.final or self.state is JobState.BLOCKED or self.held or full)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryView:
    """One range of tasks that wait to run again."""

    job_id: int
    first_index: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FinalOutcomesView:
    """The final outcomes of one job; jobs without any may be left out.

    task_indexes: int64[N], one entry per final outcome, in any order; `succeeded` counts those of state
    SUCCEEDED. (The others count as failed or cancelled by what was asked for when they came in, which no
    outcome says: the sum of the two is what can be checked.)
    """

    job_id: int
    succeeded: int
    task_indexes: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    """Everything the invariants speak of, from one consistent state of the cell; rows in any order.

    queue: the job id of every row of the queue, twice where a job is there twice. scheduler_ids: all
    schedulers that ever registered. dependencies: (parent, child) for every job that another still waits for.
    """

    machines: tuple[MachineView, ...]
    placements: tuple[PlacementView, ...]
    jobs: tuple[JobView, ...]
    retries: tuple[RetryView, ...]
    finals: tuple[FinalOutcomesView, ...]
    queue: tuple[int, ...]
    scheduler_ids: frozenset[int]
    dependencies: tuple[tuple[int, int], ...] = ()
