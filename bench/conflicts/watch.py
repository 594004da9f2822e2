"""What is noted of each attempt of a live scheduler: the store's calls are timed, the scheduler's steps are watched.

Neither changes what is done: the scheduler, the loop around it and the store are the ones that serve a cell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omegacell.bench.throughput.figures import Work
from omegacell.cellstate.model import (
    Changes,
    ClaimedJob,
    Int64,
    Transaction,
    Verdict,
    Watermark,
)
from omegacell.cellstate.postgres import PostgresStore
from omegacell.schedulers.attempt import Attempt, Finished
from omegacell.schedulers.metrics import Account
from omegacell.schedulers.retry import RetryAt
from omegacell.schedulers.scheduler import Scheduler

Float64 = NDArray[np.float64]

NOT_AGAIN = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One attempt at one job, in seconds of the host's clock; `again_at` NOT_AGAIN: nothing of it waits any more."""

    job_id: int
    begun_at: float
    ended_at: float
    again_at: float
    placed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Watched(Work):
    """What one scheduler process did, attempt by attempt; see Work, whose `started` and `ended` are the commit's.

    begun, synced, done: float64[N], when the attempt began, when it had caught up with the cell, and when all was
    settled; sync_seconds: float64[N], how long catching up took; thought: float64[N], the think time it was to take;
    jobs, asked: int64[N], how many jobs it was about and how many of their tasks were unplaced.
    The accounts' seconds are those of `window`, as virtual time has no others.
    `counted` is of the attempts that were done by `until`, `whole` of all: a scheduler ends the one it is at.
    """

    name: str
    sort: str
    until: float
    begun: Float64
    synced: Float64
    done: Float64
    sync_seconds: Float64
    thought: Float64
    jobs: Int64
    asked: Int64
    counted: Account
    whole: Account
    tried: tuple[Tried, ...]

    @property
    def window(self) -> Float64:
        """float64[N]: how long each attempt's snapshot aged, from when it was asked for to the commit's answer."""
        return self.ended - self.synced + self.sync_seconds


class WatchedStore(PostgresStore):
    """The store of one scheduler process: it hands out no jobs before `open` nor after `until`, and keeps times."""

    opened = False
    until = float("inf")
    over: Callable[[], None] = staticmethod(lambda: None)
    """Called when a job was asked for after the end."""

    synced = (0.0, 0.0)
    committed = (0.0, 0.0)
    """When the last call began and ended."""

    def claim_jobs(self, scheduler_id: int, token: int, *, limit: int) -> tuple[ClaimedJob, ...]:
        """Jobs, while there are any to be had."""
        if self.opened and time.monotonic() < self.until:
            return super().claim_jobs(scheduler_id, token, limit=limit)
        if self.opened:
            self.over()
        return ()

    def sync(self, watermark: Watermark | None) -> Changes:
        """What changed."""
        started = time.monotonic()
        changes = super().sync(watermark)
        self.synced = (started, time.monotonic())
        return changes

    def commit(self, transaction: Transaction) -> Verdict:
        """The verdict."""
        started = time.monotonic()
        verdict = super().commit(transaction)
        self.committed = (started, time.monotonic())
        return verdict


class Watching(Scheduler):
    """Mixed into a kind of scheduler: notes its attempts in `notes`. Its first, idle `begin` loads the whole cell."""

    notes: Notes
    _begun_at = 0.0
    _loaded = False

    def begin(self, now: float) -> Attempt:
        """As its kind does."""
        self._begun_at = time.monotonic()
        attempt = super().begin(now)
        if attempt.idle and not self._loaded:
            self.snapshot.apply(self.store.sync(self.snapshot.watermark))
            self._loaded = True
            self.notes.loaded()
        return attempt

    def finish(self, attempt: Attempt, now: float) -> Finished:
        """As its kind does."""
        started = time.monotonic()
        finished = super().finish(attempt, now)
        thought = [self.think_seconds(planned.job) for planned in attempt.jobs]
        self.notes.add(finished, thought, begun_at=self._begun_at, called_at=started, now=now)
        return finished


class Notes:
    """All attempts of one scheduler. `loaded` is called once it knows the cell."""

    def __init__(self, store: WatchedStore, loaded: Callable[[], None]) -> None:
        self.loaded = loaded
        self._store = store
        self._rows: list[tuple[float, ...]] = []
        self._placed: list[int] = []
        self._jobs: list[int] = []
        self._asked: list[int] = []
        self._conflicted: list[bool] = []
        self._tried: list[Tried] = []
        self._counted, self._whole = Account(), Account()

    def add(
        self, finished: Finished, thought: Sequence[float], *, begun_at: float, called_at: float, now: float
    ) -> None:
        """An attempt that has finished; `now` is the store's time at `called_at`."""
        store, done_at = self._store, time.monotonic()
        committed = store.committed if store.committed[0] >= called_at else (called_at, called_at)
        self._rows.append(
            (
                begun_at,
                store.synced[1],
                store.synced[1] - store.synced[0],
                *committed,
                done_at,
                sum(thought),
            )
        )
        self._placed.append(finished.placed)
        self._jobs.append(len(finished.attempt.jobs))
        self._asked.append(sum(planned.job.pending for planned in finished.attempt.jobs))
        self._conflicted.append(finished.conflicts > 0)
        took = _shared_out(committed[1] - store.synced[0], thought)
        self._whole.add(finished, took)
        if done_at <= store.until:
            self._counted.add(finished, took)
        for planned, tallied, step in zip(
            finished.attempt.jobs, finished.tallies, finished.next, strict=True
        ):
            self._tried.append(
                Tried(
                    job_id=planned.job.job_id,
                    begun_at=begun_at,
                    ended_at=done_at,
                    again_at=called_at + step.at - now if isinstance(step, RetryAt) else NOT_AGAIN,
                    placed=tallied.accepted,
                )
            )

    def watched(self, *, name: str, sort: str) -> Watched:
        """Everything, as columns."""
        begun, synced, sync_seconds, started, ended, done, thought = (
            np.array(self._rows, dtype=np.float64).reshape(-1, 7).T
        )
        placed: Int64 = np.array(self._placed, dtype=np.int64)
        return Watched(
            name=name,
            sort=sort,
            until=self._store.until,
            started=started,
            ended=ended,
            slots=placed,
            tasks=placed,
            conflicted=np.array(self._conflicted, dtype=np.bool_),
            begun=begun,
            synced=synced,
            done=done,
            sync_seconds=sync_seconds,
            thought=thought,
            jobs=np.array(self._jobs, dtype=np.int64),
            asked=np.array(self._asked, dtype=np.int64),
            counted=self._counted,
            whole=self._whole,
            tried=tuple(self._tried),
        )


def _shared_out(seconds: float, thought: Sequence[float]) -> list[float]:
    """How long an attempt's snapshot aged, shared among its jobs as their think times are."""
    whole = sum(thought)
    return [seconds * each / whole if whole else seconds / len(thought) for each in thought]
