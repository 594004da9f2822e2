"""Which Python runs a callable, and what is said where none can."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from omegacell.cellstate.model import AttemptState, Ended
from omegacell.workers.interpreters import WrongPython, chosen
from tests.unit.workers.tasks import Bench, call, command
from tests.unit.workers.test_callables import value_of

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def environment_at(folder: Path, *, installed: bool = True) -> str:
    """The interpreter of a virtual environment that has what this one has, or nothing."""
    packages = folder / "lib" / f"python{OWN}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    base = os.path.realpath(sys.executable)
    (folder / "bin" / "python").symlink_to(base)
    (folder / "pyvenv.cfg").write_text(
        f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\n"
    )
    if installed:
        (packages / "here.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return str(folder / "bin" / "python")


def prefix_of_task(bench: Bench, executable: str, version: str = OWN) -> Ended:
    """A callable that was submitted so and tells its environment."""
    env = {"OMEGA_PYTHON": executable, "OMEGA_PYTHON_VERSION": version}
    return bench.run(call(lambda: __import__("sys").prefix, env=env))


@pytest.mark.parametrize(
    ("wanted", "executable", "version", "python"),
    [
        ("3.99", "/other/python", "3.99", "/other/python"),
        (OWN, "/other/python", OWN, "/other/python"),
        (OWN, "/gone/python", "", sys.executable),
        (OWN, "/changed/python", "3.99", sys.executable),
        (OWN, sys.executable, OWN, sys.executable),
        ("", "", "", sys.executable),
    ],
)
def test_the_submitters_own_comes_first_then_the_workers_of_that_version(
    wanted: str, executable: str, version: str, python: str
) -> None:
    assert chosen(wanted, executable, version, "m0") == python


@pytest.mark.parametrize("version", ["", OWN, "3.98"])
def test_another_version_than_the_submitters_is_never_used(version: str) -> None:
    with pytest.raises(WrongPython, match=rf"submitted from Python 3\.99 \(/x/python\).* runs Python {OWN}"):
        chosen("3.99", "/x/python", version, "m0")


def test_a_callable_runs_in_the_virtual_environment_it_was_submitted_from(
    bench: Bench, tmp_path: Path
) -> None:
    executable = environment_at(tmp_path / "venv")
    assert value_of(prefix_of_task(bench, executable)) == str(tmp_path / "venv")
    assert value_of(prefix_of_task(bench, sys.executable)) == sys.prefix


@pytest.mark.parametrize("there", [False, True])
def test_an_environment_that_is_not_here_or_lacks_cloudpickle_is_replaced_by_the_workers(
    bench: Bench, tmp_path: Path, there: bool
) -> None:
    executable = environment_at(tmp_path / "venv", installed=False) if there else str(tmp_path / "python")
    assert value_of(prefix_of_task(bench, executable)) == sys.prefix


def test_a_callable_of_another_python_fails_to_start_and_says_what_to_do(
    bench: Bench, tmp_path: Path
) -> None:
    end = prefix_of_task(bench, str(tmp_path / "python"), "3.99")
    assert end.state is AttemptState.START_FAILED
    assert end.error == (
        f"it was submitted from Python 3.99 ({tmp_path}/python), which machine m0 does not have with cloudpickle, and "
        f"its worker runs Python {OWN}; install that Python at the same path, or submit from Python {OWN}, or ask "
        "for a machine with the constraint on its attribute python"
    )


def test_tasks_do_not_see_what_was_said_to_the_worker(bench: Bench) -> None:
    env = {"OMEGA_PYTHON": sys.executable, "OMEGA_PYTHON_VERSION": OWN, "SHOWN": "yes"}
    seen = bench.run(command("env", env=env)).stdout_tail
    assert "SHOWN=yes" in seen
    assert "OMEGA_PYTHON" not in seen
    names = value_of(bench.run(call(lambda: sorted(__import__("os").environ), env=env)))
    assert "SHOWN" in names
    assert not [name for name in names if name.startswith("OMEGA_PYTHON")]
