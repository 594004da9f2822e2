"""What the tasks of an executor's job are made of: functions pickled once, arguments, and the inputs that name both."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from omegacell.client import pickling

_FUNCTIONS_KEPT = 16
"""So many functions' pickles are kept; a program rarely has more at a time, and each keeps what it names alive."""
_FUNCTIONS_LOOKED_AT = 64
"""Of a function's own module, those it leads to are looked at for what they name, this many at most."""
_REFERENCE = b"\x93"
"""STACK_GLOBAL, the opcode by which a pickle refers to a module."""


@dataclass(frozen=True, slots=True)
class Pickle:
    """A pickled function, or another object of many tasks, and the digest by which tasks name it."""

    key: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One task: the pickled (args, kwargs) for a function, or if `many` a pickled list of args; `parts` of them."""

    function: Pickle
    many: bool
    data: bytes
    parts: Sequence[Pickle] = ()

    def input(self, known: Collection[bytes]) -> bytes:
        """The task's input; it brings along what the job does not have (keys of what that has are `known`)."""
        function, *parts = ((one.key, b"" if one.key in known else one.data) for one in self.pickles)
        return pickle.dumps(((*function, self.many, self.data, parts), {}), 5)

    @property
    def pickles(self) -> tuple[Pickle, ...]:
        """The function, and then the parts."""
        return (self.function, *self.parts)

    @property
    def size(self) -> int:
        """About how many bytes its input has at most."""
        return len(self.data) + sum(len(one.data) for one in self.pickles)


def call(
    function: Pickle, args: Sequence[Any], kwargs: Mapping[str, Any], parts: Sequence[Pickle] = ()
) -> Call:
    """A call of the function; SpecInvalid if the arguments do not pickle."""
    return Call(function, False, dump((args, kwargs)), parts)


def chunk_call(function: Pickle, chunk: Sequence[Sequence[Any]]) -> Call:
    """A task that calls the function with each of these args."""
    return Call(function, True, dump(chunk))


def pickled(value: object) -> Pickle:
    """What many tasks name by a key; SpecInvalid if it does not pickle."""
    data = pickling.dump(value)
    return Pickle(hashlib.sha256(data).digest()[:16], data)


def dump(value: object) -> bytes:
    """As pickling.dump, and twenty times faster for numbers, texts and lists of them: what refers to no module."""
    try:
        pickled = pickle.dumps(value, 5)
    except Exception:
        return pickling.dump(value)
    # The opcode's byte may also be data; then it takes the slow way for nothing.
    return pickling.dump(value) if _REFERENCE in pickled else pickled


class Functions:
    """Pickles of functions: each is made once, and again when a name in it stands for another object. Thread-safe.

    As in a forked pool, what is changed in place after the first submission is not seen.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Callable[..., Any], tuple[Pickle, list[object]]] = OrderedDict()

    def pickled(self, function: Callable[..., Any]) -> Pickle:
        """The function as tasks name it; SpecInvalid if it does not pickle."""
        if not _unchanging(function):
            return pickled(function)
        with self._lock:
            known, stood_for = self._kept.get(function, (None, []))
        if known is not None and (not stood_for or _same(stood_for, _named_by(function))):
            return known
        made = pickled(function)
        by_value = b"_make_function" in made.data
        with self._lock:
            self._kept[function] = made, list(_named_by(function)) if by_value else []
            if len(self._kept) > _FUNCTIONS_KEPT:
                self._kept.popitem(last=False)
        return made

    def clear(self) -> None:
        """Let go of what is kept."""
        with self._lock:
            self._kept.clear()


def _unchanging(function: Callable[..., Any]) -> bool:
    """Whether it has no state of its own, as a bound method or a partial has."""
    if isinstance(function, BuiltinFunctionType):
        return isinstance(function.__self__, ModuleType)
    return isinstance(function, FunctionType | type)


def _same(one: Sequence[object], other: Iterator[object]) -> bool:
    pairs = zip(one, other, strict=False)  # of unequal length only where one of the earlier differs
    return all(mine is its for mine, its in pairs)


def _named_by(function: Callable[..., Any]) -> Iterator[object]:
    """What the names in a function stand for now, and those in the functions of its module that it leads to."""
    if not isinstance(function, FunctionType):
        return
    found, seen = [function], {function}
    while found:
        for value in _values_of(found.pop()):
            yield value
            if not isinstance(value, FunctionType) or value in seen or len(seen) == _FUNCTIONS_LOOKED_AT:
                continue
            if value.__globals__ is function.__globals__:
                seen.add(value)
                found.append(value)


def _values_of(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            yield None
    for name in _names(function.__code__):
        yield function.__globals__.get(name)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
