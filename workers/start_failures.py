"""Why a task could not start, in one sentence."""

from __future__ import annotations

import os
import shutil

from omegacell.workers.interpreters import WrongPython
from omegacell.workers.ports import PortTaken
from omegacell.workers.runner import Slot


def of_command(slot: Slot, index: int, error: OSError | ValueError) -> str:
    """Of one that should have run a command."""
    task = slot.key._replace(first_index=index)
    program = (*slot.definition.command, "")[0]
    if isinstance(error, UnicodeDecodeError):
        return f"the item of {task} is not UTF-8 text, as a command's must be ({error.reason})"
    if isinstance(error, ValueError):
        return f"an argument or variable of {task} cannot be passed to a process: {error}"
    sentence = _of_surroundings(slot, error)
    if not sentence and error.filename == program:
        sentence = _of_program(slot, program, error)
    return sentence or f"{task} could not start on machine {slot.machine}: {error}"


def of_callable(slot: Slot, index: int, error: OSError | ValueError) -> str:
    """Of one whose process could not be had."""
    task = slot.key._replace(first_index=index)
    return (
        _of_surroundings(slot, error)
        or f"the process for {task} could not start on machine {slot.machine}: {error}"
    )


def _of_surroundings(slot: Slot, error: OSError | ValueError) -> str:
    if isinstance(error, PortTaken | WrongPython):
        return str(error)
    cwd = slot.definition.cwd
    if cwd and not os.path.isdir(cwd):
        return f"working directory {cwd!r} does not exist on machine {slot.machine}; create it or set cwd"
    return ""


def _of_program(slot: Slot, program: str, error: OSError) -> str:
    if not _is_anywhere(slot, program):
        return (
            f"command {program!r} was not found on machine {slot.machine}; give its path or set PATH in env"
        )
    if isinstance(error, PermissionError):
        return f"command {program!r} may not be executed on machine {slot.machine}; check its mode bits"
    return ""


def _is_anywhere(slot: Slot, program: str) -> bool:
    """Whether there is such a file to execute. The kernel's word is not enough.

    With a folder on PATH that this user may not enter, it says "permission denied" of any missing program.
    """
    if "/" in program:
        return os.path.lexists(os.path.join(slot.definition.cwd, program))
    path = slot.definition.env.get("PATH") or os.environ.get("PATH")
    return shutil.which(program, mode=os.F_OK, path=path) is not None
