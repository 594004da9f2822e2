"""What README shows is run as it stands: its programs by a Python, its console lines by a shell, examples/ whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
CONSOLE = re.findall(r"^```console\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
FILES = re.findall(r"^```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
SAYS = {
    "gang": "4 tasks of the batch gave way in 1 commit\nthe batch runs on: 4 placed, 0 failed\n",
    "sweep": ".2: trained with rate 0.001\n",
}
"""What an example must have said; of the others that they said something."""
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name != "__init__.py")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the embedded server's user can reach too."""
    with TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMEGA_")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | {"PATH": path, "OMEGA_DATA_DIR": str(folder / "cell")}


def run(words: list[str], folder: Path, **more: str) -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment(folder) | more,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_readme_has_what_is_tested_here() -> None:
    assert (len(PROGRAMS), len(CONSOLE), len(FILES)) == (7, 1, 1)


def test_the_first_program(folder: Path) -> None:
    (folder / "tour.py").write_text(PROGRAMS[0])
    said = run([sys.executable, "tour.py"], folder)
    assert "[0, 1, 4, 9, 16]" in said
    assert "['rate 0.1 as task 0\\n', 'rate 0.01 as task 1\\n', 'rate 0.001 as task 2\\n']" in said


def test_an_executor(folder: Path) -> None:
    (folder / "pool.py").write_text(PROGRAMS[1])
    assert run([sys.executable, "pool.py"], folder) == "600\n[1, 2, 4, 8]\n"


def test_a_service(folder: Path) -> None:
    (folder / "service.py").write_text(PROGRAMS[2])
    assert run([sys.executable, "service.py"], folder).split() == ["200", "200", "3", "cancelled"]


def test_devices_and_resources_of_ones_own(folder: Path) -> None:
    (folder / "devices.py").write_text(PROGRAMS[3])
    halves, both = run([sys.executable, "devices.py"], folder).splitlines()[:2]
    assert (halves, both) == (str(["0\n", "0\n", "1\n", "1\n"]), "0,1")


def test_a_scheduler_and_a_policy_of_ones_own(folder: Path) -> None:
    for program in PROGRAMS[4:6]:
        name = program.splitlines()[0].removeprefix("# ")
        (folder / name).write_text(program)
    assert run([sys.executable, "compete.py"], folder).split() == ["succeeded", "succeeded"]


def test_an_hour_in_virtual_time(folder: Path) -> None:
    (folder / "hour.py").write_text(PROGRAMS[6])
    fine, coarse = run([sys.executable, "hour.py"], folder).splitlines()
    assert fine.startswith("fine: 0.")
    assert coarse.startswith("coarse: 0.")


def test_the_console_lines(folder: Path) -> None:
    lines = [line.removeprefix("$ ") for line in CONSOLE[0].splitlines() if line.startswith("$ ")]
    assert lines[0].startswith("omega up")
    (folder / "jobs.yaml").write_text(FILES[0])
    lines.insert(-1, "omega wait $(omega submit jobs.yaml)")
    script = "set -e\ntrap 'omega down' EXIT\n" + "\n".join(lines[:-1])
    assert "hello" in run(["bash", "-c", script], folder)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example(example: Path, folder: Path, database: str) -> None:
    more = {"OMEGA_DSN": database} if "OMEGA_DSN" in example.read_text(encoding="utf-8") else {}
    said = run([sys.executable, str(example)], folder, **more)
    assert SAYS.get(example.stem, "\n") in said
