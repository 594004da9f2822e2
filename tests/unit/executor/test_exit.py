"""Whole programs: the interpreter's end, and copies of the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAD = """
import os, sys, threading
from concurrent.futures import wait
from pathlib import Path
from tests.unit.executor.conftest import living_cell

folder = Path(sys.argv[1])

def say(text):
    (folder / text).touch()
    return text

scene = living_cell(folder / "logs")
cell = scene.__enter__()
"""


def run(folder: Path, program: str) -> tuple[list[str], str, int]:
    """The files it made, what it said on standard error, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program, str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    made = sorted(path.name for path in folder.iterdir() if path.name != "logs")
    return made, done.stderr, done.returncode


def test_the_interpreter_finishes_pending_work_before_it_ends(tmp_path: Path) -> None:
    program = """
from omegacell.executor import exits

pool = cell.executor(held=True)
pool.submit(say, "one").add_done_callback(lambda future: say("callback"))
pool.submit(say, "two")
job = cell.job(pool.job)

def late():
    while True:
        try:
            exits.check()
        except RuntimeError:
            break
    try:
        pool.submit(say, "three")
    except RuntimeError as error:
        assert "after interpreter shutdown" in str(error)
        say("refused")
    job.release()

threading.Thread(target=late).start()
"""
    assert run(tmp_path, program) == (["callback", "one", "refused", "two"], "", 0)


def test_detached_tasks_are_stored_before_the_interpreter_ends_and_not_waited_for(tmp_path: Path) -> None:
    program = """
pool = cell.executor(held=True, detach=True)
for number in range(3):
    pool.submit(say, str(number))
import atexit
atexit.register(lambda: say(f"{cell.jobs()[0].task_count} stored"))
"""
    assert run(tmp_path, program) == (["3 stored"], "", 0)


def test_a_copy_of_the_process_is_told_and_does_not_hang(tmp_path: Path) -> None:
    program = """
pool = cell.executor(held=True)
future = pool.submit(say, "one")
child = os.fork()
if not child:
    for attempt in (lambda: pool.submit(say, "two"), future.result, future.cancel, lambda: pool.map(say, "ab")):
        try:
            attempt()
        except RuntimeError as error:
            assert "make an executor there" in str(error)
            continue
        os._exit(1)
    pool.shutdown()
    say("child")
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
cell.job(pool.job).release()
pool.shutdown()
say("parent")
"""
    assert run(tmp_path, program) == (["child", "one", "parent"], "", 0)
