"""Memory of tasks: enforced by a control group where one can be made, else by the limits of each process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omegacell.cellstate.model import AttemptState
from omegacell.workers.cgroups import AgentGroups, Place, remove_leftovers, usable_place
from omegacell.workers.memory import Isolation, isolation_of
from tests.unit.workers.tasks import PYTHON, Bench, call, command, runs, shell, text_of, until
from tests.unit.workers.test_callables import value_of

MIB = 2**20
GREEDY = f"x = b'x' * {300 * MIB}; print(len(x))"


@pytest.fixture(scope="module")
def place() -> Place:
    """Where this process can make control groups."""
    found = usable_place()
    if found is None:
        pytest.skip("control groups cannot be made here: no memory controller that this user may write to")
    return found


@pytest.fixture
def grouped(place: Place, tmp_path: Path) -> Iterator[Bench]:
    """A runner that makes control groups, all of which are gone afterwards."""
    made = Bench(tmp_path / "logs", grace_seconds=0.3, groups_in=place)
    try:
        yield made
    finally:
        made.runner.close()
    assert not _groups(place, os.getpid())


@pytest.fixture(params=["cgroup", "rlimit"])
def confining(request: pytest.FixtureRequest) -> Bench:
    """A runner of either level."""
    name = "grouped" if request.param == "cgroup" else "bench"
    made: Bench = request.getfixturevalue(name)
    return made


def test_the_level_that_is_reached_depends_on_whether_groups_can_be_made() -> None:
    assert isolation_of(None) is Isolation.RLIMIT
    assert isolation_of(Place(folder=Path("/"), version=2)) is Isolation.CGROUP


def test_an_out_of_memory_kill_says_so(grouped: Bench) -> None:
    end = grouped.run(command(PYTHON, "-c", GREEDY, memory_bytes=128 * MIB))
    assert (end.state, end.error) == (
        AttemptState.FAILED,
        "used more than its memory of 128 MiB (out-of-memory kill)",
    )


def test_what_all_processes_of_a_task_use_together_counts(grouped: Bench, tmp_path: Path) -> None:
    half = f"import time; x = b'x' * {80 * MIB}; open({str(tmp_path)!r} + '/full', 'w'); time.sleep(60)"
    script = f'{PYTHON} -c "{half}" & {PYTHON} -c "{half}" & wait -n; exit 1'
    end = grouped.run(command("bash", "-c", script, memory_bytes=128 * MIB))
    assert "out-of-memory kill" in end.error


def test_without_groups_a_process_is_refused_more_than_its_memory(bench: Bench) -> None:
    end = bench.run(command(PYTHON, "-c", GREEDY, memory_bytes=128 * MIB))
    assert (end.state, end.error) == (AttemptState.FAILED, "exit code 1")
    assert end.stderr_tail.endswith("MemoryError\n")


def test_what_keeps_within_its_memory_runs_as_ever(confining: Bench, tmp_path: Path) -> None:
    script = (
        "import os, sys; print(len(b'x' * 20_000_000), os.environ['odd.name'], sys.argv[1:], os.getcwd())"
    )
    made = command(
        PYTHON,
        "-c",
        script,
        "a b",
        "*",
        memory_bytes=512 * MIB,
        env={"odd.name": "kept", "PATH": "/usr/bin"},
        cwd=str(tmp_path),
    )
    end = confining.run(made)
    assert end.stdout_tail == f"20000000 kept ['a b', '*'] {tmp_path}\n"
    assert end.state is AttemptState.SUCCEEDED


def test_no_memory_asked_for_is_no_limit(confining: Bench) -> None:
    end = confining.run(command(PYTHON, "-c", GREEDY))
    assert end.stdout_tail == f"{300 * MIB}\n"


@pytest.mark.parametrize(
    ("program", "says"), [("no-such-program", "was not found"), ("/etc/passwd", "may not be executed")]
)
def test_what_cannot_start_says_why_also_within_limits(confining: Bench, program: str, says: str) -> None:
    end = confining.run(command(program, memory_bytes=512 * MIB))
    assert end.state is AttemptState.START_FAILED
    assert f"command {program!r} {says} on machine m0" in end.error


def test_a_callable_that_uses_too_much_fails_alone(grouped: Bench) -> None:
    end = grouped.run(call(bytes, 300 * MIB, memory_bytes=128 * MIB))
    assert (end.state, end.error) == (
        AttemptState.FAILED,
        "used more than its memory of 128 MiB (out-of-memory kill)",
    )
    assert value_of(grouped.run(call(len, "abc", memory_bytes=128 * MIB))) == 3


def test_a_callable_without_a_group_gets_a_memory_error(bench: Bench) -> None:
    end = bench.run(call(bytes, 300 * MIB, memory_bytes=128 * MIB))
    assert (end.state, end.error) == (AttemptState.FAILED, "MemoryError")


def test_warm_processes_are_shared_by_jobs_of_the_same_memory(confining: Bench) -> None:
    small, large, small_again, unlimited = (
        value_of(confining.run(call(os.getpid, memory_bytes=amount * MIB))) for amount in (200, 400, 200, 0)
    )
    assert small == small_again
    assert len({small, large, unlimited}) == 3


def test_what_a_task_leaves_in_its_group_goes_with_it(grouped: Bench, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    grouped.run(
        shell(
            f"setsid sh -c 'echo $$ > {note}; exec sleep 60' & while [ ! -s {note} ]; do :; done",
            memory_bytes=512 * MIB,
        )
    )
    until(lambda: not runs(int(text_of(note))), "what had left the process group is gone too")


AGENT = """
import sys
from pathlib import Path
from tests.unit.workers.tasks import Bench, shell
from omegacell.workers.cgroups import Place
folder, note, place, version = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
bench = Bench(folder / "logs", groups_in=Place(folder=place, version=version))
bench.runner.start([shell(f"echo $$ > {note}; sleep 300", memory_bytes=2**29)])
input()
"""


def test_the_groups_of_an_agent_that_was_killed_are_removed(place: Place, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    words = [str(tmp_path), str(note), str(place.folder), str(place.version)]
    agent = subprocess.Popen([sys.executable, "-c", AGENT, *words], stdin=subprocess.PIPE)
    try:
        until(lambda: text_of(note).endswith("\n"), "the task runs")
        assert _groups(place, agent.pid)
    finally:
        agent.kill()
        agent.communicate()
    until(lambda: not _groups(place, agent.pid), "its guard removes them")
    assert not runs(int(text_of(note)))


def test_what_dead_agents_left_is_removed_and_what_living_ones_have_is_not(place: Place) -> None:
    dead, living = AgentGroups(place), AgentGroups(place)
    left, kept = dead.new(64 * MIB), living.new(64 * MIB)
    sleeper = subprocess.Popen(
        ["/bin/sh", "-c", 'echo 0 > "$0/cgroup.procs" && exec sleep 60', str(left.path)]
    )
    try:
        until(lambda: str(sleeper.pid) in text_of(left.path / "cgroup.procs").split(), "it is in the group")
        os.close(dead._lock)  # as its death does
        remove_leftovers(place)
        sleeper.wait(20)
        until(_gone(place, left.path.parent), "the dead one's folder is gone")
        assert kept.path.exists()
    finally:
        sleeper.kill()
        sleeper.wait()
        living.close()
    assert not kept.path.parent.exists()


def _gone(place: Place, folder: Path) -> Callable[[], bool]:
    def look() -> bool:
        remove_leftovers(place)
        return not folder.exists()

    return look


def _groups(place: Place, pid: int) -> list[Path]:
    """The folders of groups of that agent."""
    return list(place.folder.glob(f"omegacell-{pid}-*"))
