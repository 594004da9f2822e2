"""omega run: one command in the cell, as if it ran here."""

from __future__ import annotations

from typing import Annotated

import typer

from omegacell.cli import options


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(context_settings={"ignore_unknown_options": True})(run)


def run(
    *,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.")],
    name: Annotated[str, typer.Option(help="Of the job.")] = "",
    cpu: options.Cpu = "1",
    memory: options.Memory = "0B",
    gpu: options.Gpu = "0",
    custom: options.Custom = None,
    constraint: options.Constraints = None,
    env: options.Env = None,
    label: options.Labels = None,
    scheduler: options.Kind = "batch",
    policy: options.Policy = "",
    priority: Annotated[int, typer.Option(help="0 to 1000, higher wins.")] = 100,
    non_preemptible: Annotated[
        bool, typer.Option("--non-preemptible", help="No job of higher priority may take its place.")
    ] = False,
    after: options.After = None,
    after_any: options.AfterAny = None,
    retries: Annotated[int, typer.Option(help="How often it may run again after a failure.")] = 0,
    max_lost: Annotated[
        int, typer.Option(help="How often it may run again after it was lost or gave way.")
    ] = 5,
    timeout: Annotated[str, typer.Option(help="For one attempt, in seconds or such as 10m.")] = "0s",
    deadline: Annotated[
        str, typer.Option(help="For all of it, from its submission on; then it has failed.")
    ] = "0s",
    as_json: options.AsJson = False,
) -> None:
    """Run a command in the cell, show what it writes, and exit with its code. Ctrl-C cancels it."""
    from omegacell.cellstate.spec import Job, Resources
    from omegacell.cli import running

    job = Job(
        command=command,
        name=name,
        resources=Resources(**options.resources(cpu=cpu, memory=memory, gpu=gpu, custom=custom)),
        constraints=constraint or (),
        env=options.pairs(env, "--env"),
        labels=options.pairs(label, "--label"),
        scheduler=scheduler,
        policy=policy,
        priority=priority,
        preemptible=not non_preemptible,
        after=after or (),
        after_any=after_any or (),
        retries=retries,
        max_lost=max_lost,
        timeout=options.seconds(timeout, "--timeout") or 0.0,
        deadline=options.seconds(deadline, "--deadline") or 0.0,
    )
    raise typer.Exit(running.run(job, as_json=as_json))
