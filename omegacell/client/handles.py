"""A job in the user's hand: wait for it, read what it gave, ask why it waits, end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omegacell.cellstate.errors import NotFound, SpecInvalid
from omegacell.cellstate.model import JobStatus, Outcome, Placement, Preemption
from omegacell.cellstate.store import Store
from omegacell.client import explanation, logs, results
from omegacell.client.ids import job_text, task_text
from omegacell.client.progress import Progress
from omegacell.client.waiting import Pauses


class JobHandle:
    """One job of a cell, from whichever process it was submitted.

    `created` is False where the submission met a job that existed already (same key).
    """

    def __init__(
        self, store: Store, pauses: Pauses, announce: Callable[[str], None], job_id: int, *, created: bool
    ) -> None:
        """Not for callers: Cell makes it."""
        self.store = store
        self._pauses = pauses
        self._announce = announce
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

    def wait(
        self, timeout: float | None = None, progress: bool | Callable[[JobStatus], None] | None = False
    ) -> JobStatus:
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
            if not self._pauses.until(ended, timeout):
                raise TimeoutError(
                    f"job {self.id} ({status.name}) is still {status.state} after {round(timeout or 0, 3):g} s"
                )
        finally:
            if isinstance(show, Progress):
                show.close()
        return status

    def results(self, errors: results.Errors = "raise", timeout: float | None = None) -> list[Any]:
        """What the tasks gave, in index order, once the job has ended: values, or standard output.

        Tasks without a result: "raise" TasksFailed for all of them, "return" their errors in place, or "skip"
        them. Of a command's output the last OMEGA_LOG_TAIL_BYTES are kept.
        """
        results.check_mode(errors)
        status = self.wait(timeout)
        return results.collect(status, self.store.outcomes(self.job_id, final_only=True), errors)

    def result(self, timeout: float | None = None) -> Any:
        """What the only task gave; raises what it raised, with its traceback there as the cause."""
        status = self.wait(timeout)
        if status.task_count != 1:
            raise SpecInvalid(f"job {self.id} has {status.task_count} tasks, expected one; use results()")
        found = next(results.each_task(status, self.store.outcomes(self.job_id, final_only=True)))
        if isinstance(found, results.Failure):
            raise found.error
        return found

    def outcomes(self, *, final_only: bool = True) -> tuple[Outcome, ...]:
        """How tasks ended, by index; with final_only=False every attempt of them."""
        return self.store.outcomes(self.job_id, final_only=final_only)

    def placements(self) -> tuple[Placement, ...]:
        """What the job holds now: where, how much, on which of the machine's devices."""
        return self.store.placements(self.job_id)

    def preemptions(self) -> tuple[Preemption, ...]:
        """What the job took from others and what others took from it, by time; kept until a purge."""
        return self.store.preemptions(self.job_id)

    def explain(self) -> explanation.Explanation:
        """Why the job is where it is: in sentences, and what its scheduler noted at its last attempt.

        Just submitted, it waits up to a second for its scheduler's first attempt.
        """
        return explanation.explain(self.store, self.job_id, self._pauses)

    def logs(self, task: int = 0) -> logs.Logs:
        """The end of what a task wrote, at its last attempt; while it runs only on the host where it runs."""
        count = self.status.task_count
        if not 0 <= task < count:
            raise NotFound(
                f"task {task_text(self.job_id, task)} does not exist; job {self.id} has {count} tasks"
            )
        return logs.read(self.store, self.job_id, task)

    def cancel(self) -> JobStatus:
        """End the job: place nothing more, stop what runs. Returns at once; wait() for the end."""
        status = self.store.cancel(self.job_id)
        self._announce("placements")
        return status

    def __repr__(self) -> str:
        """The id; the state would cost a look into the store."""
        return f"<JobHandle {self.id}>"
