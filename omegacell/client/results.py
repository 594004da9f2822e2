"""From outcomes to what tasks gave: values, or the errors that stand in their place."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, Literal

from omegacell.cellstate.errors import SpecInvalid, TaskLost, TasksFailed
from omegacell.cellstate.model import AttemptState, JobStatus, Outcome
from omegacell.client.ids import job_text, task_text

Errors = Literal["raise", "return", "skip"]
_MODES = ("raise", "return", "skip")
_NAMED = 5
"""So many failed tasks are named in a message; the rest is counted."""


class RemoteTraceback(Exception):
    """The cause of an exception that a task raised: its traceback there, as text."""

    def __str__(self) -> str:
        """The traceback on lines of its own."""
        return f"\n{self.args[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a task has no result: its final outcome (None if it never ran) and the error that says so."""

    task_index: int
    outcome: Outcome | None
    error: BaseException


def check_mode(errors: str) -> None:
    """SpecInvalid unless `errors` is one of raise, return and skip."""
    if errors not in _MODES:
        raise SpecInvalid(f'errors={errors!r} is unknown; expected "raise", "return" or "skip"')


def not_ended(status: JobStatus, timeout: float | None) -> TimeoutError:
    """The error of a wait that took too long."""
    job = f"job {job_text(status.job_id)} ({status.name})"
    return TimeoutError(f"{job} is still {status.state} after {round(timeout or 0, 3):g} s")


def only(status: JobStatus, outcomes: Callable[[], Iterable[Outcome]]) -> Any:
    """What the only task of an ended job gave; raises its error. SpecInvalid for a job of several."""
    if status.task_count != 1:
        raise SpecInvalid(
            f"job {job_text(status.job_id)} has {status.task_count} tasks, expected one; use results()"
        )
    found = next(each_task(status, outcomes()))
    if isinstance(found, Failure):
        raise found.error
    return found


def collect(status: JobStatus, outcomes: Iterable[Outcome], errors: Errors) -> list[Any]:
    """Results in index order, where tasks without one raise together, stand as errors, or are left out."""
    found = list(each_task(status, outcomes))
    failures = [one for one in found if isinstance(one, Failure)]
    if errors == "raise" and failures:
        raise tasks_failed(status, failures)
    if errors == "skip":
        return [one for one in found if not isinstance(one, Failure)]
    return [one.error if isinstance(one, Failure) else one for one in found]


def each_task(status: JobStatus, outcomes: Iterable[Outcome]) -> Iterator[Any]:
    """For every task of an ended job, in index order, its result or its Failure."""
    final = {one.task_index: one for one in outcomes if one.final}
    for task_index in range(status.task_count):
        outcome = final.get(task_index)
        if outcome is None:
            error = CancelledError(f"task {task_text(status.job_id, task_index)} was cancelled before it ran")
            yield Failure(task_index=task_index, outcome=None, error=error)
        else:
            yield result_of(outcome)


def result_of(outcome: Outcome) -> Any:
    """What one task gave, or its Failure: a callable's value, a command's standard output (its tail)."""
    task = task_text(outcome.job_id, outcome.task_index)
    if outcome.state is AttemptState.SUCCEEDED:
        if not outcome.result:
            return outcome.stdout_tail
        try:
            return pickle.loads(outcome.result)[1]
        except Exception as error:
            unreadable = TasksFailed(
                f"the result of task {task} cannot be read here: {error}; make its type importable",
                (outcome.task_index,),
                (outcome,),
            )
            unreadable.__cause__ = error
            return Failure(task_index=outcome.task_index, outcome=outcome, error=unreadable)
    return Failure(task_index=outcome.task_index, outcome=outcome, error=_error_of(outcome, task))


def tasks_failed(status: JobStatus, failures: Sequence[Failure]) -> TasksFailed:
    """One error for all tasks without a result; the first one's error is its cause."""
    first = failures[0]
    named = ", ".join(str(one.task_index) for one in failures[:_NAMED])
    more = ", ..." if len(failures) > _NAMED else ""
    job = f"job {job_text(status.job_id)} ({status.name})"
    error = TasksFailed(
        f"{len(failures)} of {status.task_count} tasks of {job} gave no result: {named}{more}; "
        f"the first: {_one_line(first.error)}; see omega logs {task_text(status.job_id, first.task_index)}",
        tuple(one.task_index for one in failures),
        tuple(one.outcome for one in failures),
    )
    error.__cause__ = first.error
    return error


def _error_of(outcome: Outcome, task: str) -> BaseException:
    match outcome.state:
        case AttemptState.CANCELLED:
            return CancelledError(f"task {task} was cancelled")
        case AttemptState.LOST:
            return TaskLost(f"task {task} was lost with its machine and may not run again: {outcome.error}")
        case AttemptState.TIMED_OUT:
            return TimeoutError(f"task {task} ran into its timeout")
        case _:
            return _raised(outcome) or _described(outcome, task)


def _raised(outcome: Outcome) -> BaseException | None:
    """The exception that the callable raised, with its traceback there as the cause."""
    if not outcome.result:
        return None
    try:
        kind, error, traceback_text = pickle.loads(outcome.result)
    except Exception:
        return None  # its type does not exist here; the outcome's line of text stands in
    if kind != "error" or not isinstance(error, BaseException):
        return None
    error.__cause__ = RemoteTraceback(traceback_text)
    return error


def _described(outcome: Outcome, task: str) -> TasksFailed:
    said = [outcome.error or outcome.state.value, _last_line(outcome.stderr_tail)]
    message = f"task {task} failed: {': '.join(filter(None, said))}"
    return TasksFailed(message, (outcome.task_index,), (outcome,))


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    named = isinstance(error, TasksFailed | TaskLost | CancelledError | TimeoutError) and text
    return text if named else f"{type(error).__name__}: {text}"
