"""omega submit: the jobs of a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omegacell.cli import options
from omegacell.cli.opening import connect
from omegacell.cli.output import emit

if TYPE_CHECKING:
    from omegacell.cellstate.spec import Job

File = Annotated[
    str, typer.Argument(metavar="FILE", help="YAML or JSON with one job or more; - reads stdin.")
]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(submit)


def submit(
    *,
    file: File,
    hold: Annotated[bool, typer.Option("--hold", help="Place nothing of them before omega release.")] = False,
    after: options.After = None,
    after_any: options.AfterAny = None,
    wait_for: Annotated[
        bool, typer.Option("--wait", help="Wait for the end; exit with 1 if one failed.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Submit the jobs of a file, all or none, and print their ids."""
    from omegacell.cli import replies, waiting

    more: dict[str, Any] = {"after": after or (), "after_any": after_any or (), "held": hold}
    loaded = [_with(job, more) for job in _jobs(file)]
    with connect() as cell:
        handles = cell.submit_many(loaded)
        if not as_json:
            for one in handles:
                print(one.id + ("" if one.created else " (existed already)"), flush=True)
        ended = waiting.wait_all(handles, None, progress=not as_json) if wait_for else ()
    if as_json:
        told = {one.job_id: replies.job(one) for one in ended}
        emit(
            replies.Submitted(
                jobs=tuple(
                    replies.SubmittedJob(id=one.id, created=one.created, ended=told.get(one.job_id))
                    for one in handles
                )
            )
        )
    waiting.finish(ended, as_json=as_json)


def _jobs(file: str) -> list[Job]:
    from pathlib import Path

    from omegacell.client.files import load_jobs, parse_jobs

    return parse_jobs(sys.stdin.read(), "standard input") if file == "-" else load_jobs(Path(file))


def _with(job: Job, more: dict[str, Any]) -> Job:
    """The job, with what the options add to what its file says."""
    return job.model_copy(
        update={
            "after": (*job.after, *more["after"]),
            "after_any": (*job.after_any, *more["after_any"]),
            "held": job.held or more["held"],
        }
    )
