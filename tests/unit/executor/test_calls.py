"""How calls become bytes, and what a worker makes of them."""

from __future__ import annotations

import pickle
import sys
import types
from functools import partial
from typing import Any

import pytest

from omegacell.executor.calls import Functions, Pickle, call, chunk_call, dump
from omegacell.executor.remote import Calls, InitializerFailed


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def module() -> types.ModuleType:
    """A user's module, which is pickled by value."""
    made = types.ModuleType("users_own")
    made.__file__ = "/nowhere/users_own.py"
    sys.modules["users_own"] = made
    source = """
step = 1
def helper(number):
    return number + step
def work(number):
    return helper(number)
"""
    exec(source, made.__dict__)
    return made


def test_a_function_is_pickled_once(functions: Functions, module: types.ModuleType) -> None:
    assert functions.pickled(module.work) is functions.pickled(module.work)
    assert functions.pickled(abs) is functions.pickled(abs)
    assert functions.pickled(dict) is functions.pickled(dict)


@pytest.mark.parametrize(("name", "value"), [("step", 2), ("helper", abs)])
def test_a_function_is_pickled_again_when_a_name_stands_for_something_else(
    functions: Functions, module: types.ModuleType, name: str, value: object
) -> None:
    before = functions.pickled(module.work)
    setattr(module, name, value)
    assert functions.pickled(module.work).key != before.key


def test_what_has_a_state_of_its_own_is_pickled_every_time(functions: Functions) -> None:
    numbers = [1]
    count = numbers.append
    before = functions.pickled(count)
    numbers.append(2)
    assert functions.pickled(count).key != before.key
    assert functions.pickled(partial(pow, 2)) is not functions.pickled(partial(pow, 2))


def test_few_functions_are_kept(functions: Functions) -> None:
    def make(number: int) -> Any:
        return lambda: number

    kept = [make(number) for number in range(100)]
    first = functions.pickled(kept[0])
    for one in kept:
        functions.pickled(one)
    assert functions.pickled(kept[0]) is not first


def test_plain_values_are_pickled_plainly_and_others_by_value(module: types.ModuleType) -> None:
    for value in (1, 147, "text", [1, (2, None)], {"a": b"\x93"}, 2.5):
        assert pickle.loads(dump(value)) == value
    assert b"users_own" in dump(module.work)
    del sys.modules["users_own"]
    assert pickle.loads(dump(module.work))(1) == 2


def _run(calls: Calls, data: bytes) -> Any:
    args, kwargs = pickle.loads(data)
    return calls(*args, **kwargs)


def test_a_task_names_a_function_that_its_job_has_and_brings_others(functions: Functions) -> None:
    known, other = functions.pickled(abs), functions.pickled(divmod)
    calls = Calls("an executor", {known.key: known.data})
    assert _run(calls, call(known, (-1,), {}).input({known.key})) == 1
    assert _run(calls, call(other, (7, 2), {}).input({known.key})) == (3, 1)
    assert _run(calls, call(other, (9, 2), {}).input({known.key, other.key})) == (4, 1), "it is kept"
    assert _run(calls, chunk_call(known, [(-1,), (2,)]).input({known.key})) == [1, 2]


def test_executors_share_no_functions() -> None:
    one, other = Pickle(b"k", pickle.dumps(abs)), Pickle(b"k", pickle.dumps(str))
    assert _run(Calls("one", {b"k": one.data}), call(one, (-1,), {}).input({b"k"})) == 1
    assert _run(Calls("other", {b"k": other.data}), call(other, (-1,), {}).input({b"k"})) == "-1"


def test_functions_of_one_module_share_its_globals_with_the_initializer(module: types.ModuleType) -> None:
    exec("def begin(value):\n    global step\n    step = value", module.__dict__)
    functions = Functions()
    work, helper = functions.pickled(module.work), functions.pickled(module.helper)
    initializer = dump((module.begin, (10,)))
    del sys.modules["users_own"]
    calls = Calls("with one", {work.key: work.data, helper.key: helper.data}, initializer)
    assert _run(calls, call(work, (1,), {}).input(calls.pickles)) == 11
    assert _run(calls, call(helper, (2,), {}).input(calls.pickles)) == 12


def test_a_failing_initializer_is_told_apart() -> None:
    calls = Calls("failing", {}, dump((divmod, (1, 0))))
    with pytest.raises(InitializerFailed, match="ZeroDivisionError"):
        calls(b"key", b"", False, b"", ())
    assert isinstance(pickle.loads(pickle.dumps(InitializerFailed("why"))), InitializerFailed)
