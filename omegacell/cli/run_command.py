"""omega run: one command in the cell, as if it ran here."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import AttemptState, JobState, Outcome
from omegacell.cellstate.spec import Job, Resources
from omegacell.cli import failing
from omegacell.cli.output import AsJson, emit
from omegacell.client.connecting import connect
from omegacell.client.handles import JobHandle
from omegacell.client.logs import Follower

_NOT_STARTED = 127
"""What shells return for a command that is not there."""
_CANCEL_SECONDS = 10.0


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(context_settings={"ignore_unknown_options": True})(run)


def run(
    *,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.")],
    name: Annotated[str, typer.Option(help="Of the job.")] = "",
    cpu: Annotated[str, typer.Option(help="CPUs that it holds.")] = "1",
    memory: Annotated[str, typer.Option(help="Memory that it holds, such as 512MiB.")] = "0B",
    constraint: Annotated[
        list[str] | None, typer.Option(help='Where it may run, such as "zone = a"; may be repeated.')
    ] = None,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE for it; may be repeated.")] = None,
    scheduler: Annotated[str, typer.Option(help="Kind of scheduler that places it.")] = "batch",
    policy: Annotated[str, typer.Option(help="Placement policy; the scheduler's own if not given.")] = "",
    priority: Annotated[int, typer.Option(help="0 to 1000, higher wins.")] = 100,
    retries: Annotated[int, typer.Option(help="How often it may run again after a failure.")] = 0,
    timeout: Annotated[str, typer.Option(help="For one attempt, such as 10m.")] = "0s",
    as_json: AsJson = False,
) -> None:
    """Run a command in the cell, show what it writes, and exit with its code. Ctrl-C cancels it."""
    job = Job(
        command=command,
        name=name,
        resources=Resources(cpu=cpu, memory=memory),
        constraints=constraint or (),
        env=_variables(env or []),
        scheduler=scheduler,
        policy=policy,
        priority=priority,
        retries=retries,
        timeout=timeout,
    )
    with connect() as cell:
        handle = cell.submit(job)
        follower = Follower(handle.store, handle.job_id, sys.stdout.buffer, sys.stderr.buffer)
        try:
            handle.wait(progress=None if as_json else follower.follow)
        except KeyboardInterrupt:
            handle.cancel()
            with contextlib.suppress(TimeoutError):
                handle.wait(_CANCEL_SECONDS)
            raise
        outcome = handle.outcomes()[-1:]
        if as_json:
            _emit(handle, outcome)
        else:
            follower.finish()
        code = _code(handle, outcome)
    raise typer.Exit(code)


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
    emit(
        id=handle.id,
        state=handle.status.state if last is None else _job_state(last),
        attempt_state="" if last is None else last.state,
        exit_code=-1 if last is None else last.exit_code,
        error="" if last is None else last.error,
        stdout="" if last is None else last.stdout_tail,
        stderr="" if last is None else last.stderr_tail,
    )


def _job_state(last: Outcome) -> JobState:
    match last.state:
        case AttemptState.SUCCEEDED:
            return JobState.SUCCEEDED
        case AttemptState.CANCELLED:
            return JobState.CANCELLED
        case _:
            return JobState.FAILED


def _variables(written: list[str]) -> dict[str, str]:
    variables = {}
    for one in written:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise SpecInvalid(f"--env {one!r} is no variable; write NAME=VALUE")
        variables[name] = value
    return variables
