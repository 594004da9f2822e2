"""The executor against a running cell: whole programs, pools that lose processes, programs that die."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import joblib
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

import omegacell
from omegacell.cellstate.settings import Settings
from omegacell.client.cell import Cell
from omegacell.client.connecting import find_dsn
from omegacell.joblib import OmegaBackend
from tests.live.conftest import Command, Said
from tests.processes import eventually

Script = Callable[[Mapping[str, str]], Said]
SECONDS = 60.0

PROGRAM = """
import os, sys
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, as_completed, wait
from {module} import {name} as ProcessPoolExecutor
from work import begin, divide, is_prime, level

if __name__ == "__main__":
    with ProcessPoolExecutor(max_workers=2, initializer=begin, initargs=("quiet",)) as pool:
        print(list(zip(range(10), pool.map(is_prime, range(10), chunksize=3))))
        futures = [pool.submit(pow, 3, number) for number in range(5)]
        print(sorted(future.result(timeout=60) for future in as_completed(futures)))
        done, _ = wait(futures, timeout=60, return_when=FIRST_COMPLETED)
        print(len(done), futures[0].cancel(), futures[0].running())
        print(pool.submit(level).result())
        try:
            pool.submit(divide, 1, by=0).result()
        except ZeroDivisionError as error:
            print(error, "in divide" in str(error.__cause__))
    try:
        pool.submit(abs, 1)
    except RuntimeError as error:
        print(error)
"""
WORK = """
loudness = "unset"

def begin(value):
    global loudness
    loudness = value

def level():
    return loudness

def is_prime(number):
    return number > 1 and all(number % other for other in range(2, number))

def divide(number, *, by):
    return number / by
"""


@pytest.fixture(scope="module")
def cell(omega: Command, data_dir: Path) -> Iterator[Cell]:
    """The session's cell."""
    with omegacell.connect(find_dsn(Settings(data_dir=data_dir))) as cell:
        yield cell


def test_a_program_for_processes_runs_unchanged_but_for_its_constructor(script: Script) -> None:
    names = [("concurrent.futures", "ProcessPoolExecutor"), ("omegacell", "Executor")]
    theirs, ours = (
        script({"main.py": PROGRAM.format(module=module, name=name), "work.py": WORK})
        for module, name in names
    )
    assert (ours.code, ours.err) == (0, "")
    assert ours.out == theirs.out
    assert "quiet" in ours.out


def test_ten_thousand_calls_give_each_its_result_once(cell: Cell) -> None:
    with cell.executor(resources={"cpu": 0.5}) as pool:
        futures = [pool.submit(abs, -number) for number in range(10_000)]
        assert [future.result(SECONDS) for future in futures] == list(range(10_000))
    job = cell.job(pool.job)
    status = job.wait(SECONDS)
    assert (status.state, status.succeeded, status.task_count) == ("succeeded", 10_000, 10_000)
    assert set(Counter(one.task_index for one in job.outcomes()).values()) == {1}


def test_a_process_that_dies_fails_its_own_task_only(cell: Cell) -> None:
    with cell.executor() as pool:
        dead = [pool.submit(os._exit, 3) for _ in range(3)]
        alive = [pool.submit(abs, -number) for number in range(50)]
        assert [future.result(SECONDS) for future in alive] == list(range(50))
        for future in dead:
            with pytest.raises(omegacell.TasksFailed, match="its process ended"):
                future.result(SECONDS)


def test_cancellation_reaches_the_store_as_ranges(cell: Cell) -> None:
    with cell.executor(held=True) as pool:
        futures = [pool.submit(abs, -number) for number in range(3000)]
        job = cell.job(pool.job)
        eventually(lambda: job.status.task_count == 3000)
        assert futures[7].cancel()
        assert futures[1000].cancel()
        pool.shutdown(cancel_futures=True)
        assert all(future.cancelled() for future in futures)
    assert job.wait(SECONDS).cancelled == 3000


def test_scikit_learn_searches_a_grid_over_joblib(cell: Cell) -> None:
    features, classes = make_classification(n_samples=100, random_state=1)
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, n_jobs=-1)
    with joblib.parallel_config(backend="omegacell", cell=cell):
        assert isinstance(joblib.parallel.get_active_backend()[0], OmegaBackend)
        assert joblib.effective_n_jobs(-1) == 4
        search.fit(features, classes)
    assert search.best_score_ > 0.5
    assert any(one.name == "joblib" for one in cell.jobs(limit=3))


def test_tasks_of_a_program_that_was_killed_are_cancelled_within_its_lease(
    omega: Command, cell: Cell
) -> None:
    program = """
import time, omegacell
pool = omegacell.Executor()
futures = [pool.submit(time.sleep, 1000) for _ in range(20)]
while not any(future.running() for future in futures):
    time.sleep(0.05)
print(pool.job, flush=True)
time.sleep(1000)
"""
    client = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **omega.env, "OMEGA_LEASE_SECONDS": "0.5"},
    )
    try:
        assert client.stdout is not None
        job = cell.job(client.stdout.readline().strip())
        assert job.status.state == "running"
    finally:
        client.kill()
        client.communicate()
    status = job.wait(SECONDS)
    assert (status.state, status.reason) == ("cancelled", "its program has ended")
    assert status.cancelled == 20


def test_detached_tasks_live_on_and_are_found_again(script: Script, cell: Cell) -> None:
    main = """
import omegacell
from work import is_prime

if __name__ == "__main__":
    pool = omegacell.Executor(detach=True, name="detached")
    for number in range(10):
        pool.submit(is_prime, number)
    print(pool.job)
"""
    said = script({"main.py": main, "work.py": WORK})
    assert said.code == 0, said.err
    found = cell.job(said.out.strip()).results(timeout=SECONDS)
    assert [number for number, prime in enumerate(found) if prime] == [2, 3, 5, 7]
