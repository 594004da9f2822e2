"""The demo, which is also the test of schedulers and a worker as Ray actors."""

from __future__ import annotations

import pytest

from tests.live.conftest import Command


@pytest.mark.timeout(240)
def test_the_demo_shows_competing_schedulers_and_ends_well() -> None:
    said = Command().installed("demo", "--json")
    assert said.code == 0, said.err
    told = said.told
    assert told["identifiers"]["most_common"][0][0] == "self"
    assert told["shell_commands"]["count"] == 200
    assert told["service"]["successor_pid"] not in (0, told["service"]["killed_pid"])
    assert sorted(one["kind"] for one in told["schedulers"]) == ["batch", "batch", "service"]
    assert sum(one["placements"] for one in told["schedulers"]) >= 200
    assert (told["violations"], told["problems"]) == ([], [])
    assert "all went well" in said.err
