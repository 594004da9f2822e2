"""The options of a scenario as options of a command: declared once, in bench/sim/options.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from omegacell.bench.sim.options import Options, scenario_of
from omegacell.bench.sim.scenario import Scenario
from omegacell.cellstate.errors import SpecInvalid

_Command = TypeVar("_Command", bound=Callable[..., Any])

Named = Annotated[str, typer.Argument(metavar="[SCENARIO.toml]", help="A scenario of your own.")]
Cell = Annotated[str, typer.Option(help="A scenario of ours: hot, clike or example; hot if none is named.")]
Policy = Annotated[str, typer.Option(help="Of all schedulers: a name, or package.module:Name.")]


def with_options(command: _Command) -> _Command:
    """The command with an option for each field of Options, which it gets as texts in **options."""
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default="",
            annotation=Annotated[str, typer.Option(help=field.description, show_default=False)],
        )
        for name, field in Options.model_fields.items()
    ]
    command.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    return command


def given(options: Mapping[str, str]) -> dict[str, Any]:
    """Those that were written, as values."""
    return {name: value(text) for name, text in options.items() if text}


def value(text: str) -> Any:
    """A number where it is one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def chosen(named: str, cell: str) -> Scenario:
    """The scenario of a file, or one of ours; SpecInvalid for both."""
    if named and cell:
        raise SpecInvalid(f"scenario {named} and --cell {cell} are both given; leave one of them out")
    return scenario_of(Path(named) if named else cell or "hot")
