"""Nothing of a local cell is left when it ends, in whatever way the program that started it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import omegacell
from omegacell.client.cell import Cell
from omegacell.local_cell import state
from tests.live.conftest import Command, open_folder
from tests.processes import eventually

PROGRAM = """
import sys, time
import omegacell as omega

with omega.local(machines=2, machine=omega.Resources(cpu=2), runtime=sys.argv[1]) as cell:
    job = cell.submit(command=["sleep", "1000"])
    service = cell.submit(command=["sh", "-c", "while true; do sleep 1; done"])
    while not (job.status.placed and service.status.placed):
        time.sleep(0.02)
    print("ready", flush=True)
    if sys.argv[2] == "return":
        sys.exit(0)
    time.sleep(1000)
"""

# A scheduler whose database is gone tries for so long to give its jobs back before it ends.
_QUICK = {"OMEGA_DSN": "", "OMEGA_RETRY_SECONDS": "2"}


class Marked:
    """A program whose processes are known by a word in their environment, and whose files by their folder."""

    def __init__(self, *words: str) -> None:
        self._word = uuid.uuid4().hex
        self.folder = open_folder()
        env = {**os.environ, "OMEGA_TEST_MARK": self._word, "TMPDIR": str(self.folder), **_QUICK}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )

    def ready(self) -> None:
        """Wait until its tasks run."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def processes(self, word: bytes = b"") -> set[int]:
        """Its processes that are left, the program itself included; those with `word` in their command line."""
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    mine = self._word.encode() in (entry / "environ").read_bytes()
                    if mine and word in (entry / "cmdline").read_bytes():
                        found.add(int(entry.name))
                except OSError:  # it has ended, or is another user's
                    continue
        return found

    def end(self) -> None:
        """Kill what is left, whatever the test found."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.communicate(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def start() -> Iterator[Callable[..., Marked]]:
    """Starts programs, and ends what is left of them."""
    started: list[Marked] = []

    def begin(*words: str) -> Marked:
        started.append(Marked(*words))
        started[-1].ready()
        return started[-1]

    yield begin
    for one in started:
        one.end()


def nothing_left(program: Marked, *, seconds: float = 40.0) -> None:
    program.process.wait(timeout=seconds)
    eventually(lambda: not program.processes(), seconds=seconds, what="processes are left")
    eventually(lambda: not list(program.folder.iterdir()), seconds=5, what="files are left")


def test_a_cell_of_processes_ends_with_its_block(start: Callable[..., Marked]) -> None:
    program = start("process", "return")
    assert program.process.wait(timeout=30) == 0
    assert not program.processes()
    assert not list(program.folder.iterdir())


def test_ctrl_c_leaves_nothing(start: Callable[..., Marked]) -> None:
    program = start("process", "stay")
    os.killpg(program.process.pid, signal.SIGINT)
    nothing_left(program)


def test_kill_9_of_the_program_leaves_nothing(start: Callable[..., Marked]) -> None:
    program = start("process", "stay")
    program.process.kill()
    nothing_left(program)


def test_kill_9_of_the_program_and_the_keeper_leaves_nothing(start: Callable[..., Marked]) -> None:
    program = start("process", "stay")
    (keeper,) = program.processes(b"omegacell.local_cell.keeper")
    os.kill(keeper, signal.SIGKILL)
    program.process.kill()
    nothing_left(program)


def test_a_cell_on_ray_leaves_nothing_after_kill_9(start: Callable[..., Marked]) -> None:
    program = start("ray", "stay")
    assert program.processes(b"ray::SchedulerShell")
    program.process.kill()
    nothing_left(program)


def test_a_killed_scheduler_and_worker_are_started_again(omega: Command) -> None:
    before = {(one["name"], one["token"]) for one in omega("schedulers", "--json").told["schedulers"]}
    job_id = omega(
        "submit", "-", stdin='{"command": ["sleep", "2"], "count": 8, "name": "through"}'
    ).out.strip()
    for name in ("omega scheduler run --name batch-0", "omega worker run"):
        for pid in _pids(name, omega.env["OMEGA_DATA_DIR"]):
            os.kill(pid, signal.SIGKILL)
    waited = omega("wait", "--timeout", "60", "--json", job_id)
    assert waited.told["jobs"][0]["succeeded"] == 8
    after = {(one["name"], one["token"]) for one in omega("schedulers", "--json").told["schedulers"]}
    assert {name for name, _ in before ^ after} == {"batch-0"}
    assert omega("fsck").code == 0


def test_a_killed_database_is_started_again_and_the_job_ends(omega: Command) -> None:
    job_id = omega(
        "submit", "-", stdin='{"command": ["sleep", "1"], "count": 12, "name": "through"}'
    ).out.strip()
    eventually(lambda: omega("job", "--json", job_id).told["succeeded"] > 0, what="no task ended")
    pid_file = Path(omega.env["OMEGA_DATA_DIR"]) / "postgres" / "postmaster.pid"
    os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)
    waited = omega("wait", "--timeout", "60", "--json", job_id)
    assert waited.told["jobs"][0]["succeeded"] == 12
    assert omega("fsck").code == 0


def test_schedulers_are_started_and_ended_as_wished(omega: Command) -> None:
    def alive() -> set[str]:
        return {one["name"] for one in omega("schedulers", "--json").told["schedulers"] if one["alive"]}

    with connect(omega.env) as cell:
        cell.scale_schedulers("batch", 3)
        eventually(lambda: {"batch-0", "batch-1", "batch-2"} <= alive(), what="two more batch schedulers")
        cell.scale_schedulers("batch", 1)
        eventually(lambda: alive() == {"batch-0", "service-0"}, what="two batch schedulers less")
        cell.drain_scheduler("batch-0")
        eventually(lambda: alive() == {"service-0"}, what="a drained scheduler")
        token = {one.name: one.token for one in cell.schedulers()}
        # One that died meanwhile is started again, and the drained one has had the time for it as well.
        for pid in _pids("omega scheduler run --name service-0", omega.env["OMEGA_DATA_DIR"]):
            os.kill(pid, signal.SIGKILL)
        eventually(
            lambda: {one.name: one.token for one in cell.schedulers()} != token, what="a new service-0"
        )
        assert alive() == {"service-0"}
        cell.release_scheduler("batch-0")
        eventually(lambda: alive() == {"batch-0", "service-0"}, what="a scheduler that is wanted again")
        assert cell.submit(command=["true"]).wait(timeout=60).state == "succeeded"


def connect(env: Mapping[str, str]) -> Cell:
    running = state.running(Path(env["OMEGA_DATA_DIR"]))
    assert running is not None
    return omegacell.connect(running.dsn)


def _pids(word: str, data_dir: str) -> list[int]:
    """Processes of the cell on that data directory with `word` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                here = f"OMEGA_DATA_DIR={data_dir}\0".encode() in (entry / "environ").read_bytes() + b"\0"
                if here and word.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
