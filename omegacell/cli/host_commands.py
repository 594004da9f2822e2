"""The local cell on this host: up, down, demo."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cli import failing, options
from omegacell.cli.output import emit


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (up, down, demo):
        app.command()(command)


def up(
    *,
    machines: Annotated[int, typer.Option(help="How many to share this host out over.")] = 1,
    scheduler: Annotated[
        list[str] | None, typer.Option(metavar="KIND=N", help="Schedulers of a kind; may be repeated.")
    ] = None,
    cpu: Annotated[str, typer.Option(help="CPUs of each machine; otherwise an even share.")] = "",
    memory: Annotated[str, typer.Option(help="Memory of each machine, such as 4GiB.")] = "",
    gpu: Annotated[
        str,
        typer.Option(help="GPUs of each machine; otherwise the host's, dealt out (OMEGA_GPUS, or found)."),
    ] = "",
    custom: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=AMOUNT", help="What else each machine has; may be repeated."),
    ] = None,
    runtime: Annotated[
        Literal["ray", "process"],
        typer.Option(help="Ray actors, or plain processes (lighter, faster to start)."),
    ] = "ray",
    listen: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS[:PORT]",
            help="Also serve the cell's PostgreSQL there, to whoever reaches it and has the DSN's password.",
        ),
    ] = "",
    foreground: Annotated[bool, typer.Option("--foreground", help="Run until Ctrl-C.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Start a local cell in the background; its data stay where they are from one time to the next."""
    from omegacell.cellstate.settings import Settings
    from omegacell.cellstate.spec import Resources
    from omegacell.cli import cell_replies
    from omegacell.local_cell import state
    from omegacell.local_cell.launch import Keeper
    from omegacell.local_cell.plan import make_plan

    settings = Settings()
    plan = make_plan(
        machines=machines,
        schedulers=_schedulers(scheduler or []),
        machine=Resources(**options.resources(cpu=cpu, memory=memory, gpu=gpu, custom=custom)),
        runtime=runtime,
        data_dir=state.data_dir(settings),
        owner_pid=os.getpid() if foreground else 0,
        settings=settings,
        listen=listen,
    )
    keeper = Keeper(plan, tell=failing.say)
    if as_json:
        emit(cell_replies.Up(pid=keeper.pid, data_dir=str(keeper.data_dir), runtime=runtime, dsn=keeper.dsn))
    else:
        print(
            f"the cell is up: process {keeper.pid}, data in {keeper.data_dir}, DSN {keeper.dsn}", flush=True
        )
    if not foreground:
        keeper.release()
        return
    try:
        code = keeper.wait()
    finally:
        keeper.stop()
    raise typer.Exit(code)


def down(as_json: options.AsJson = False) -> None:
    """Stop the local cell and wait until nothing of it runs; its data stay."""
    from omegacell.cellstate.settings import Settings
    from omegacell.cli import cell_replies
    from omegacell.local_cell import state
    from omegacell.local_cell.launch import stop_running

    settings = Settings()
    stopped = stop_running(settings)
    if as_json:
        emit(cell_replies.Down(stopped=stopped is not None, pid=stopped.pid if stopped is not None else 0))
    elif stopped is None:
        print(f"no cell is running in {state.data_dir(settings)}")
    else:
        print(f"the cell of process {stopped.pid} is down")


def demo(as_json: options.AsJson = False) -> None:
    """Show a cell at work: competing schedulers as Ray actors, on real input, with their figures at the end."""
    from omegacell.demo.show import main

    raise typer.Exit(main(as_json=as_json))


def _schedulers(written: list[str]) -> dict[str, int]:
    from omegacell.local_cell.launch import DEFAULT_SCHEDULERS

    counts = {} if written else dict(DEFAULT_SCHEDULERS)
    for one in written:
        kind, equals, number = one.rpartition("=")
        if not (kind and equals and number.isdecimal()):
            raise SpecInvalid(f"--scheduler {one!r} does not parse; write KIND=N, such as batch=2")
        counts[kind] = int(number)
    return counts
