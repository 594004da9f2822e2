"""A command kept running in replicas: its ports, and how its health is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from omegacell.cellstate.edge import Edge
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import NO_HEALTH, Health, JobSpec, TaskKind
from omegacell.cellstate.spec.job import MOST_TASKS
from omegacell.cellstate.spec.placed import Duration, Placed, Text, seconds
from omegacell.cellstate.spec.text import check_command
from omegacell.cellstate.units import parse_seconds

_PORT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PATH = re.compile(r"/[!-~]*", re.ASCII)


class HealthCheck(Edge):
    """How a replica is asked whether it is well: a command (exit code 0), or HTTP GET of a path on one of its ports.

    Asked every `interval` and given `timeout` for a good answer (HTTP: status 200 to 399); `failures` bad ones in a
    row end the replica, which then runs again, but not before it has run for `start`. port: the name of one of the
    service's ports; may be left out where it has one only.
    """

    model_config = ConfigDict(title="health")

    command: Sequence[str] = ()
    port: str = ""
    path: str = ""
    interval: Annotated[Duration, seconds("health.interval")] = 5.0
    timeout: Annotated[Duration, seconds("health.timeout")] = 2.0
    failures: Annotated[int, Field(ge=1, le=1000)] = 3
    start: Annotated[Duration, seconds("health.start")] = 10.0

    @model_validator(mode="after")
    def _check(self) -> HealthCheck:
        by_http = bool(self.port or self.path)
        if by_http == bool(self.command):
            raise SpecInvalid(
                f"health has {'both a command and HTTP' if by_http else 'nothing to ask'}; give it either "
                'command=["./check"], or port="http" and path="/healthz"'
            )
        if self.command:
            check_command("health", self.command)
        if self.path and not _PATH.fullmatch(self.path):
            raise SpecInvalid(f"path={self.path!r} of health is no path; expected for instance /healthz")
        for name in ("interval", "timeout"):
            if parse_seconds(getattr(self, name), name) == 0:
                raise SpecInvalid(f"{name}=0 of health leaves no time; give it more, or leave it out")
        return self

    def compile(self, ports: Sequence[str], owner: str) -> Health:
        """The check on a service with these ports; SpecInvalid where it does not have the one that is to be asked."""
        port = self.port
        if not self.command and not port:
            if len(ports) != 1:
                raise SpecInvalid(
                    f"health of {owner} names no port, and it has {len(ports)}; "
                    'give it ports={"http": None}, and health the port="http" to ask'
                )
            (port,) = ports
        if port and port not in ports:
            raise SpecInvalid(
                f"port={port!r} of health is none of {owner}; expected one of {', '.join(ports) or 'its ports'}"
            )
        return Health(
            command=tuple(self.command),
            http_port=port,
            http_path=self.path or "/",
            interval_seconds=parse_seconds(self.interval, "interval"),
            timeout_seconds=parse_seconds(self.timeout, "timeout"),
            failures=self.failures,
            start_seconds=parse_seconds(self.start, "start"),
        )


class Service(Placed):
    """A command kept running in so many replicas, spread over machines; it runs again whenever it ends.

    ports: names of what each replica listens on, with a number or None for any that is free; it finds the number
    in OMEGA_PORT_<NAME>. health: see HealthCheck.
    """

    name: Text
    command: Sequence[str]
    replicas: Annotated[int, Field(ge=0, le=MOST_TASKS)] = 1
    ports: Mapping[str, int | None] = Field(default_factory=dict)
    health: HealthCheck | None = None
    spread: str = "machine"
    scheduler: Text = "service"

    @model_validator(mode="after")
    def _check_service(self) -> Service:
        check_command(f"service {self.name!r}", self.command)
        self.compile()
        return self

    def compile(self) -> JobSpec:
        """The specification of the job that carries the service; its tasks are the replicas."""
        ports = parse_ports(self.ports)
        names = [name for name, _ in ports]
        return JobSpec(
            name=self.name,
            kind=TaskKind.COMMAND,
            task_count=self.replicas,
            command=tuple(self.command),
            scheduler=self.scheduler,
            service=True,
            ports=ports,
            health=NO_HEALTH if self.health is None else self.health.compile(names, f"service {self.name!r}"),
            **self.shared(),
        )


def parse_ports(written: Mapping[str, int | None]) -> tuple[tuple[str, int], ...]:
    """(name, number) by name, 0 for any that is free, from {"http": None, "admin": 8081}."""
    variables: dict[str, str] = {}
    for name, number in written.items():
        if not _PORT_NAME.fullmatch(name):
            raise SpecInvalid(
                f"ports={name!r} is no name of a port; expected letters, digits and _ such as http"
            )
        if (twin := variables.setdefault(name.upper(), name)) != name:
            raise SpecInvalid(
                f"ports {twin!r} and {name!r} would both be OMEGA_PORT_{name.upper()}; rename one"
            )
        if number is not None and not 0 <= number <= 65535:
            raise SpecInvalid(
                f"ports[{name!r}]={number} is no port; expected 1 to 65535, or None for any that is free"
            )
    fixed = [number for number in written.values() if number]
    if len(set(fixed)) < len(fixed):
        raise SpecInvalid(f"ports={dict(written)} has a number twice; give each port its own")
    return tuple(sorted((name, number or 0) for name, number in written.items()))
