"""What holds resources now, what workers report of it, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from omegacell.cellstate.model.amounts import Amounts
from omegacell.cellstate.model.states import AttemptState, Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What holds resources now: a slot that runs `count` tasks of a job, from first_index, one after another.

    `amounts` are what the slot holds and `devices` on which devices. Where a claim of the job `preempted_by`
    took its place both are empty: it is ending, and that job's slots on the machine start once it has.
    `ports` are (name, number) by name, as its worker told when it ran.
    """

    job_id: int
    first_index: int
    count: int
    attempt: int
    failures: int
    lost: int
    machine_id: int
    epoch: int
    amounts: Amounts
    running: bool
    stop: Stop
    placed_at: float
    devices: tuple[int, ...] = ()
    preempted_by: int = 0
    ports: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """Everything one machine holds, as of its version."""

    machine_id: int
    version: int
    epoch: int
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A worker's word that a placement runs, on these ports by name; compare-and-set on (epoch, attempt)."""

    job_id: int
    first_index: int
    attempt: int
    machine_id: int
    epoch: int
    started_at: float
    ports: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A worker's word that task `task_index` of a slot ended; compare-and-set on (epoch, attempt).

    first_index and attempt are the slot's; a slot of one task has task_index = first_index.
    `exit_code` is -1 where there is none (callables, start failures); `result` is what a callable
    returned or raised, pickled; `error` is one line; the tails are the last bytes the task wrote.
    """

    job_id: int
    first_index: int
    task_index: int
    attempt: int
    machine_id: int
    epoch: int
    state: AttemptState
    exit_code: int
    started_at: float
    ended_at: float
    result: bytes = b""
    error: str = ""
    stdout_tail: str = ""
    stderr_tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A worker's word that a slot goes on with task `task_index` alone; compare-and-set on (epoch, attempt).

    The slot is then one of first_index = task_index and count 1, of the same attempt; its other tasks end
    as reported beside it, and those of which nothing is reported wait to be placed again.
    """

    job_id: int
    first_index: int
    task_index: int
    attempt: int
    machine_id: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt of one task ended; `final` where no further attempt follows."""

    job_id: int
    task_index: int
    attempt: int
    state: AttemptState
    final: bool
    machine_id: int
    exit_code: int
    started_at: float
    ended_at: float
    result: bytes
    error: str
    stdout_tail: str
    stderr_tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRange:
    """Tasks first_index .. first_index + count - 1 of a job, to be run again from not_before on."""

    job_id: int
    first_index: int
    count: int
    attempt: int
    failures: int
    lost: int
    not_before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption:
    """The record of a slot that gave its place to a job of higher priority."""

    at: float
    machine_id: int
    winner_job: int
    victim_job: int
    first_index: int
    count: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A machine kept for a gang until a time, from jobs of no higher priority."""

    machine_id: int
    job_id: int
    priority: int
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What a purge took away: final jobs, and daily partitions of the log and of the outcomes."""

    jobs: int
    partitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A broken invariant: its name and one sentence with the values that differ."""

    invariant: str
    detail: str
