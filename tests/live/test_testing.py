"""omegacell.testing in a small project of a user's own, with pytest as it comes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = """
import pytest

import omegacell

pytest_plugins = ["omegacell.testing"]


@pytest.fixture(scope="session")
def omega_cell_options():
    return {"machines": 2, "schedulers": {"batch": 1}, "machine": omegacell.Resources(cpu=1)}
"""

INI = """
[pytest]
filterwarnings =
    error
    ignore:Module already imported so cannot be rewritten; _editable_impl:pytest.PytestAssertRewriteWarning
"""
"""The second is for this checkout, installed editable: its import hook is loaded before any plug-in."""

TESTS = """
import subprocess
import sys
import omegacell
import pytest


def test_a_callable_runs(omega_cell):
    assert omega_cell.map(lambda item: item * item, range(4)).results() == [0, 1, 4, 9]


def test_something_is_left_behind(omega_cell):
    omega_cell.submit(command=["sleep", "1000"], key="mine")
    omega_cell.submit(command=["true"], count=100, held=True)
    omega_cell.drain(omega_cell.machines()[0].name)
    omega_cell.hold_scheduler("batch-0")
    omega_cell.scale_schedulers("batch", 0)


@pytest.mark.parametrize("number", range(2))
def test_nothing_of_another_test_is_there(omega_cell, number):
    assert omega_cell.jobs() == ()
    assert [machine.schedulable for machine in omega_cell.machines()] == [True, True]
    job = omega_cell.submit(command=["true"], key="mine")
    assert (job.id, job.wait(timeout=60).state) == (job.id, "succeeded")
    assert omega_cell.check() == ()


def test_programs_find_the_cell_and_may_close_theirs(omega_cell):
    with omegacell.connect() as other:
        job = other.submit(command=["true"])
    program = "import sys, omegacell; omegacell.connect().job(sys.argv[1]).wait(timeout=60)"
    subprocess.run([sys.executable, "-c", program, job.id], check=True)
    assert omega_cell.job(job.id).status.state == "succeeded"
"""


def test_a_project_tests_on_a_cell_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(INI)
    elsewhere = {
        "OMEGA_DSN": "postgresql://nobody@127.0.0.1:1/not-this-one",
        "OMEGA_RAY_ADDRESS": "127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=1"],
        cwd=tmp_path,
        env={**os.environ, **elsewhere},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
    print(done.stdout)  # the longest is the start of the cell; shown by pytest -s
