"""What omega apply is about: the services of a file, or the one of a command."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.spec import Service
from omegacell.cli import replies
from omegacell.client.cell import Cell
from omegacell.client.files import load_services, parse_services


def of_command(name: str, command: Sequence[str], fields: Mapping[str, Any]) -> list[Service]:
    """One service, with those of its fields that options gave."""
    return [Service(name=name, command=command, **fields)]


def of_file(words: Sequence[str], fields: Mapping[str, Any]) -> list[Service]:
    """The services of the file that the words name; SpecInvalid for fields that options gave."""
    if len(words) != 1:
        raise SpecInvalid(
            f"{' '.join(words)!r} is no file; name one, or give the service of a command a --name"
        )
    if fields:
        raise SpecInvalid(
            f"{next(iter(fields))} of a service in a file cannot be given as an option; write it into the file"
        )
    (file,) = words
    if file == "-":
        return parse_services(sys.stdin.read(), "standard input")
    return load_services(Path(file))


def apply(cell: Cell, wanted: Sequence[Service]) -> replies.Applied:
    """Apply the services, one by one."""
    applied = []
    for one in wanted:
        handle = cell.apply(one)
        applied.append(
            replies.AppliedService(
                id=handle.id,
                name=one.name,
                namespace=one.namespace,
                replicas=one.replicas,
                created=handle.created,
            )
        )
    return replies.Applied(services=tuple(applied))


def show(applied: replies.Applied) -> None:
    """A line for each."""
    for service in applied.services:
        print(f"{service.name} {service.id}{'' if service.created else ' (ran already)'}")


def ports(written: Sequence[str]) -> dict[str, int | None]:
    """Ports from NAME and NAME=NUMBER words."""
    found: dict[str, int | None] = {}
    for one in written:
        name, equals, number = one.partition("=")
        if not name or (equals and not number.isdecimal()):
            raise SpecInvalid(f"--port {one!r} does not parse; write NAME, or NAME=NUMBER")
        found[name] = int(number) if equals else None
    return found


def health(path: str, port: str) -> dict[str, str]:
    """A health check by HTTP; nothing where neither is given."""
    return {field: value for field, value in (("path", path), ("port", port)) if value}
