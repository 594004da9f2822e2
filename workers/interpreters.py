"""Which Python runs a callable: the submitter's own where this host has it, else the worker's of the same version.

What one version of Python has pickled another may not be able to load, and what the submitter has installed is in
its own environment.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache

from omegacell.workers.environment import PYTHON, PYTHON_VERSION
from omegacell.workers.short_command import ShortCommand
from omegacell.workers.workplace import Workplace

_OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_PROBE = "import sys, cloudpickle; print('%d.%d' % sys.version_info[:2])"
_PROBE_SECONDS = 10.0
_KNOWN_SECONDS = 60.0
"""A virtual environment that is mended is found so soon; asking again costs 100 ms of a process."""


class WrongPython(OSError):
    """No interpreter here can run it; its text is the sentence."""


class Interpreters:
    """Knows of each interpreter that was asked for whether it can run callables here. Watcher's thread only."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._versions: dict[str, tuple[float, str]] = {}
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def of(self, env: Mapping[str, str], machine: str) -> str | None:
        """The interpreter for a callable that was submitted so; None while that is being found out (`wait`).

        WrongPython where there is none.
        """
        executable = env.get(PYTHON, "")
        wanted = ".".join(env.get(PYTHON_VERSION, "").split(".")[:2])
        version = self._version_of(executable)
        if version is None:
            return None
        return chosen(wanted, executable, version, machine)

    def wait(self, env: Mapping[str, str], known: Callable[[], None]) -> None:
        """Find out, and call back."""
        executable = env.get(PYTHON, "")
        if executable in self._waiting:
            self._waiting[executable].append(known)
            return
        self._waiting[executable] = [known]
        try:
            ShortCommand(
                self._workplace,
                [executable, "-P", "-c", _PROBE],
                env=self._workplace.settings.base_env,
                cwd="/",
                timeout_seconds=_PROBE_SECONDS,
                ended=lambda code, said: self._found(executable, _version_in(said) if code == 0 else ""),
            )
        except (OSError, ValueError):
            self._workplace.watcher.later(0.0, lambda: self._found(executable, ""))

    def _version_of(self, executable: str) -> str | None:
        """Its version, "" if it cannot be used, None if that is not known (any more)."""
        if executable == sys.executable:
            return _OWN_VERSION
        until, version = self._versions.get(executable, (0.0, ""))
        if not executable or time.monotonic() < until:
            return version
        if not os.access(executable, os.X_OK) or os.path.isdir(executable):
            return self._keep(executable, "")
        return self._keep(executable, _OWN_VERSION) if is_own(executable) else None

    def _keep(self, executable: str, version: str) -> str:
        self._versions[executable] = (time.monotonic() + _KNOWN_SECONDS, version)
        return version

    def _found(self, executable: str, version: str) -> None:
        self._keep(executable, version)
        for known in self._waiting.pop(executable):
            known()


def chosen(wanted: str, executable: str, version: str, machine: str) -> str:
    """The interpreter to run, given what the submitter's is here: `version`, "" where it cannot be used.

    `wanted` is the submitter's version, "" where nothing is said. WrongPython where none will do.
    """
    if version and version == wanted and not is_own(executable):
        return executable
    if wanted in {"", _OWN_VERSION}:
        return sys.executable
    raise WrongPython(
        f"it was submitted from Python {wanted} ({executable or 'unknown'}), which machine {machine} does not have "
        f"with cloudpickle, and its worker runs Python {_OWN_VERSION}; install that Python at the same path, or submit "
        f"from Python {_OWN_VERSION}, or ask for a machine with the constraint on its attribute python"
    )


@cache
def is_own(executable: str) -> bool:
    """Whether it is the interpreter that runs this process, in the same environment."""
    if executable == sys.executable:
        return True
    same_folder = os.path.dirname(executable) == os.path.dirname(sys.executable)
    return same_folder and os.path.realpath(executable) == os.path.realpath(sys.executable)


def _version_in(said: str) -> str:
    """The last word: what is imported may have had something to say before."""
    return (said.split() or [""])[-1]
