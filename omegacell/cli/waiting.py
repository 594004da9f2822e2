"""Waiting for several jobs within one time, and how they ended."""

from __future__ import annotations

import time
from collections.abc import Sequence

import typer

from omegacell.cellstate.model import JobState, JobStatus
from omegacell.cli import failing
from omegacell.client.handles import JobHandle
from omegacell.client.ids import job_text


def wait_all(handles: Sequence[JobHandle], timeout: float | None, *, progress: bool) -> tuple[JobStatus, ...]:
    """Their statuses once all have ended; TimeoutError if that takes longer."""
    until = None if timeout is None else time.monotonic() + timeout
    return tuple(
        handle.wait(None if until is None else max(0.0, until - time.monotonic()), progress=progress)
        for handle in handles
    )


def finish(ended: Sequence[JobStatus], *, as_json: bool) -> None:
    """Say how they ended, unless that was told as JSON, and exit with 1 if one did not succeed."""
    if not as_json:
        for one in ended:
            print(f"{job_text(one.job_id)} {one.state}{': ' + one.reason if one.reason else ''}")
    if any(one.state is not JobState.SUCCEEDED for one in ended):
        raise typer.Exit(failing.FAILED)
