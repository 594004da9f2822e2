"""Hints on a real server: topics are told apart, and a live scheduler hears at once what people want of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from omegacell.cellstate.hints import Hints, Listener
from omegacell.cellstate.model import Wanted
from omegacell.cellstate.postgres import PostgresStore
from omegacell.cellstate.settings import Settings
from omegacell.schedulers.loop import Loop
from omegacell.schedulers.serve import SchedulerOptions, loop_of
from tests.processes import eventually

PATIENCE_SECONDS = 20.0


@pytest.fixture
def hints(database: str) -> Iterator[Hints]:
    with closing(Hints(database)) as hints:
        yield hints


def test_a_listener_tells_the_topics_it_heard_apart(database: str, hints: Hints) -> None:
    with closing(Listener(database, "omega", ["jobs", "control"])) as listener:
        assert not listener.wait(0.0)
        hints.send("placements")
        hints.send("control")
        assert listener.wait(PATIENCE_SECONDS)
        assert [listener.heard("jobs"), listener.heard("control"), listener.heard("control")] == [
            False,
            True,
            False,
        ]


def hinted(hints: Hints, loop: Loop) -> str:
    """The loop's state, which has another hint then: one from before it listened is lost."""
    hints.send("control")
    return loop.status().state


def test_a_live_scheduler_obeys_long_before_its_next_renewal(database: str, hints: Hints) -> None:
    settings = Settings(lease_seconds=600.0)
    with (
        closing(PostgresStore(database)) as store,
        loop_of(SchedulerOptions(dsn=database), settings) as loop,
    ):
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            assert loop.wait_ready(PATIENCE_SECONDS)
            store.control_scheduler("batch-0", wanted=Wanted.HOLD)
            eventually(lambda: hinted(hints, loop) == "holding")
            store.control_scheduler("batch-0", wanted=Wanted.DRAIN)
            eventually(lambda: hinted(hints, loop) == "stopped")
        finally:
            loop.stop()
            thread.join(PATIENCE_SECONDS)
        (status,) = store.schedulers()
        assert (status.wanted, status.alive) == (Wanted.DRAIN, False)
