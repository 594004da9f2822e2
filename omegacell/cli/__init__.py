"""The omega command. One file per group of commands; output.py is how all of them speak, failing.py how they fail."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    from omegacell.cli.app import run

    raise SystemExit(run(arguments))
