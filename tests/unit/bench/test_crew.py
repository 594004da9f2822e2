"""Processes that do parts of a benchmark, where something goes wrong."""

from __future__ import annotations

import os

import pytest

from omegacell.bench.throughput.ceiling import Raw, RawSession
from omegacell.bench.throughput.crew import Crew, CrewFailed
from omegacell.bench.throughput.plan import Combination
from omegacell.bench.throughput.rivals import Rival
from omegacell.cellstate.errors import StoreUnavailable

NOWHERE = "postgresql://127.0.0.1:1/none"


def test_error_of_a_part_is_raised_where_it_was_given_and_the_process_ends() -> None:
    part = Rival(
        dsn=NOWHERE,
        schema="none",
        number=0,
        combination=Combination(claims=1),
        transactions=1,
        warm=1,
        seed=1,
    )
    crew = Crew(1)
    (pid,) = crew.pids
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1"), crew:
        crew.prepare([part])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_process_that_dies_of_its_part_is_said_to_have_ended(capfd: pytest.CaptureFixture[str]) -> None:
    part = RawSession(
        dsn=NOWHERE,
        schema="none",
        raw=Raw.GUARDED,
        number=0,
        sessions=1,
        claims=1,
        statements=1,
        warm=1,
        seed=1,
    )
    with pytest.raises(CrewFailed, match=r"process \d+ of the benchmark ended"), Crew(1) as crew:
        crew.prepare([part])
    assert "OperationalError" in capfd.readouterr().err
