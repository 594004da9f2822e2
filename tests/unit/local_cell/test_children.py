"""Forked processes under the keeper's eye."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omegacell.local_cell.children import Child, ChildFailed, stop_all
from omegacell.local_cell.forking import Program
from tests.processes import eventually

# This process has threads by now, which the keeper has not; newer Pythons say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def serve() -> int:
    os.write(1, b'{"event": "ready"}\n')
    while os.read(0, 4096):
        pass
    return 0


def fail() -> int:
    sys.exit("no database")


def tell_surroundings() -> int:
    open_descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    # The one more is that of the listing itself.
    os.write(1, f'{{"mark": "{os.environ["MARK"]}", "open": {len(open_descriptors) - 1}}}\n'.encode())
    return 0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Callable[[], int]], Child]]:
    """Starts programs, and stops them."""
    started: list[Child] = []

    def begin(main: Callable[[], int]) -> Child:
        program = Program(
            name="x", title="omega test", main=main, env={"MARK": "m"}, log_file=tmp_path / "x.log"
        )
        started.append(Child(program))
        return started[-1]

    yield begin
    stop_all(started)


def tend_until_restarted(child: Child) -> None:
    first = child.pid
    os.kill(first, signal.SIGKILL)

    def restarted() -> bool:
        child.tend()
        return child.pid != first

    eventually(restarted, what="it was not started again")


def test_a_child_is_ready_when_it_says_so(start: Callable[[Callable[[], int]], Child]) -> None:
    assert start(serve).wait_ready() == {"event": "ready"}


def test_a_child_that_ends_first_is_quoted(start: Callable[[Callable[[], int]], Child]) -> None:
    with pytest.raises(ChildFailed, match="x did not become ready: no database"):
        start(fail).wait_ready()


def test_a_child_has_an_environment_and_descriptors_of_its_own(
    start: Callable[[Callable[[], int]], Child],
) -> None:
    neighbour = start(serve)
    neighbour.wait_ready()
    assert start(tell_surroundings).wait_ready() == {"mark": "m", "open": 3}


def test_lists_of_processes_show_what_a_child_is(start: Callable[[Callable[[], int]], Child]) -> None:
    child = start(serve)
    child.wait_ready()
    assert Path(f"/proc/{child.pid}/cmdline").read_bytes().rstrip(b"\0") == b"omega test"


def test_a_child_ends_with_its_standard_input_while_others_run(
    start: Callable[[Callable[[], int]], Child],
) -> None:
    child, later = start(serve), start(serve)
    child.wait_ready()
    later.wait_ready()
    child.ask_to_stop()
    eventually(child.leave, seconds=10, what="a later child holds its standard input open")


def test_a_dead_child_is_started_again(start: Callable[[Callable[[], int]], Child]) -> None:
    child = start(serve)
    child.wait_ready()
    tend_until_restarted(child)
    assert child.wait_ready() == {"event": "ready"}


def test_what_is_over_is_not_started_again(start: Callable[[Callable[[], int]], Child]) -> None:
    child = start(serve)
    child.wait_ready()
    child.ask_to_stop()
    first, told = child.pid, []

    def is_over(ended_at: float) -> bool:
        told.append(ended_at)
        return len(told) <= 3

    def restarted() -> bool:
        child.tend(is_over=is_over)
        return child.pid != first

    eventually(restarted, what="what was over at first stays so")
    assert len(told) == 4
    assert len(set(told)) == 1
