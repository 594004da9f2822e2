"""The demo, which is also the test of schedulers and a worker as Ray actors; and it leaves no trace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.live.conftest import Command
from tests.live.schema import validate


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the embedded server's user can reach too."""
    with TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.timeout(240)
def test_the_demo_shows_competing_schedulers_ends_well_and_leaves_nothing(folder: Path) -> None:
    home, temporary = folder / "home", folder / "t"
    home.mkdir()
    temporary.mkdir()
    said = Command(env={"HOME": str(home), "TMPDIR": str(temporary)}).installed("demo", "--json")
    assert said.code == 0, said.err
    told = said.told
    validate("demo", told)
    assert told["identifiers"]["most_common"][0][0] == "self"
    assert told["shell_commands"]["count"] == 200
    assert told["service"]["successor_pid"] not in (0, told["service"]["killed_pid"])
    assert sorted(one["kind"] for one in told["schedulers"]) == ["batch", "batch", "service"]
    assert sum(one["placements"] for one in told["schedulers"]) >= 200
    assert (told["violations"], told["problems"]) == ([], [])
    assert "all went well" in said.err
    assert [list(place.iterdir()) for place in (home, temporary)] == [[], []]
