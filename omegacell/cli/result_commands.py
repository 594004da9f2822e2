"""What tasks gave and wrote: results, logs."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cli import completion, failing, options
from omegacell.cli.opening import connect
from omegacell.cli.output import emit

if TYPE_CHECKING:
    from omegacell.client.cell import Cell
    from omegacell.client.handles import JobHandle


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (results, logs):
        app.command()(command)


def results(
    job_id: options.JobId,
    errors: Annotated[
        Literal["return", "skip"], typer.Option(help="Show tasks that failed, or leave them out.")
    ] = "return",
    timeout: options.Timeout = "",
    as_json: options.AsJson = False,
) -> None:
    """Wait for a job and show what its tasks gave; exit with 1 if one gave no result."""
    from omegacell.cli import replies
    from omegacell.client.ids import task_text
    from omegacell.client.results import each_task

    longest = options.seconds(timeout, "--timeout")
    with connect() as cell:
        handle = cell.job(job_id)
        status = handle.wait(longest, progress=not as_json and sys.stderr.isatty())
        found = [_result(index, one) for index, one in enumerate(each_task(status, handle.outcomes()))]
    shown = [one for one in found if errors == "return" or not one.error]
    if as_json:
        emit(replies.Results(id=handle.id, state=status.state, results=tuple(shown)))
    else:
        for one in shown:
            told = f"error: {one.error}" if one.error else _line(one.value)
            print(f"{task_text(status.job_id, one.task_index)}\t{told}")
    if any(one.error for one in found):
        raise typer.Exit(failing.FAILED)


def logs(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK", help="j4711.7, or j4711 for a job of one task.", autocompletion=completion.jobs
        ),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show what it writes until it has ended.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show the end of what a task wrote, standard output on standard output and standard error on standard error.

    With --follow and --json, a stream: one JSON object a line.
    """
    with connect() as cell:
        handle, task_index = _task(cell, task)
        if follow:
            _follow(handle, task_index, as_json)
        else:
            _show_logs(handle, task_index, as_json)


def _task(cell: Cell, written: str) -> tuple[JobHandle, int]:
    from omegacell.client.ids import parse_task

    job_id, task_index = parse_task(written)
    handle = cell.job(job_id)
    if task_index is None and (count := handle.status.task_count) != 1:
        raise SpecInvalid(f"job {handle.id} has {count} tasks; name one of them, such as {handle.id}.0")
    return handle, task_index or 0


def _show_logs(handle: JobHandle, task_index: int, as_json: bool) -> None:
    from omegacell.cli import replies
    from omegacell.client.ids import task_text

    found = handle.logs(task_index)
    if as_json:
        emit(replies.TaskLogs(id=task_text(handle.job_id, task_index), logs=found))
        return
    sys.stdout.write(found.stdout)
    sys.stderr.write(found.stderr)
    sys.stdout.flush()
    for one in found.missing:
        failing.say(one)


def _follow(handle: JobHandle, task_index: int, as_json: bool) -> None:
    from omegacell.cli import replies
    from omegacell.client.ids import task_text

    pieces: Iterable[tuple[str, bytes]] = handle.logs(task_index, follow=True, say=failing.say)
    sinks = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    # A character may be cut in two between pieces.
    readers = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in sinks}
    for stream, piece in pieces:
        if not as_json:
            sinks[stream].write(piece)
            sinks[stream].flush()
        elif text := readers[stream].decode(piece):
            emit(replies.LogPiece(id=task_text(handle.job_id, task_index), stream=stream, text=text))


def _result(index: int, found: Any) -> Any:
    from omegacell.cli.replies import Result
    from omegacell.client.results import Failure

    if isinstance(found, Failure):
        return Result(task_index=index, value=None, error=f"{type(found.error).__name__}: {found.error}")
    return Result(task_index=index, value=found, error="")


def _line(value: Any) -> str:
    """A result on one line: a command's output as it is if it is one line, else as Python writes it."""
    if isinstance(value, str) and "\n" not in value.rstrip("\n"):
        return value.rstrip("\n")
    return repr(value)
