"""The tree of commands as the parser has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from omegacell.cli.app import build


def leaves() -> dict[str, Any]:
    """Every command that can be run, by its words after omega."""
    root = typer.main.get_command(build())
    return dict(_under(root, typer.Context(root), ()))


def with_json() -> set[str]:
    """Those that have --json."""
    return {words for words, command in leaves().items() if _has(command, "--json")}


def _has(command: Any, option: str) -> bool:
    return any(option in parameter.opts for parameter in command.params)


def _under(group: Any, context: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        if hasattr(command, "list_commands"):
            yield from _under(command, context, (*words, name))
        else:
            yield " ".join((*words, name)), command
