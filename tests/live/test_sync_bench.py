"""omega bench sync, small: measured at all, so correct."""

from __future__ import annotations

from tests.live.conftest import Command
from tests.live.schema import validate


def test_sync_is_measured_beside_the_raw_rows(omega: Command) -> None:
    told = omega("bench", "sync", "--quick", "--json").told
    validate("bench sync", told)
    assert (told["machines"], told["changed"], told["rounds"]) == (500, 100, 5)
    assert told["sync_p50_ms"] >= told["answer_p50_ms"] > 0
    assert told["full_least_ms"] <= told["full_ms"] <= told["full_most_ms"]


def test_more_changed_than_there_are_is_refused(omega: Command) -> None:
    done = omega("bench", "sync", "--machines", "10", "--changed", "11")
    assert (done.code, "--changed 11 of --machines 10" in done.err) == (2, True)
