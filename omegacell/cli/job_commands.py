"""Jobs by their ids: jobs, job, wait, explain, cancel, hold, release, retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from omegacell.cli import options
from omegacell.cli.opening import connect
from omegacell.cli.output import emit

if TYPE_CHECKING:
    from omegacell.cellstate.model import JobStatus
    from omegacell.client.handles import JobHandle


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (jobs, job, wait, explain, cancel, hold, release, retry):
        app.command()(command)


def jobs(
    state: Annotated[list[str] | None, typer.Option(help="Only of this state; may be repeated.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only with this label; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    as_json: options.AsJson = False,
) -> None:
    """List jobs, the newest first."""
    from omegacell.cli import job_view, replies

    labels = options.pairs(label, "--label")
    with connect() as cell:
        found = cell.jobs(state=state or (), labels=labels, limit=limit)
    if as_json:
        emit(replies.jobs(found))
    else:
        job_view.show_jobs(found)


def job(job_id: options.JobId, as_json: options.AsJson = False) -> None:
    """Show one job."""
    from omegacell.cli import job_view

    with connect() as cell:
        found = job_view.look_at(cell, cell.job(job_id))
    if as_json:
        emit(found.told())
    else:
        job_view.show_job(found)


def wait(job_ids: options.JobIds, timeout: options.Timeout = "", as_json: options.AsJson = False) -> None:
    """Wait until jobs have ended; exit with 1 if one did not succeed."""
    from omegacell.cli import replies, waiting

    longest = options.seconds(timeout, "--timeout")
    with connect() as cell:
        ended = waiting.wait_all([cell.job(one) for one in job_ids], longest, progress=not as_json)
    if as_json:
        emit(replies.jobs(ended))
    waiting.finish(ended, as_json=as_json)


def explain(job_id: options.JobId, as_json: options.AsJson = False) -> None:
    """Say why a job is where it is."""
    from omegacell.cli import replies

    with connect() as cell:
        handle = cell.job(job_id)
        found = handle.explain()
    if as_json:
        emit(replies.Explained(id=handle.id, state=found.state, sentences=found.sentences, note=found.note))
    else:
        print(found)


def cancel(job_ids: options.JobIds, as_json: options.AsJson = False) -> None:
    """End jobs: place nothing more, stop what runs."""
    _each(job_ids, lambda handle: handle.cancel(), as_json=as_json)


def hold(job_ids: options.JobIds, as_json: options.AsJson = False) -> None:
    """Place nothing more of jobs until omega release; what is placed runs on."""
    _each(job_ids, lambda handle: handle.hold(), as_json=as_json)


def release(job_ids: options.JobIds, as_json: options.AsJson = False) -> None:
    """Let held jobs be placed again."""
    _each(job_ids, lambda handle: handle.release(), as_json=as_json)


def retry(job_ids: options.JobIds, as_json: options.AsJson = False) -> None:
    """Run the failed tasks of failed jobs again, and what was cancelled with them."""
    _each(job_ids, lambda handle: handle.retry_failed(), as_json=as_json)


def _each(job_ids: list[str], act: Callable[[JobHandle], JobStatus], *, as_json: bool) -> None:
    """Do that to each, once all were found, and show where they stand."""
    from omegacell.cli import job_view, replies

    with connect() as cell:
        handles = [cell.job(one) for one in job_ids]
        found = [act(handle) for handle in handles]
    if as_json:
        emit(replies.jobs(found))
    else:
        for status in found:
            print(job_view.line(status))
