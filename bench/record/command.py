"""`omega record`: a live cell's history into a file that a scenario replays; added to omega by entry point."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from omegacell.cli import failing, options, output


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReply:
    """omega record: what was written where; since: seconds since the Unix epoch, 0 where all was recorded."""

    file: str
    machines: int
    jobs: int
    tasks: int
    since: float
    recorded_at: float


REPLIES = {"": RecordReply}
"""What --json holds; `omega schema` reads it."""

app = typer.Typer(add_completion=False)


@app.command(name="record")
def record(
    *,
    out: Annotated[
        str, typer.Option(metavar="FILE", help="JSON lines; of gzip as .gz, a Parquet table as .parquet.")
    ],
    since: Annotated[
        str, typer.Option(metavar="DURATION", help="Only jobs submitted so long ago or less, such as 12h.")
    ] = "",
    as_json: options.AsJson = False,
) -> None:
    """Write the cell's machines and jobs to a file, which the simulator takes as a workload and as a cell.

    docs/workloads.md says how. What was purged is not in it.
    """
    from omegacell.bench.record import history, recording
    from omegacell.cellstate.units import written_seconds
    from omegacell.cli.opening import connect

    now = time.time()
    seconds = written_seconds(since, "--since") if since else now
    path = Path(out)
    history.check_writable(path)
    with connect() as cell:
        found = recording.record(cell.store, now=now, since=max(now - seconds, 0.0), say=failing.say)
    history.write(found, path)
    reply = RecordReply(
        file=out,
        machines=len(found.machines),
        jobs=len(found.jobs),
        tasks=sum(job.tasks for job in found.jobs),
        since=found.header.since,
        recorded_at=now,
    )
    if as_json:
        output.emit(reply)
    else:
        print(f"{reply.jobs} jobs of {reply.tasks} tasks and {reply.machines} machines in {out}")
