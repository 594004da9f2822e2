"""An executor's job in the store: made with its first tasks, growing, closed at the end."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from omegacell.cellstate.errors import NotFound, SpecInvalid
from omegacell.cellstate.model import JobStatus, Submission
from omegacell.cellstate.spec import Job
from omegacell.cellstate.store import ClientStore
from omegacell.client import pickling
from omegacell.client.dependencies import ordered
from omegacell.client.ids import job_text
from omegacell.client.submitting import submission
from omegacell.executor.calls import Call
from omegacell.executor.remote import Calls

_NOT_HERE = ("command", "commit", "count", "each", "function", "gang_min", "key", "max_running")


def prepared(
    store: ClientStore, fields: Mapping[str, Any], *, max_running: int, lease_seconds: float
) -> Submission:
    """The submission of an executor's job, without tasks and callable. `fields` are those of a Job, name among them."""
    for field in _NOT_HERE:
        if field in fields:
            raise SpecInvalid(
                f"an executor has no {field}; expected fields of a Job such as resources or retries"
            )
    job = Job(function=_no_function, **fields)
    spec, _ = job.compile(lambda function: b"")
    (step,) = ordered([job])
    spec = replace(
        spec,
        task_count=0,
        open=True,
        max_running=max_running,
        after=step.after.ids,
        after_any=step.after_any.ids,
    )
    return replace(submission(store, spec), lease_seconds=lease_seconds, held=job.held)


def _no_function() -> None:
    """In the place of the callable, which is made with the first tasks."""


class OpenJob:
    """Thread-safe. `lease_seconds` is 0 where the tasks outlive the program; `initializer` is pickled, or empty."""

    def __init__(self, store: ClientStore, submission: Submission, *, initializer: bytes) -> None:
        self._store = store
        self._submission = submission
        self._initializer = initializer
        self.name = submission.spec.name
        self.lease_seconds = submission.lease_seconds
        self._making = threading.Lock()
        self._pickles: Mapping[bytes, bytes] = {}
        self._tasks = 0
        self._job_id = 0
        self._closed = False

    @property
    def job_id(self) -> int:
        """Its number, 0 while it is not made."""
        return self._job_id

    @property
    def text(self) -> str:
        """For messages: job j7 (executor)."""
        return f"job {job_text(self._job_id)} ({self.name})" if self._job_id else f"job {self.name}"

    def make(self) -> None:
        """See to it that it is there, without tasks if none were stored before; no effect after close()."""
        with self._making:
            if not self._job_id and not self._closed:
                self._submit(())

    def add(self, calls: Sequence[Call]) -> None:
        """Store these as the next tasks, in this order. For one thread."""
        with self._making:
            if not self._job_id:
                self._submit(calls)
                return
        inputs = [call.input(self._pickles) for call in calls]
        self._store.append(self._job_id, self._tasks, inputs)
        self._tasks += len(calls)

    def close(self) -> None:
        """Let it end with its tasks."""
        with self._making:
            self._closed = True
        if self._job_id:
            with suppress(NotFound):
                self._store.close_job(self._job_id)

    def renew(self) -> bool:
        """Keep its lease; False if it has ended, or is about to."""
        if not self._job_id or not self.lease_seconds:
            return True
        return self._store.renew_job(self._job_id, self.lease_seconds)

    def status(self) -> JobStatus | None:
        """Where it stands; None if it was forgotten."""
        try:
            return self._store.job(self._job_id)
        except NotFound:
            return None

    def _submit(self, calls: Sequence[Call]) -> None:
        """What the first tasks name becomes a part of the job: each process gets it once, not with every task."""
        self._pickles = {one.key: one.data for call in calls for one in call.pickles}
        executor = self._submission.submission_id.hex
        payload = pickling.dump(Calls(executor, self._pickles, self._initializer))
        complete = replace(
            self._submission,
            spec=replace(self._submission.spec, task_count=len(calls), payload=payload),
            inputs=tuple(call.input(self._pickles) for call in calls),
        )
        self._job_id = self._store.submit([complete])[0].job_id
        self._tasks = len(calls)
