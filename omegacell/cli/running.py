"""A command in the cell as if it ran here: what it writes, its exit code, and signals that cancel it."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator

from omegacell.cellstate.model import AttemptState, JobState, JobStatus, Outcome
from omegacell.cellstate.spec import Job
from omegacell.cli import failing, replies
from omegacell.cli.opening import connect
from omegacell.cli.output import emit
from omegacell.client.following import Follower
from omegacell.client.handles import JobHandle

_NOT_STARTED = 127
"""What shells return for a command that is not there."""
_CANCEL_SECONDS = 10.0
_PATIENCE_SECONDS = 3.0
"""So long a job may wait for its place before the user is told why."""


def run(job: Job, *, as_json: bool) -> int:
    """Submit it, show what it writes or tell it as JSON in the end; its exit code."""
    with connect() as cell, _signals_raised():
        handle = cell.submit(job)
        explainer = _Explainer(handle)
        follower = Follower(
            handle.store,
            handle.job_id,
            sys.stdout.buffer,
            sys.stderr.buffer,
            failing.say,
            announce=cell.announce,
            pauses=cell.pauses,
        )

        def look(status: JobStatus) -> None:
            explainer.look(status)
            if not as_json:
                follower.follow(status)

        try:
            handle.wait(progress=look)
        except (KeyboardInterrupt, failing.Stopped, BrokenPipeError):
            handle.cancel()
            with contextlib.suppress(TimeoutError):
                handle.wait(_CANCEL_SECONDS)
            raise
        outcome = handle.outcomes()[-1:]
        if as_json:
            _emit(handle, outcome)
        else:
            follower.finish()
        return _code(handle, outcome)


class _Explainer:
    """Says once why a job is not placed, when that takes long."""

    def __init__(self, handle: JobHandle) -> None:
        self._handle = handle
        self._due = time.monotonic() + _PATIENCE_SECONDS

    def look(self, status: JobStatus) -> None:
        """Say it if it is time to."""
        if status.first_placed_at > 0 or status.state.final or time.monotonic() < self._due:
            return
        self._due = float("inf")
        for sentence in (*self._handle.explain().sentences, "Ctrl-C cancels"):
            failing.say(sentence)


@contextlib.contextmanager
def _signals_raised() -> Iterator[None]:
    """SIGTERM and SIGHUP raise failing.Stopped meanwhile, unless they are ignored (nohup)."""

    def stop(number: int, _frame: object) -> None:
        raise failing.Stopped(number)

    numbers = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]
    earlier = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _code(handle: JobHandle, outcome: tuple[Outcome, ...]) -> int:
    """The command's own code; where it has none, the one that a shell would give, and a line that says why."""
    if not outcome:
        failing.say(f"job {handle.id} was {handle.status.state} before it ran")
        return failing.FAILED
    last = outcome[0]
    if last.state is AttemptState.SUCCEEDED:
        return 0
    if last.state is AttemptState.FAILED and last.exit_code > 0:
        return last.exit_code
    failing.say(f"job {handle.id} {last.state}: {last.error or 'no reason is known'}")
    match last.state:
        case AttemptState.START_FAILED:
            return _NOT_STARTED
        case AttemptState.TIMED_OUT:
            return failing.TIMED_OUT
        case _:
            return failing.FAILED


def _emit(handle: JobHandle, outcome: tuple[Outcome, ...]) -> None:
    last = outcome[0] if outcome else None
    written = None if last is None else handle.logs()
    for missing in () if written is None else written.missing:
        failing.say(missing)
    emit(
        replies.Run(
            id=handle.id,
            state=handle.status.state if last is None else _job_state(last),
            attempt_state="" if last is None else last.state,
            exit_code=-1 if last is None else last.exit_code,
            error="" if last is None else last.error,
            stdout="" if written is None else written.stdout,
            stderr="" if written is None else written.stderr,
        )
    )


def _job_state(last: Outcome) -> JobState:
    match last.state:
        case AttemptState.SUCCEEDED:
            return JobState.SUCCEEDED
        case AttemptState.CANCELLED:
            return JobState.CANCELLED
        case _:
            return JobState.FAILED
