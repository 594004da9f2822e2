"""What the pages of docs/ show is run as it stands, a page at a time, beside one cell for all of them.

The rule for pages: a block of python, yaml or toml whose first line is a comment with a file's name is written to
that file; the other blocks of python up to a console block are one program; console lines that begin with $ are run by
a shell. All in the order of the page.
"""

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
PAGES = ("submitting", "services", "schedulers", "operating", "simulating", "workloads", "figures")
_BLOCK = re.compile(r"^```(python|console|yaml|toml)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w.-]+\.(?:py|yaml|toml))\n")


def script(page: str, folder: Path) -> str:
    """The page as one shell script; its files and the parts of its program are in the folder."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    lines = ["set -e", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    program: list[str] = []
    parts = 0

    def run_program() -> None:
        nonlocal parts
        if program:
            name = f"{page}_{parts}.py"
            (folder / name).write_text("\n".join(program))
            lines.append(f"{sys.executable} {name}")
            program.clear()
            parts += 1

    for kind, block in _BLOCK.findall(text):
        named = _FILE.match(block)
        if named:
            (folder / named[1]).write_text(block)
        elif kind == "python":
            program.append(block)
        elif kind == "console":
            run_program()
            lines += [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    run_program()
    assert len(lines) > 2, f"{page} shows nothing that can be run"
    return "\n".join(lines)


@pytest.fixture(scope="module")
def cell() -> Iterator[dict[str, str]]:
    """The environment in which a cell of two machines is up."""
    with TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("OMEGA_")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = kept | {"PATH": path, "OMEGA_DATA_DIR": f"{name}/cell"}
        up = ["omega", "up", "--machines", "2", "--cpu", "4", "--runtime", "process"]
        try:
            subprocess.run(up, env=environment, check=True, capture_output=True, timeout=60)
            yield environment
        finally:
            subprocess.run(["omega", "down"], env=environment, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_runs(page: str, cell: dict[str, str], tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    with (tmp_path / "said").open("w+") as said:
        done = subprocess.run(
            ["timeout", "100", "bash", "-c", script(page, tmp_path)],
            cwd=tmp_path,
            env=cell,
            stdout=said,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said.seek(0)
        found = said.read()
    assert done.returncode == 0, f"{page}: exit {done.returncode}\n{found}"
    assert "Traceback" not in found
