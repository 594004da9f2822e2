"""Jobs: submit, jobs, job, wait, results, logs, explain, cancel."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import JobState, JobStatus, Placement, Reservation
from omegacell.cellstate.units import written_seconds
from omegacell.cli import failing
from omegacell.cli.output import AsJson, ago, emit, facts, moment, table
from omegacell.client import preemptions
from omegacell.client import results as client_results
from omegacell.client.connecting import connect
from omegacell.client.files import load_jobs, parse_jobs
from omegacell.client.handles import JobHandle
from omegacell.client.ids import job_text, parse_task, task_text
from omegacell.client.progress import ended_tasks

_LISTED = 20
"""So many tasks' devices fit the view of one job; of more, programs ask handle.placements()."""

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Its id, such as j4711.")]
Timeout = Annotated[
    str, typer.Option(help="How long to wait, in seconds or such as 10m; then exit with 124.")
]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (submit, jobs, job, wait, results, logs, explain, cancel):
        app.command()(command)


def submit(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="YAML or JSON with one job or more; - reads stdin.")
    ],
    wait_for: Annotated[
        bool, typer.Option("--wait", help="Wait for the end; exit with 1 if one failed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Submit the jobs of a file, all or none, and print their ids."""
    loaded = parse_jobs(sys.stdin.read(), "standard input") if file == "-" else load_jobs(Path(file))
    with connect() as cell:
        handles = cell.submit_many(loaded)
        if as_json and not wait_for:
            emit(jobs=[{"id": one.id, "created": one.created} for one in handles])
        elif not as_json:
            for one in handles:
                print(one.id + ("" if one.created else " (existed already)"), flush=True)
        if wait_for:
            _wait_all(handles, None, as_json)


def jobs(
    state: Annotated[list[str] | None, typer.Option(help="Only of this state; may be repeated.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only with NAME=VALUE; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    with connect() as cell:
        found = cell.jobs(state=state or (), labels=_labels(label or []), limit=limit)
    if as_json:
        emit(jobs=[_as_object(one) for one in found])
        return
    table(
        (
            "JOB",
            "NAME",
            "STATE",
            "ENDED",
            "TASKS",
            "FAILED",
            "CANCELLED",
            "SCHEDULER",
            "PRIORITY",
            "SUBMITTED",
        ),
        [
            (
                job_text(one.job_id),
                one.name,
                one.state,
                ended_tasks(one),
                one.task_count,
                one.failed,
                one.cancelled,
                one.scheduler,
                one.priority,
                ago(one.submitted_at),
            )
            for one in found
        ],
        right=("ENDED", "TASKS", "FAILED", "CANCELLED", "PRIORITY"),
    )


def job(job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job."""
    with connect() as cell:
        handle = cell.job(job_id)
        status, preempted = handle.status, handle.preemptions()
        reserved = [one for one in cell.reservations() if one.job_id == status.job_id]
        placed = handle.placements() if 0 < status.placed <= _LISTED else ()
        on_devices = [one for one in placed if one.devices]
        names = {one.machine_id: one.name for one in cell.machines()} if on_devices else {}
    if as_json:
        emit(**_as_object(status), preemptions=preempted, reservations=reserved)
        return
    waiting = status.task_count - status.next_index - status.never_placed
    facts(
        {
            "job": job_text(status.job_id),
            "name": status.name,
            "state": status.state + (", being cancelled" if _cancelling(status) else ""),
            "reason": status.reason,
            "tasks": status.task_count,
            "  succeeded": status.succeeded,
            "  failed": status.failed,
            "  cancelled": status.cancelled,
            "  placed": status.placed,
            "  waiting": waiting,
            "  waiting to run again": status.waiting_retry,
            "  preempted": preemptions.by_job(preemptions.given_to(preempted, status.job_id), "by"),
            "preempted others": preemptions.by_job(preemptions.taken_from(preempted, status.job_id), "of"),
            "reserved": _reserved(reserved),
            "gpus": _devices(on_devices, names),
            "scheduler": status.scheduler,
            "priority": status.priority,
            "labels": ", ".join(f"{name}={value}" for name, value in status.labels.items()),
            "submitted": moment(status.submitted_at),
            "first placed": moment(status.first_placed_at),
            "ended": moment(status.ended_at),
        }
    )


def wait(
    job_ids: Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids, such as j4711.")],
    timeout: Timeout = "",
    as_json: AsJson = False,
) -> None:
    """Wait until jobs have ended; exit with 1 if one did not succeed."""
    longest = _timeout(timeout)
    with connect() as cell:
        _wait_all([cell.job(one) for one in job_ids], longest, as_json)


def results(
    job_id: JobId,
    errors: Annotated[
        Literal["return", "skip"], typer.Option(help="Show tasks that failed, or leave them out.")
    ] = "return",
    timeout: Timeout = "",
    as_json: AsJson = False,
) -> None:
    """Wait for a job and show what its tasks gave; exit with 1 if one gave no result."""
    longest = _timeout(timeout)
    with connect() as cell:
        handle = cell.job(job_id)
        status = handle.wait(longest, progress=not as_json and sys.stderr.isatty())
        found = list(client_results.each_task(status, handle.outcomes()))
    failed = [one for one in found if isinstance(one, client_results.Failure)]
    shown = [_result(index, one) for index, one in enumerate(found)]
    if errors == "skip":
        shown = [one for one in shown if not one["error"]]
    if as_json:
        emit(id=job_text(status.job_id), state=status.state, results=shown)
    else:
        for one in shown:
            where = task_text(status.job_id, one["task_index"])
            print(f"{where}\t{'error: ' + one['error'] if one['error'] else _line(one['value'])}")
    if failed:
        raise typer.Exit(failing.FAILED)


def logs(
    task: Annotated[str, typer.Argument(metavar="TASK", help="j4711.7, or j4711 for a job of one task.")],
    as_json: AsJson = False,
) -> None:
    """Show the end of what a task wrote, standard output on standard output and standard error on standard error."""
    job_id, task_index = parse_task(task)
    with connect() as cell:
        handle = cell.job(job_id)
        if task_index is None and handle.status.task_count != 1:
            count = handle.status.task_count
            raise SpecInvalid(f"job {handle.id} has {count} tasks; name one of them, such as {handle.id}.0")
        found = handle.logs(task_index or 0)
    if as_json:
        emit(id=task_text(found.job_id, found.task_index), logs=found)
        return
    sys.stdout.write(found.stdout)
    sys.stderr.write(found.stderr)
    sys.stdout.flush()
    for one in found.missing:
        failing.say(one)


def explain(job_id: JobId, as_json: AsJson = False) -> None:
    """Say why a job is where it is."""
    with connect() as cell:
        found = cell.job(job_id).explain()
    if as_json:
        emit(id=job_text(found.job_id), state=found.state, sentences=found.sentences, note=found.note)
    else:
        print(found)


def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids, such as j4711.")],
    as_json: AsJson = False,
) -> None:
    """End jobs: place nothing more, stop what runs."""
    with connect() as cell:
        handles = [cell.job(one) for one in job_ids]
        found = [handle.cancel() for handle in handles]
    if as_json:
        emit(jobs=[_as_object(one) for one in found])
        return
    for one in found:
        print(f"{job_text(one.job_id)} {one.state}{', being cancelled' if _cancelling(one) else ''}")


def _wait_all(handles: list[JobHandle], timeout: float | None, as_json: bool) -> None:
    """Wait for each within one time, say how they ended, and exit with 1 if one did not succeed."""
    import time

    until = None if timeout is None else time.monotonic() + timeout
    ended = []
    for handle in handles:
        left = None if until is None else max(0.0, until - time.monotonic())
        ended.append(handle.wait(left, progress=not as_json))
    if as_json:
        emit(jobs=[_as_object(one) for one in ended])
    else:
        for one in ended:
            print(f"{job_text(one.job_id)} {one.state}{': ' + one.reason if one.reason else ''}")
    if any(one.state is not JobState.SUCCEEDED for one in ended):
        raise typer.Exit(failing.FAILED)


def _timeout(written: str) -> float | None:
    return written_seconds(written, "--timeout") if written else None


def _as_object(status: JobStatus) -> dict[str, Any]:
    from dataclasses import asdict

    return {"id": job_text(status.job_id), **asdict(status)}


def _reserved(reserved: Sequence[Reservation]) -> str:
    if not reserved:
        return ""
    return f"{len(reserved)} machines until {moment(max(one.until for one in reserved))}"


def _devices(placed: Sequence[Placement], names: Mapping[int, str]) -> str:
    """Which devices of its machine each task has, such as "j7.0: 0,1 of host-2"."""
    return "; ".join(
        f"{task_text(one.job_id, one.first_index)}: {','.join(map(str, one.devices))} of {names[one.machine_id]}"
        for one in placed
    )


def _cancelling(status: JobStatus) -> bool:
    return status.cancel_requested and not status.state.final


def _labels(written: list[str]) -> dict[str, str]:
    for one in written:
        if "=" not in one:
            raise SpecInvalid(f"label {one!r} has no value; write NAME=VALUE")
    return dict(tuple(one.split("=", 1)) for one in written)  # type: ignore[misc]  # split by one = gives pairs


def _result(index: int, found: Any) -> dict[str, Any]:
    if isinstance(found, client_results.Failure):
        return {"task_index": index, "value": None, "error": f"{type(found.error).__name__}: {found.error}"}
    return {"task_index": index, "value": found, "error": ""}


def _line(value: Any) -> str:
    """A result on one line: a command's output as it is if it is one line, else as Python writes it."""
    if isinstance(value, str) and "\n" not in value.rstrip("\n"):
        return value.rstrip("\n")
    return repr(value)
