"""What text a specification may hold: what JSON in PostgreSQL and a process's environment can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from omegacell.cellstate.errors import SpecInvalid


def storable(text: str) -> bool:
    """Whether a specification may hold this text: no NUL, and no bytes of a file's name that are not UTF-8."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def check_text(name: str, value: object) -> None:
    """SpecInvalid for text, anywhere in `value`, that cannot be stored."""
    if isinstance(value, str | Path):
        if not storable(str(value)):
            raise SpecInvalid(
                f"{name}={value!r} has a NUL or is no Unicode; expected text that UTF-8 can write, without NUL"
            )
    elif isinstance(value, Mapping):
        for pair in value.items():
            check_text(name, pair)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for item in value:
            check_text(name, item)


def check_command(owner: str, command: Sequence[str]) -> None:
    """SpecInvalid for a command that is empty or cannot be stored; `owner` says in errors whose it is."""
    if not command or not command[0]:
        raise SpecInvalid(f'command of {owner} is empty; expected for instance ["python", "train.py"]')
    for argument in command:
        if "\0" in argument:
            raise SpecInvalid(f"command of {owner} has the argument {argument!r}; remove the NUL from it")
    check_text("command", command)
