"""What the guard kills when the agent dies, freezes, or loses its lease."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from omegacell.cellstate.clock import boottime
from omegacell.cellstate.model import AttemptState
from omegacell.workers import guard_process
from omegacell.workers.guard import guard_gone, lock_path
from tests.unit.workers.tasks import PATIENCE_SECONDS, Bench, runs, shell, text_of, until

_AGENT = """
import json, sys, time
from pathlib import Path
from tests.unit.workers.tasks import Bench, call, shell
folder = Path(sys.argv[1])
bench = Bench(folder / "logs")
deadline = float(sys.argv[2])
if deadline:
    from omegacell.cellstate.clock import boottime
    bench.runner.lease_until(boottime() + deadline)
bench.runner.start([
    shell(f"sleep 300 & echo $! > {folder}/grandchild; echo $$ > {folder}/command; wait"),
    shell(f"setsid sh -c 'echo $$ > {folder}/escaped; sleep 300' & wait"),
    call(exec, f"import os, time; open('{folder}/callable', 'w').write(str(os.getpid()) + chr(10)); time.sleep(300)"),
])
print(json.dumps({"guard": bench.runner.guard_pid}), flush=True)
time.sleep(300)
"""
_NOTES = ("grandchild", "command", "escaped", "callable")


class Victim:
    """A process with a runner and three tasks, to be treated badly."""

    def __init__(self, folder: Path, deadline_seconds: float) -> None:
        self._folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AGENT, str(folder), str(deadline_seconds)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert self.process.stdout is not None
        self.guard = int(json.loads(self.process.stdout.readline())["guard"])
        until(lambda: all(text_of(folder / note).endswith("\n") for note in _NOTES), "every task runs")
        self.pids = {note: int(text_of(folder / note)) for note in _NOTES}

    def alive(self) -> list[str]:
        """What still runs."""
        return [note for note, pid in self.pids.items() if runs(pid)]

    def close(self) -> None:
        """End it all."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        until(lambda: not runs(self.guard), "the guard ends after the agent")


@pytest.fixture
def victim(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Victim]:
    made = Victim(tmp_path, getattr(request, "param", 0.0))
    try:
        yield made
    finally:
        made.close()


def test_kill_9_of_the_agent_ends_every_task_and_what_left_its_group(victim: Victim, tmp_path: Path) -> None:
    lock = lock_path(tmp_path / "logs", "bench")
    assert victim.alive() == list(_NOTES)
    until(lambda: not guard_gone(lock), "its guard has the lock")
    victim.process.kill()
    until(lambda: not victim.alive(), "all tasks are gone")
    until(lambda: guard_gone(lock), "the lock says so")


@pytest.mark.parametrize("victim", [3.0], indirect=True)
def test_a_frozen_agent_has_nothing_running_past_its_deadline(victim: Victim) -> None:
    os.kill(victim.process.pid, signal.SIGSTOP)
    until(lambda: not victim.alive(), "all tasks are gone")
    assert victim.process.poll() is None


def test_the_guard_ignores_polite_signals(victim: Victim) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(victim.guard, number)
    assert runs(victim.guard)
    assert victim.alive() == list(_NOTES)


def test_a_later_deadline_lets_tasks_run_on(bench: Bench, tmp_path: Path) -> None:
    bench.runner.lease_until(boottime() + 0.2)
    bench.runner.start([shell("sleep 0.6; echo survived")])
    bench.runner.lease_until(boottime() + 60)
    assert bench.next_end().stdout_tail == "survived\n"


def test_a_guard_that_slept_through_a_deadline_heeds_the_later_one_that_was_told_in_time(
    bench: Bench, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    soon = boottime() + 0.5
    bench.runner.lease_until(soon)
    bench.runner.start(
        [shell(f"touch {tmp_path}/begun; until [ -e {gate} ]; do sleep 0.02; done; echo survived")]
    )
    until((tmp_path / "begun").exists, "the task runs")
    os.kill(bench.runner.guard_pid, signal.SIGSTOP)
    bench.runner.lease_until(soon + 60)
    until(lambda: boottime() > soon, "the first deadline has passed")
    os.kill(bench.runner.guard_pid, signal.SIGCONT)
    bench.runner.lease_until(soon + 61)
    until(lambda: _asleep(bench.runner.guard_pid), "the guard has looked at everything, and waits")
    gate.touch()
    assert bench.next_end().stdout_tail == "survived\n"


def test_nothing_starts_after_the_deadline(bench: Bench, tmp_path: Path) -> None:
    bench.runner.lease_until(boottime() - 1)
    end = bench.run(shell(f"touch {tmp_path}/ran"))
    assert end.state is AttemptState.START_FAILED
    assert "lease has ended" in end.error
    assert not (tmp_path / "ran").exists()


def test_no_guard_ever_held_a_lock_that_does_not_exist(tmp_path: Path) -> None:
    assert guard_gone(str(tmp_path / "none.lock"))


def test_closing_the_runner_leaves_no_process_and_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    bench = Bench(tmp_path)
    note = tmp_path / "pid"
    bench.runner.start([shell(f"echo $$ > {note}; sleep 60")])
    until(lambda: text_of(note).endswith("\n"), "the task runs")
    guard = bench.runner.guard_pid
    bench.runner.close()
    assert not runs(int(text_of(note)))
    assert not runs(guard)
    assert set(threading.enumerate()) == before


def test_a_guard_takes_a_pipe_of_any_number(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    high = fcntl.fcntl(ours, fcntl.F_DUPFD, 1100)
    group = subprocess.Popen(["sleep", "60"], start_new_session=True)
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", guard_process.__file__, str(high), str(tmp_path / "lock"), "tag"],
        pass_fds=[high],
    )
    os.close(ours)
    os.close(high)
    os.write(theirs, b"+%d\n" % group.pid)
    os.close(theirs)
    assert guard.wait(PATIENCE_SECONDS) == 0
    assert group.wait(PATIENCE_SECONDS) == -signal.SIGKILL


def test_a_guard_with_nothing_to_hold_is_in_nobodys_way(bench: Bench, tmp_path: Path) -> None:
    lock = lock_path(tmp_path / "logs", "bench")
    bench.run(shell("true"))
    until(lambda: not guard_gone(lock), "the guard has its lock from the first task on")
    idle = Bench(tmp_path / "idle")
    try:
        until(lambda: _asleep(idle.runner.guard_pid), "it waits to be told of something")
        assert guard_gone(lock_path(tmp_path / "idle", "bench"))
        idle.runner.lease_until(boottime() + 60)
        until(lambda: not guard_gone(lock_path(tmp_path / "idle", "bench")), "a lease is something")
    finally:
        idle.runner.close()


def test_a_guard_that_cannot_have_its_lock_holds_all_the_same(bench: Bench, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    bench.runner.start([shell(f"echo $$ > {note}; sleep 60")])
    until(lambda: text_of(note).endswith("\n"), "the task runs")
    first = bench.runner.guard_pid
    until((tmp_path / "logs" / "guard-bench.lock").exists, "the first guard has its lock")
    (tmp_path / "logs").rename(tmp_path / "elsewhere")
    os.kill(first, signal.SIGKILL)
    until(lambda: bench.runner.guard_pid != first, "another guard is started")
    second = bench.runner.guard_pid
    bench.runner.lease_until(boottime() - 1)
    assert bench.next_end().error == "killed by SIGKILL (signal 9)"
    assert bench.runner.guard_pid == second


def _asleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
