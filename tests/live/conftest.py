"""A local cell as plain processes for the tests of this folder, and the omega command as users start it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.live.schema import validate

OMEGA = Path(sys.executable).with_name("omega")
COMMAND_SECONDS = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """Its JSON object; checks what every one has."""
        assert self.out, self.err
        told: dict[str, Any] = json.loads(self.out)
        assert told["schema_version"] == 1
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The omega command with an environment of its own."""

    env: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, stdin: str = "") -> Said:
        """Run its entry point here, which saves the second that a new interpreter takes."""
        (point,) = entry_points(group="console_scripts", name="omega")
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with (
            mock.patch.dict(os.environ, self.env),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            point.load()(words)
        assert isinstance(ended.value.code, int)
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
        return Said(code=ended.value.code, out=texts[0], err=texts[1])

    def installed(self, *words: str) -> Said:
        """Run the installed command as a process of its own."""
        done = subprocess.run(
            [OMEGA, *words],
            capture_output=True,
            text=True,
            env={**os.environ, **self.env},
            cwd="/",
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)


def open_folder() -> Path:
    """A temporary folder that the server's own user can pass through, which pytest's cannot be."""
    folder = Path(tempfile.mkdtemp(prefix="oc-"))
    folder.chmod(0o711)
    return folder


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """Where the session's cell keeps its data."""
    folder = open_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def omega(data_dir: Path) -> Iterator[Command]:
    """The command, with a local cell up: two machines of two CPUs and two GPUs, one scheduler of each kind."""
    command = Command(env={"OMEGA_DATA_DIR": str(data_dir), "COLUMNS": "200"})
    machine = ("--cpu", "2", "--memory", "1GiB", "--gpu", "2", "--custom", "licence=1")
    up = command.installed("up", "--json", "--runtime", "process", "--machines", "2", *machine)
    try:
        assert up.code == 0, up
        validate("up", up.told)
        yield command
    finally:
        down = command.installed("down")
    assert (down.code, "is down" in down.out) == (0, True), down


@pytest.fixture
def script(omega: Command, tmp_path: Path) -> Callable[[Mapping[str, str]], Said]:
    """Writes files into a folder of their own and runs main.py there from another directory."""

    def run(files: Mapping[str, str]) -> Said:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run(
            [sys.executable, str(tmp_path / "main.py")],
            capture_output=True,
            text=True,
            env={**os.environ, **omega.env},
            cwd="/",
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    return run
