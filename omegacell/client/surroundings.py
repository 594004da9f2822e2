"""What a task inherits from where it was submitted: the directory, PATH, the virtual environment."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

from omegacell.cellstate.model import JobSpec, TaskKind
from omegacell.cellstate.spec import storable

_INHERITED = ("PATH", "VIRTUAL_ENV")
_INSTALLED = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}


def with_surroundings(spec: JobSpec) -> JobSpec:
    """The specification with this process's surroundings, for what it does not name itself.

    Callables also get OMEGA_SYS_PATH, the user's own part of sys.path, for imports inside the function, and
    OMEGA_PYTHON and OMEGA_PYTHON_VERSION: what was pickled here another version of Python may not be able to load.
    """
    found = {name: os.environ[name] for name in _INHERITED if os.environ.get(name)}
    if directory := _directory():
        found["PWD"] = directory
    if spec.kind is TaskKind.FUNCTION:
        found["OMEGA_SYS_PATH"] = os.pathsep.join(filter(storable, user_paths()))
        found["OMEGA_PYTHON"] = sys.executable
        found["OMEGA_PYTHON_VERSION"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    return replace(spec, surroundings={name: value for name, value in found.items() if storable(value)})


def _directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # removed while this process is in it: the worker's own will do
        return ""


def user_paths() -> list[str]:
    """Absolute entries of sys.path that are neither the standard library's nor site-packages, in order."""
    entries = [Path(entry or _directory()).absolute() for entry in sys.path]
    own = [
        entry
        for entry in entries
        if not {"site-packages", "dist-packages"} & set(entry.parts)
        and not any(entry == folder or folder in entry.parents for folder in _INSTALLED)
        and entry.is_dir()
    ]
    return list(dict.fromkeys(map(str, own)))
