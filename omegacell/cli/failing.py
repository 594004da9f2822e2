"""How a command fails: one line on standard error, and an exit code that scripts can tell apart."""

from __future__ import annotations

import os
import signal
import sys

import typer
from typer.exceptions import TyperException

from omegacell.cellstate.errors import (
    KeyConflict,
    NotFound,
    OmegaError,
    PolicyError,
    SchemaMismatch,
    SpecInvalid,
    StoreUnavailable,
)

FAILED = 1
USAGE = 2
NOT_FOUND = 3
KEY_CONFLICT = 4
UNAVAILABLE = 5
TIMED_OUT = 124

_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (NotFound, NOT_FOUND),
    (KeyConflict, KEY_CONFLICT),
    (StoreUnavailable, UNAVAILABLE),
    (SchemaMismatch, UNAVAILABLE),
    (SpecInvalid, USAGE),
    (PolicyError, USAGE),
    (OmegaError, FAILED),
    (TimeoutError, TIMED_OUT),
)


class Stopped(BaseException):
    """SIGTERM or SIGHUP has arrived; raised where a command must tidy up before it ends."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Escaped(BaseException):
    """Carries an error past the parser, which would make exit codes of its own of interrupts and broken pipes."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def exit_code(error: BaseException) -> int:
    """The code for what a command raised, after saying so; raises it again if it is a bug of ours."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else FAILED
        case typer.Exit():
            return error.exit_code
        case KeyboardInterrupt() | typer.Abort() | Stopped():
            number = error.number if isinstance(error, Stopped) else signal.SIGINT
            say("interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}")
            return 128 + number
        case BrokenPipeError():
            # The reader has gone (omega jobs | head): what is still buffered has no one to go to.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        case _:
            pass
    if isinstance(error, TyperException):
        return _usage(error)
    for kind, code in _CODES:
        if isinstance(error, kind):
            say(str(error))
            return code
    raise error


def _usage(error: TyperException) -> int:
    """What the command line's parser found, in one sentence; a group without its command has shown its help."""
    context = getattr(error, "ctx", None)
    told = " ".join(error.format_message().split()).removesuffix(".")
    if context is not None and told:
        say(f"{told[:1].lower()}{told[1:]}; see {context.command_path} --help")
    elif told:
        say(told)
    return USAGE


def say(message: str) -> None:
    """One line on standard error."""
    print(f"omega: {' '.join(message.split())}", file=sys.stderr, flush=True)
