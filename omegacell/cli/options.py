"""Arguments and options that several commands share, and how their words are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cli import completion

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
JobId = Annotated[
    str, typer.Argument(metavar="JOB", help="Its id, such as j4711.", autocompletion=completion.jobs)
]
JobIds = Annotated[
    list[str], typer.Argument(metavar="JOB...", help="Ids, such as j4711.", autocompletion=completion.jobs)
]
Machine = Annotated[
    str, typer.Argument(metavar="MACHINE", help="Its name.", autocompletion=completion.machines)
]
Scheduler = Annotated[
    str, typer.Argument(metavar="SCHEDULER", help="Its name.", autocompletion=completion.schedulers)
]
Timeout = Annotated[
    str, typer.Option(help="How long to wait, in seconds or such as 10m; then exit with 124.")
]

# Of what runs: omega run, omega apply.
Cpu = Annotated[str, typer.Option(help="CPUs that it holds.")]
Memory = Annotated[str, typer.Option(help="Memory that it holds, such as 512MiB.")]
Gpu = Annotated[str, typer.Option(help="GPUs that it holds: a share of one such as 0.5, or whole ones.")]
Custom = Annotated[
    list[str] | None, typer.Option(metavar="NAME=AMOUNT", help="What else it holds; may be repeated.")
]
Constraints = Annotated[
    list[str] | None,
    typer.Option("--constraint", help='Where it may run, such as "zone = a"; may be repeated.'),
]
Env = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="For it; may be repeated.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="To find it by; may be repeated.")
]
Kind = Annotated[str, typer.Option(help="Kind of scheduler that places it.", autocompletion=completion.kinds)]
Policy = Annotated[
    str,
    typer.Option(
        help="Placement policy; the scheduler's own if not given.", autocompletion=completion.policies
    ),
]
After = Annotated[
    list[str] | None,
    typer.Option(
        metavar="JOB",
        help="A job that must have succeeded first; may be repeated.",
        autocompletion=completion.jobs,
    ),
]
AfterAny = Annotated[
    list[str] | None,
    typer.Option(
        metavar="JOB",
        help="A job that must have ended first; may be repeated.",
        autocompletion=completion.jobs,
    ),
]


def pairs(written: Sequence[str] | None, option: str) -> dict[str, str]:
    """NAME=VALUE words as a dict; SpecInvalid names the option of one that is none."""
    found = {}
    for one in written or ():
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise SpecInvalid(f"{option} {one!r} has no value; write NAME=VALUE")
        found[name] = value
    return found


def seconds(written: str, option: str) -> float | None:
    """A duration; None where nothing is written."""
    from omegacell.cellstate.units import written_seconds

    return written_seconds(written, option) if written else None


def resources(*, cpu: str, memory: str, gpu: str, custom: Sequence[str] | None) -> dict[str, Any]:
    """The fields of Resources that options gave."""
    from omegacell.cellstate.units import custom_words

    given: dict[str, Any] = {"cpu": cpu, "memory": memory, "gpu": gpu, "custom": custom_words(custom or [])}
    return {name: value for name, value in given.items() if value}
