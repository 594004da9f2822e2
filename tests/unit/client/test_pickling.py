"""Functions travel with the user's own modules, and with references to everything that is installed."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest

from omegacell.client import pickling


def test_a_users_module_travels_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sibling_one.py").write_text(
        "from sibling_two import FACTOR\ndef times(x): return FACTOR * x\n"
    )
    (tmp_path / "sibling_two.py").write_text("FACTOR = 6\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import sibling_one  # type: ignore[import-not-found]  # written above

    payload = pickling.dump(sibling_one.times)
    program = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read())(7))"
    answer = subprocess.run(
        [sys.executable, "-I", "-c", program], input=payload, capture_output=True, check=True
    )
    assert answer.stdout == b"42\n"


def test_what_is_installed_or_standard_is_a_reference() -> None:
    for thing in (json.dumps, textwrap.dedent, pytest.fail, pickling.dump):
        assert len(pickling.dump(thing)) < 200
    modules = {module.__name__ for module in pickling.user_modules()}
    assert not modules & {"json", "pytest", "numpy", "omegacell", "omegacell.client.pickling", "__main__"}


def test_modules_are_looked_through_again_only_when_others_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = pickling.user_modules()
    assert pickling.user_modules() is first
    monkeypatch.setitem(sys.modules, "mine", mine := ModuleType("mine"))
    mine.__file__ = "/somewhere/of/mine.py"
    assert mine in pickling.user_modules()


def test_the_register_of_cloudpickle_is_left_as_it_was() -> None:
    before = set(cloudpickle.list_registry_pickle_by_value())
    pickling.dump(lambda: 1)
    assert set(cloudpickle.list_registry_pickle_by_value()) == before


def test_arguments_come_back_equal() -> None:
    value = ({"a": [1, 2.5]}, {"b"})
    assert pickle.loads(pickling.dump(value)) == value
