"""Plain processes under the keeper's eye."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omegacell.local_cell.children import Child, ChildFailed, Program, stop_all

READY = 'import sys; print(\'{"event": "ready"}\', flush=True); sys.stdin.read()'


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    """Starts Python programs, and stops them."""
    started: list[Child] = []

    def start(text: str) -> Child:
        program = Program(
            name="x",
            arguments=[sys.executable, "-I", "-c", text],
            env=dict(os.environ),
            log_file=tmp_path / "x.log",
        )
        started.append(Child(program))
        return started[-1]

    yield start
    stop_all(started)


def test_a_child_is_ready_when_it_says_so(child: Callable[[str], Child]) -> None:
    assert child(READY).wait_ready() == {"event": "ready"}


def test_a_child_that_ends_first_is_quoted(child: Callable[[str], Child]) -> None:
    broken = child("raise SystemExit('no database')")
    with pytest.raises(ChildFailed, match="x did not become ready: no database"):
        broken.wait_ready()


def test_a_dead_child_is_started_again(child: Callable[[str], Child]) -> None:
    one = child(READY)
    one.wait_ready()
    first = one.pid
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while one.pid == first:
        one.tend()
        assert time.monotonic() < deadline
        os.sched_yield()
    assert one.wait_ready() == {"event": "ready"}
