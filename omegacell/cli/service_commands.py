"""Services: apply, services, scale."""

from __future__ import annotations

from typing import Annotated

import typer

from omegacell.cli import completion, options
from omegacell.cli.opening import connect
from omegacell.cli.output import emit


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (apply, services, scale):
        app.command()(command)


def apply(
    *,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE | -- COMMAND...",
            help="YAML or JSON with services (- reads stdin); with --name the command of one.",
        ),
    ],
    name: Annotated[str, typer.Option(help="Of the service whose command follows.")] = "",
    replicas: Annotated[
        int | None, typer.Option(min=0, help="How many to keep running; one if not given.")
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=NUMBER]", help="A port of it, any that is free if no number is given."),
    ] = None,
    health_path: Annotated[str, typer.Option(help="What to GET on its port to ask whether it is well.")] = "",
    health_port: Annotated[str, typer.Option(help="Which of its ports to ask; not needed of one.")] = "",
    namespace: Annotated[str, typer.Option(help="Of its name.")] = "",
    cpu: options.Cpu = "",
    memory: options.Memory = "",
    gpu: options.Gpu = "",
    custom: options.Custom = None,
    constraint: options.Constraints = None,
    env: options.Env = None,
    label: options.Labels = None,
    scheduler: options.Kind = "",
    policy: options.Policy = "",
    priority: Annotated[int | None, typer.Option(help="0 to 1000, higher wins; 100 if not given.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Keep services running, those of a file or one of a command; the same again changes nothing.

    Of a running service only replicas, labels and priority can be changed.
    """
    from omegacell.cli import applying

    given = {
        "replicas": replicas,
        "ports": applying.ports(port or ()),
        "health": applying.health(health_path, health_port),
        "namespace": namespace,
        "resources": options.resources(cpu=cpu, memory=memory, gpu=gpu, custom=custom),
        "constraints": constraint,
        "env": options.pairs(env, "--env"),
        "labels": options.pairs(label, "--label"),
        "scheduler": scheduler,
        "policy": policy,
        "priority": priority,
    }
    # A field that no option speaks of keeps the default of Service.
    fields = {field: value for field, value in given.items() if value or value == 0}
    wanted = applying.of_command(name, what, fields) if name else applying.of_file(what, fields)
    with connect() as cell:
        applied = applying.apply(cell, wanted)
    if as_json:
        emit(applied)
    else:
        applying.show(applied)


def services(as_json: options.AsJson = False) -> None:
    """List services, and where they answer."""
    from omegacell.cli import replies, service_view
    from omegacell.client.ids import job_text

    with connect() as cell:
        found = [replies.service(one, cell.job(job_text(one.job_id)).endpoints()) for one in cell.services()]
    if as_json:
        emit(replies.Services(services=tuple(found)))
    else:
        service_view.show(found)


def scale(
    service: Annotated[
        str,
        typer.Argument(
            metavar="SERVICE", help="Its name, or NAMESPACE/NAME.", autocompletion=completion.services
        ),
    ],
    replicas: Annotated[int, typer.Argument(metavar="N", min=0, help="How many to keep running.")],
    as_json: options.AsJson = False,
) -> None:
    """Change how many replicas of a service are kept running."""
    from omegacell.cli import replies

    namespace, _, name = service.rpartition("/")
    with connect() as cell:
        handle = cell.service(name, namespace=namespace or "default")
        status = handle.scale(replicas)
        found = replies.service(status, handle.endpoints())
    if as_json:
        emit(replies.Services(services=(found,)))
    else:
        print(f"{service} {found.id}: {status.replicas} replicas, {status.placed} placed")
