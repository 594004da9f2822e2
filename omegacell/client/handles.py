"""A job in the user's hand: wait for it, read what it gave, ask why it waits, change it, end it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, overload

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import (
    Dependency,
    Endpoint,
    JobSpec,
    JobStatus,
    Outcome,
    Placement,
    Preemption,
)
from omegacell.cellstate.store import Store
from omegacell.client import explanation, following, logs, results
from omegacell.client.ids import job_text, task_text
from omegacell.client.log_source import LogReader
from omegacell.client.progress import Progress
from omegacell.client.waiting import Pauses
from omegacell.client.watcher import Watcher
from omegacell.client.written import as_ranges, check_count

Show = bool | Callable[[JobStatus], None] | None
"""Whether and how a job's progress is shown: a bar on standard error, or a function called with every status."""


def _unheard(message: str) -> None:
    """What becomes of remarks that nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What handles share of their cell: the store, hints to others, and the two ways to wait."""

    store: Store
    pauses: Pauses
    announce: Callable[[str], None]
    watcher: Watcher


class JobHandle:
    """One job of a cell, from whichever process it was submitted.

    `created` is False where the submission met a job that existed already (same key).
    """

    def __init__(self, link: Link, job_id: int, *, created: bool) -> None:
        """Not for callers: Cell makes it."""
        self._link = link
        self.store = link.store
        self.job_id = job_id
        self.created = created

    @property
    def id(self) -> str:
        """As people write it: j4711."""
        return job_text(self.job_id)

    @property
    def status(self) -> JobStatus:
        """Where the job stands now."""
        return self.store.job(self.job_id)

    def specification(self) -> JobSpec:
        """What was submitted, as altered since."""
        return self.store.specification(self.job_id)

    def dependencies(self) -> tuple[Dependency, ...]:
        """The jobs that it still waits for, by id."""
        return self.store.dependencies(self.job_id)

    # Its end, and what it gave

    def wait(self, timeout: float | None = None, progress: Show = False) -> JobStatus:
        """The status once the job has ended; never raises for failed tasks.

        TimeoutError after `timeout` seconds. `progress` shows a bar on standard error, or is called with
        every status seen.
        """
        status = self.status
        show = progress if callable(progress) else (Progress(status) if progress else None)

        def ended() -> bool:
            nonlocal status
            status = self.store.job(self.job_id)
            if show is not None:
                show(status)
            return status.state.final

        try:
            if not self._link.pauses.until(ended, timeout):
                raise results.not_ended(status, timeout)
        finally:
            if isinstance(show, Progress):
                show.close()
        return status

    def __await__(self) -> Generator[Any, None, JobStatus]:
        """wait(), without blocking the running event loop; thousands of handles are waited for by one thread."""
        return asyncio.wrap_future(self.ending()).__await__()

    def ending(self, seen: Callable[[JobStatus], None] | None = None) -> Future[JobStatus]:
        """A future of the status once the job has ended; see Watcher.watch."""
        return self._link.watcher.watch(self.job_id, seen)

    def results(self, errors: results.Errors = "raise", timeout: float | None = None) -> list[Any]:
        """What the tasks gave, in index order, once the job has ended: values, or standard output.

        Tasks without a result: "raise" TasksFailed for all of them, "return" their errors in place, or "skip"
        them. Of a command's output the last OMEGA_LOG_TAIL_BYTES are kept.
        """
        results.check_mode(errors)
        return results.collect(self.wait(timeout), self.outcomes(), errors)

    def result(self, timeout: float | None = None) -> Any:
        """What the only task gave; raises what it raised, with its traceback there as the cause."""
        return results.only(self.wait(timeout), self.outcomes)

    def outcomes(self, *, final_only: bool = True) -> tuple[Outcome, ...]:
        """How tasks ended, by index; with final_only=False every attempt of them."""
        return self.store.outcomes(self.job_id, final_only=final_only)

    # Where it is, and why

    def placements(self) -> tuple[Placement, ...]:
        """What the job holds now: where, how much, on which of the machine's devices."""
        return self.store.placements(self.job_id)

    def endpoints(self, timeout: float = 0.0) -> tuple[Endpoint, ...]:
        """Where the ports of its running replicas answer, by task and name.

        Those there are now; with `timeout`, waits until every replica answers on all its ports, and raises
        TimeoutError if one does not within so many seconds.
        """
        ports = len(self.specification().ports) if timeout > 0 else 0
        if ports and not self._link.pauses.until(lambda: self._all_answer(ports), timeout):
            found = len(self.store.endpoints(self.job_id))
            raise TimeoutError(
                f"service {self.id} ({self.status.name}) has {found} of {self.status.replicas * ports} endpoints after "
                f"{timeout:g} s; omega explain {self.id} says why"
            )
        return self.store.endpoints(self.job_id)

    def _all_answer(self, ports: int) -> bool:
        status = self.status
        wanted = status.replicas if status.service else status.task_count
        return status.state.final or len(self.store.endpoints(self.job_id)) >= wanted * ports

    def preemptions(self) -> tuple[Preemption, ...]:
        """What the job took from others and what others took from it, by time; kept until a purge."""
        return self.store.preemptions(self.job_id)

    def explain(self) -> explanation.Explanation:
        """Why the job is where it is: in sentences, and what its scheduler noted at its last attempt.

        Just submitted, it waits up to a second for its scheduler's first attempt.
        """
        return explanation.explain(self.store, self.job_id, self._link.pauses)

    @overload
    def logs(self, task: int = 0, follow: Literal[False] = False) -> logs.Logs: ...

    @overload
    def logs(
        self, task: int = 0, *, follow: Literal[True], say: Callable[[str], None] = _unheard
    ) -> Iterator[following.Piece]: ...

    @overload
    def logs(self, task: int, follow: Literal[True]) -> Iterator[following.Piece]: ...

    def logs(
        self, task: int = 0, follow: bool = False, *, say: Callable[[str], None] = _unheard
    ) -> logs.Logs | Iterator[following.Piece]:
        """The end of what a task wrote at its running or last attempt, from whichever host it runs on.

        follow=True: (stream, bytes) from the attempt's beginning on, until the task has ended; `say` is told of
        attempts that are followed by another, and of output that is not there.
        """
        self.check_task(task)
        if follow:
            return following.follow(self.log_reader, self.job_id, task, say)
        return logs.read(self.log_reader, self.job_id, task)

    @property
    def log_reader(self) -> LogReader:
        """What reads the logs of its tasks."""
        return LogReader(store=self.store, pauses=self._link.pauses, announce=self._link.announce)

    def check_task(self, task: int) -> None:
        """NotFound unless the job has a task of that index."""
        count = self.status.task_count
        if not 0 <= task < count:
            raise NotFound(
                f"task {task_text(self.job_id, task)} does not exist; job {self.id} has {count} tasks"
            )

    # What may be changed

    def cancel(self, tasks: int | Iterable[int] | None = None) -> JobStatus:
        """End the job: place nothing more, stop what runs. Returns at once; wait() for the end.

        With `tasks` (indexes), only those of them that are not placed and have not ended.
        """
        if tasks is None:
            status = self.store.cancel(self.job_id)
            self._link.announce("placements")
            return status
        self.store.cancel_tasks(self.job_id, as_ranges(tasks))
        return self.status

    def hold(self) -> JobStatus:
        """Place nothing more of it until release(); what is placed runs on."""
        return self.store.hold(self.job_id)

    def release(self) -> JobStatus:
        """Let it be placed again after hold()."""
        return self._announced(self.store.release(self.job_id))

    def retry_failed(self) -> JobStatus:
        """Run again the tasks without a result of a job that has failed, with budgets like new."""
        return self._announced(self.store.retry_failed(self.job_id))

    def scale(self, replicas: int) -> JobStatus:
        """Have so many replicas of a service from now on; those of the highest indexes end first."""
        check_count("replicas", replicas, "replicas")
        return self._announced(self.store.alter(self.job_id, replicas=replicas))

    def _announced(self, status: JobStatus) -> JobStatus:
        """Wake schedulers, for there may be work, and workers, for something may have to stop."""
        self._link.announce("jobs")
        self._link.announce("placements")
        return status

    def __repr__(self) -> str:
        """The id; the state would cost a look into the store."""
        return f"<JobHandle {self.id}>"
