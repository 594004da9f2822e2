"""What an executor is behind its face: a ledger of futures, and two threads that keep the store and it in step.

One stores tasks, the other fetches results. They start with the first task, and end once nothing more is taken and
nothing is owed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool

from omegacell.cellstate.errors import NotFound, SpecInvalid, StoreUnavailable
from omegacell.client.cell import Cell
from omegacell.executor import exits
from omegacell.executor.fetching import Fetching
from omegacell.executor.future import TaskFuture
from omegacell.executor.ledger import Entry, Ledger
from omegacell.executor.open_job import OpenJob
from omegacell.executor.placed import Placed
from omegacell.executor.storing import Storing

_LEAVING_SECONDS = 2.0
"""At the end of a program whose tasks live on, its look for results is waited for this long."""


class Pool:
    """Thread-safe. `over` is called once, when its threads have ended or shall never start."""

    def __init__(self, cell: Cell, job: OpenJob, *, over: Callable[[], None]) -> None:
        self.job = job
        self._cell = cell
        self._over = over
        self._ledger = Ledger()
        self._placed = Placed(cell.store)
        self._starting = threading.RLock()
        self._storing: threading.Thread | None = None
        self._fetching: threading.Thread | None = None
        self._is_over = False
        self._pid = os.getpid()

    def put(self, entries: Sequence[Entry]) -> None:
        """Owe these futures. Returns before their tasks are stored; RuntimeError if nothing more is taken."""
        self.check_process()
        exits.check()
        if self._fetching is None:
            self._start()
        self._ledger.put(entries)

    def make_job(self) -> int:
        """The job's number; it is made now, if no task has made it. 0 if it never will be."""
        self.check_process()
        if not self.job.job_id and (not self._ledger.closed or self._ledger.owed()):
            self._start()
            self.job.make()
        return self.job.job_id

    def check_process(self) -> None:
        """RuntimeError in a process that was forked from the executor's own: its threads are not there."""
        if os.getpid() != self._pid:
            raise RuntimeError(
                f"the executor {self.job.name!r} was made in process {self._pid} and does not work in process "
                f"{os.getpid()}, a copy of it; make an executor there"
            )

    # For futures

    def withdraw(self, futures: Iterable[TaskFuture]) -> None:
        """Cancel those of these that are not placed and have not ended."""
        self.check_process()
        ours = threading.current_thread() is self._storing
        dropped, indexes = self._ledger.drop(futures, wait=not ours)
        for future in dropped:
            future.end_cancelled()
        if not indexes:
            return
        try:
            cancelled = self._cell.store.cancel_tasks(self.job.job_id, _ranges(indexes))
        except (NotFound, SpecInvalid, StoreUnavailable):
            return  # whatever befell the job, the thread that fetches hears of it
        for first, count in cancelled:
            for index in range(first, first + count):
                if (found := self._ledger.pop(index)) is not None:
                    found.end_cancelled()

    def placed(self, future: TaskFuture) -> bool:
        """Whether its task holds a place on a machine now, as far as the store can be asked."""
        self.check_process()
        if future.index < 0 or not self.job.job_id:
            return False
        try:
            return self._placed.holds(self.job.job_id, future.index)
        except (NotFound, StoreUnavailable):
            return False

    # The end

    def close(self, sentence: str, *, cancel: bool = False) -> None:
        """Take nothing more, and let the job end with its tasks; with `cancel` without those not placed yet."""
        if os.getpid() != self._pid:
            return
        self._ledger.close(RuntimeError, sentence)
        if cancel:
            self.withdraw(self._ledger.owed())
        with self._starting:
            if self._fetching is None:
                self._finish()

    def join(self) -> None:
        """Wait until all is done. No effect on the pool's own threads, and in copies of its process."""
        threads = (self._storing, self._fetching)
        if os.getpid() == self._pid and threading.current_thread() not in threads:
            for thread in threads:
                if thread is not None:
                    thread.join()

    def end(self) -> None:
        """As join(), but where the tasks outlive the program, wait only until they are stored."""
        if self.job.lease_seconds or self._storing is None or self._fetching is None:
            self.join()
            return
        self._storing.join()
        self._ledger.give_up()
        self._fetching.join(_LEAVING_SECONDS)

    def _start(self) -> None:
        with self._starting:
            # Once closed it is over, and so may be the cell's connection.
            if self._fetching is not None or self._ledger.closed:
                return
            storing = Storing(self.job, self._ledger, announce=self._cell.announce, lost=self._lose)
            fetching = Fetching(
                self.job,
                self._ledger,
                self._cell.store,
                pauses=self._cell.pauses,
                lost=self._lose,
                broke=self._break,
            )
            # Daemons, as exits.py waits for them in its own way.
            self._storing = threading.Thread(
                target=self._guarded, args=[storing.run], name="omega-executor-storing", daemon=True
            )
            self._fetching = threading.Thread(
                target=self._fetch_to_the_end, args=[fetching], name="omega-executor-fetching", daemon=True
            )
            exits.watch(self)
            self._storing.start()
            self._fetching.start()

    def _fetch_to_the_end(self, fetching: Fetching) -> None:
        self._guarded(fetching.run)
        assert self._storing is not None
        self._storing.join()
        self._finish()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Whatever happens, no future is left without an end."""
        try:
            work()
        except Exception as error:
            text = " ".join(str(error).split())
            sentence = f"the executor of {self.job.text} cannot go on: {type(error).__name__}: {text}"
            self._break(sentence, error)

    def _finish(self) -> None:
        with self._starting:
            was_over, self._is_over = self._is_over, True
        if not was_over:
            exits.forget(self)
            self._over()

    def _break(self, sentence: str, cause: BaseException | None, *futures: TaskFuture) -> None:
        """Fail every future, and these, and take nothing more."""
        self._ledger.close(BrokenProcessPool, sentence)
        for future in (*futures, *self._ledger.give_up()):
            error = BrokenProcessPool(sentence)
            error.__cause__ = cause
            future.end(None, error)

    def _lose(self) -> None:
        """Take nothing more: the job is ending. What it has ends as it ends, the rest is cancelled."""
        sentence = f"{self.job.text} was ended, and its executor takes no more tasks; make a new executor"
        self._ledger.close(BrokenProcessPool, sentence)
        for future in self._ledger.give_up_waiting():
            future.end_cancelled()


def _ranges(indexes: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending indexes as (first, count)."""
    ranges: list[tuple[int, int]] = []
    for index in indexes:
        if ranges and sum(ranges[-1]) == index:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + 1)
        else:
            ranges.append((index, 1))
    return ranges
