"""The worker's side of an executor: the one callable of its job, which finds the function that a task is about.

Imported by warm processes, so it needs cloudpickle and the standard library only. What it keeps (functions, and
which executors' initializers ran) belongs to the process, as with the standard library's pools.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from cloudpickle import cloudpickle

_FUNCTIONS_KEPT = 64
"""Per process: a function may hold a model of hundreds of megabytes, and a program may make one per call."""

_PARTS_KEPT = 8
"""Per process, and no fewer than a task has: they are large."""

_functions: OrderedDict[tuple[str, bytes], Callable[..., Any]] = OrderedDict()
_parts: OrderedDict[bytes, Any] = OrderedDict()
_globals_of: dict[tuple[str, str], dict[str, Any]] = {}
_initialized: set[str] = set()


class Part:
    """In arguments, in the place of what many tasks have in common: it unpickles as that."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        """As what stands under the key in the process that loads it."""
        return part, (self.key,)


def part(key: bytes) -> Any:
    """What this process keeps under the key."""
    return _parts[key]


class InitializerFailed(Exception):
    """An executor's initializer raised in this process; the message is what it raised, on one line."""


class Calls:
    """The callable of an executor's job. `pickles` are functions and parts by key; tasks bring others along.

    `executor` is the executor's own name among all, `initializer` the pickled (initializer, initargs) or empty.
    """

    def __init__(self, executor: str, pickles: Mapping[bytes, bytes], initializer: bytes = b"") -> None:
        self.executor = executor
        self.pickles = pickles
        self.initializer = initializer

    def __call__(
        self, key: bytes, pickled: bytes, many: bool, data: bytes, parts: Sequence[tuple[bytes, bytes]]
    ) -> Any:
        """Call the function of `key` with the pickled (args, kwargs); `many`: with each of a list of args.

        `parts`, keys and pickles, are what the arguments refer to. A pickle is empty where the job has it.
        """
        if self.initializer and self.executor not in _initialized:
            self._initialize()
        for part_key, part_pickled in parts:
            self._keep_part(part_key, part_pickled)
        while len(_parts) > max(_PARTS_KEPT, len(parts)):
            _parts.popitem(last=False)
        function = self._function(key, pickled)
        if many:
            return [function(*args) for args in self._load(data)]
        args, kwargs = self._load(data)
        return function(*args, **kwargs)

    def _initialize(self) -> None:
        try:
            initializer, arguments = self._load(self.initializer)
            initializer(*arguments)
        except BaseException as error:
            raise InitializerFailed(f"{type(error).__qualname__}: {' '.join(str(error).split())}") from error
        _initialized.add(self.executor)

    def _function(self, key: bytes, pickled: bytes) -> Callable[..., Any]:
        # Executors share no functions: what one leaves in a function's globals is no concern of another.
        own_key = (self.executor, key)
        known = _functions.get(own_key)
        if known is None:
            known = _functions[own_key] = self._load(pickled or self.pickles[key])
            if len(_functions) > _FUNCTIONS_KEPT:
                _functions.popitem(last=False)
        else:
            _functions.move_to_end(own_key)
        return known

    def _keep_part(self, key: bytes, pickled: bytes) -> None:
        if key not in _parts:
            value = _parts[key] = self._load(pickled or self.pickles[key])
            if hasattr(value, "setflags"):
                value.setflags(write=False)  # other tasks see the same array
        _parts.move_to_end(key)

    def _load(self, pickled: bytes) -> Any:
        # Without an initializer every function has globals of its own, as new as its pickle.
        return _SharedGlobals(pickled, self.executor).load() if self.initializer else pickle.loads(pickled)


class _SharedGlobals(pickle.Unpickler):
    """Gives the functions of a module that were pickled by value one set of globals, as the module has.

    An initializer's `global connection` would otherwise be seen by nobody: cloudpickle makes new globals for every
    pickle. What stands in them stays, also where a later pickle brings the value the submitter has.
    """

    def __init__(self, pickled: bytes, executor: str) -> None:
        super().__init__(io.BytesIO(pickled))
        self._executor = executor

    def find_class(self, module: str, name: str) -> Any:
        """As pickle's, but for the two functions with which cloudpickle makes a function."""
        if module == cloudpickle.__name__ and name == "_make_function":
            return self._make_function
        if module == cloudpickle.__name__ and name == "_function_setstate":
            return _set_state
        return super().find_class(module, name)

    def _make_function(self, code: Any, its_globals: dict[str, Any], *rest: Any) -> Any:
        module = str(its_globals.get("__name__", ""))
        shared = _globals_of.setdefault((self._executor, module), its_globals)
        return cloudpickle._make_function(code, shared, *rest)


def _set_state(function: FunctionType, state: Any) -> None:
    standing = dict(function.__globals__)
    cloudpickle._function_setstate(function, state)
    function.__globals__.update(standing)
