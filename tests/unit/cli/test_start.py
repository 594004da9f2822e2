"""What omega imports before it knows what to do, and what it offers after a TAB."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from omegacell.cli import app, completion
from tests.unit.cli.commands import leaves

_HEAVY = {"numpy", "psycopg", "pydantic", "ray", "rich", "sqlalchemy", "yaml"}


def test_the_tree_of_commands_is_made_without_what_takes_long_to_import() -> None:
    program = "import sys; from omegacell.cli import app; app.build(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert _HEAVY & set(done.stdout.split()) == set()


def test_help_lists_every_command_and_what_other_packages_add(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(f" {command.split()[0]} " in listed for command in leaves())
    assert app.run(["bench", "--help"]) == 0
    assert " commit " in capsys.readouterr().out


def offered(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **env: str
) -> list[str]:
    """What bash would offer for the last of the words."""
    shell = {
        "_OMEGA_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        **env,
    }
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    assert app.run([]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out.split()


def test_commands_and_what_is_installed_are_offered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offered("omega sched", capsys, monkeypatch) == ["schedulers", "scheduler"]
    assert offered("omega bench com", capsys, monkeypatch) == ["commit"]
    assert offered("omega run --policy best", capsys, monkeypatch) == ["best_fit"]
    assert offered("omega conflicts --by machine,r", capsys, monkeypatch) == ["machine,rival"]
    assert "scheduler hold" in "\n".join(completion.commands())


def test_without_a_cell_nothing_is_offered_and_nothing_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = {"OMEGA_DATA_DIR": str(tmp_path), "OMEGA_DSN": "", "OMEGA_RETRY_SECONDS": "0"}
    assert offered("omega job j", capsys, monkeypatch, **env) == []
    assert offered("omega --dsn nonsense drain h", capsys, monkeypatch, **env) == []
    assert os.environ["OMEGA_DSN"] == "nonsense"
