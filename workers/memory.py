"""What keeps a task within the memory that it asked for: a control group, else the limits of each process.

The process is not started and then confined: what it did in between would not count. A shell takes the
limits on itself and becomes the task.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum

from omegacell.cellstate.units import bytes_text
from omegacell.workers.cgroups import AgentGroups, Group, Place
from omegacell.workers.guard import Guard
from omegacell.workers.watcher import Watcher

log = logging.getLogger(__name__)

_SHELL = "/bin/sh"
_JOIN = 'echo 0 > "$0/cgroup.procs" && exec "$@"'
_LIMIT = 'ulimit -d "$0" && exec "$@"'
"""Data, not address space: programs reserve far more of that than they ever use."""
_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_REMOVAL_TRIES = 100
_REMOVAL_SECONDS = 0.02
"""A killed process takes a moment to be gone; its group can be removed only then."""


class Isolation(StrEnum):
    """How memory is enforced here, advertised as the attribute `isolation` of each machine."""

    CGROUP = "cgroup"
    RLIMIT = "rlimit"
    NONE = "none"


def isolation_of(place: Place | None) -> Isolation:
    """The level that is reached where groups can be made there, or nowhere."""
    if not sys.platform.startswith("linux"):
        return Isolation.NONE
    return Isolation.RLIMIT if place is None else Isolation.CGROUP


def out_of_memory(memory_bytes: int) -> str:
    """The sentence of a task that the kernel has killed."""
    return f"used more than its memory of {bytes_text(memory_bytes)} (out-of-memory kill)"


class MemoryLimits:
    """Confines processes of one agent. Watcher's thread only, but for close()."""

    def __init__(self, watcher: Watcher, guard: Guard, place: Place | None) -> None:
        self._watcher = watcher
        self._guard = guard
        self._groups = None if place is None else AgentGroups(place)
        self._level = isolation_of(place)

    def group(self, memory_bytes: int) -> Group | None:
        """A group for one process with this limit; None where that has to do without."""
        if not memory_bytes or self._groups is None:
            return None
        try:
            made = self._groups.new(memory_bytes)
            if self._groups.count == 1:
                self._guard.remove_at_end(made.path.parent)
            return made
        except OSError as error:
            log.warning("a control group could not be made, limits of the process do instead: %s", error)
            return None

    def confined(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        memory_bytes: int,
        group: Group | None,
    ) -> Sequence[str]:
        """The command that becomes this one in its group or within its limits. OSError as if it could not start."""
        if not memory_bytes or self._level is Isolation.NONE:
            return arguments
        _check_program(arguments[0], env, cwd)
        # A shell passes on only what could be a variable of its own.
        odd = [f"{name}={value}" for name, value in env.items() if not _SHELL_NAME.fullmatch(name)]
        command = ["/usr/bin/env", *odd, *arguments] if odd else arguments
        if group is not None:
            return [_SHELL, "-c", _JOIN, str(group.path), *command]
        return [_SHELL, "-c", _LIMIT, str(max(1, memory_bytes // 1024)), *command]

    def release(self, group: Group, tries: int = _REMOVAL_TRIES) -> None:
        """Its process has ended: what that left behind goes too, then the group."""
        if not group.remove() and tries > 1:
            self._watcher.later(_REMOVAL_SECONDS, lambda: self.release(group, tries - 1))

    def close(self) -> None:
        """Remove all groups; after the watcher's thread has ended."""
        if self._groups is not None:
            self._groups.close()


def _check_program(program: str, env: Mapping[str, str], cwd: str) -> None:
    """Raise what starting the program itself would raise: the shell would only say 127."""
    if "/" in program:
        path = os.path.join(cwd, program)
        there, allowed = os.path.exists(path), os.access(path, os.X_OK) and not os.path.isdir(path)
    else:
        where = env.get("PATH", os.defpath)
        there = shutil.which(program, mode=os.F_OK, path=where) is not None
        allowed = shutil.which(program, path=where) is not None
    if not there:
        raise FileNotFoundError(2, "No such file or directory", program)
    if not allowed:
        raise PermissionError(13, "Permission denied", program)
