"""Functions and their arguments as bytes that another process, elsewhere, can load.

cloudpickle writes a reference where a module can be imported. The user's own modules cannot be imported by a
worker that runs in another directory or on another machine, so they are written by value; the standard
library and what is installed stay references.
"""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType

import cloudpickle

from omegacell.cellstate.errors import SpecInvalid

# cloudpickle's register of modules is one per process: two threads must not undo each other's entries.
_register_lock = threading.RLock()


def dump(value: object) -> bytes:
    """`value` pickled, with what it needs of the user's own modules; SpecInvalid if it does not pickle."""
    with _register_lock, _user_modules_by_value():
        try:
            return bytes(cloudpickle.dumps(value))
        except RecursionError:
            cause = "it is nested too deeply"
        except Exception as error:
            cause = " ".join(str(error).split()) or type(error).__name__
    advice = "pass what it needs as arguments, or open it inside the function"
    raise SpecInvalid(f"{_described(value)} does not pickle: {cause}; {advice}")


def user_modules() -> tuple[ModuleType, ...]:
    """Loaded modules that are neither omegacell's, nor the standard library's, nor installed."""
    loaded = tuple(sys.modules.values())
    return _own_among(_Loaded(loaded))


class _Loaded:
    """Modules as a key: equal while the same ones are loaded."""

    def __init__(self, modules: tuple[ModuleType, ...]) -> None:
        self.modules = modules
        self._ids = tuple(map(id, modules))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Loaded) and self._ids == other._ids

    def __hash__(self) -> int:
        return hash(self._ids)


@lru_cache(maxsize=1)
def _own_among(loaded: _Loaded) -> tuple[ModuleType, ...]:
    """Kept, as thousands of items are pickled one by one and a program has a thousand modules."""
    return tuple(module for module in loaded.modules if _is_users_own(module))


def _is_users_own(module: object) -> bool:
    if not isinstance(module, ModuleType) or module.__name__ == "__main__":
        return False
    if module.__name__ == "omegacell" or module.__name__.startswith("omegacell."):
        return False
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and not _is_installed(file)


@cache
def _is_installed(file: str) -> bool:
    """Whether a module's file is the standard library's or a package's. Asked of every module at every call."""
    path = Path(file)
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    return any(path.is_relative_to(folder) for folder in _STANDARD_LIBRARY)


_STANDARD_LIBRARY = tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})


@contextmanager
def _user_modules_by_value() -> Iterator[None]:
    known = cloudpickle.list_registry_pickle_by_value()
    added = [module for module in user_modules() if module.__name__ not in known]
    # A module may stand in sys.modules under another name than its own; cloudpickle asks by its own.
    added = [module for module in added if sys.modules.get(module.__name__) is module]
    for module in added:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in added:
            cloudpickle.unregister_pickle_by_value(module)


def _described(value: object) -> str:
    name = getattr(value, "__qualname__", None)
    return f"function {name}" if isinstance(name, str) else f"argument {repr(value)[:80]}"
