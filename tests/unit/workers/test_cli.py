"""The worker as a process of its own, on PostgreSQL."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from omegacell.cellstate.model import (
    Amounts,
    AttemptState,
    JobSpec,
    JobState,
    LogRequest,
    Submission,
    TaskKind,
    Transaction,
)
from omegacell.cellstate.postgres import PostgresStore
from omegacell.workers.cgroups import usable_place
from omegacell.workers.memory import isolation_of
from tests.unit.workers.tasks import PYTHON, runs, text_of, until

_MODULE = (PYTHON, "-P", "-m", "omegacell.workers.cli")


class Worker:
    """A running worker process."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [*_MODULE, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "OMEGA_LEASE_SECONDS": "60"},
        )
        assert self.process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self.process.stdout.readline() or b"{}")

    def close(self) -> None:
        """End it, if it has not ended."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path, database: str) -> Iterator[Callable[..., Worker]]:
    """Starts workers named w on a cell of the test's own."""
    started: list[Worker] = []

    def start(*words: str) -> Worker:
        options = ("--dsn", database, "--name", "w", "--log-directory", str(tmp_path / "logs"))
        started.append(Worker(*options, *words))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    """The cell of the test."""
    made = PostgresStore(database)
    yield made
    made.close()


def submit_and_place(store: PostgresStore, *command: str) -> int:
    """A job of one command, placed on the first machine."""
    spec = JobSpec(
        name="job", kind=TaskKind.COMMAND, command=command, task_count=1, amounts=Amounts(cpu_milli=10)
    )
    job_id = store.submit([Submission(submission_id=uuid4(), spec=spec)])[0].job_id
    lease = store.register_scheduler("s", "batch", lease_seconds=60)
    store.claim_jobs(lease.holder_id, lease.token, limit=100)
    columns = [[job_id], [store.machines()[0].machine_id], [1], [0]]
    job, machine, slots, seen = (np.array(column, dtype=np.int64) for column in columns)
    verdict = store.commit(
        Transaction(
            txn_id=uuid4(),
            scheduler_id=lease.holder_id,
            token=lease.token,
            job_id=job,
            machine_id=machine,
            slots=slots,
            claim_sequence=seen,
        )
    )
    assert verdict.accepted.tolist() == [1]
    return job_id


def log_of(store: PostgresStore, job_id: int) -> bytes:
    """What the worker answers of the standard output of the job's first attempt."""
    asked = LogRequest(request_id=0, job_id=job_id, task_index=0, attempt=1, stdout_from=0, stderr_from=0)
    request_id = store.ask_log(store.workers()[0].worker_id, asked)
    answers: list[bytes] = []

    def answered() -> bool:
        if (piece := store.log_answer(request_id)) is not None:
            answers.append(piece.stdout)
        return bool(answers)

    until(answered, "the worker's answer")
    return answers[0]


def test_it_says_when_it_is_ready_runs_what_is_placed_and_ends_in_order(
    start: Callable[..., Worker], store: PostgresStore
) -> None:
    worker = start("--machines", "2", "--cpu", "1.5", "--memory", "1GiB", "--attribute", "zone=a")
    assert (worker.ready["event"], worker.ready["machines"]) == ("ready", 2)
    machine = store.machines()[0]
    assert (machine.name, machine.attributes["zone"]) == ("w-0", "a")
    assert machine.attributes["isolation"] == isolation_of(usable_place())
    assert store.workers()[0].address == "127.0.0.1"
    assert (machine.capacity.cpu_milli, machine.capacity.memory_bytes) == (1500, 2**30)
    job_id = submit_and_place(store, "echo", "hello")
    until(lambda: store.job(job_id).state.final, "the job's end")
    assert store.job(job_id).state is JobState.SUCCEEDED
    assert store.outcomes(job_id)[0].stdout_tail == "hello\n"
    assert log_of(store, job_id) == b"hello\n"
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(20) == 0
    assert not store.workers()[0].alive
    assert not any(machine.up for machine in store.machines())
    assert store.check() == ()


def test_it_ends_with_its_standard_input(start: Callable[..., Worker], store: PostgresStore) -> None:
    worker = start("--stop-with-stdin", "--hollow", "3")
    assert len(store.machines()) == 3
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    worker.process.stdin = None
    assert worker.process.wait(20) == 0
    assert not store.workers()[0].alive


def test_it_ends_when_its_time_is_over(start: Callable[..., Worker], store: PostgresStore) -> None:
    assert start("--time-limit", "0.2").process.wait(20) == 0
    assert not store.workers()[0].alive


def test_after_kill_9_the_next_one_takes_over_at_once(
    start: Callable[..., Worker], store: PostgresStore, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    first = start()
    job_id = submit_and_place(store, "/bin/sh", "-c", f"echo $$ > {note}; sleep 300")
    until(lambda: text_of(note).endswith("\n"), "the task runs")
    first.close()
    second = start()
    assert second.ready["worker_id"] == first.ready["worker_id"]
    assert not runs(int(text_of(note)))
    assert store.outcomes(job_id)[0].state is AttemptState.LOST
    assert store.machines()[0].up


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "no cell is named; give --dsn or set OMEGA_DSN"),
        (("--dsn", "x", "--cpu", "none"), 2, "--cpu='none' is no number of CPUs"),
        (("--dsn", "x", "--attribute", "zone"), 2, "--attribute 'zone' is no attribute; write NAME=VALUE"),
        (("--dsn", "postgresql://127.0.0.1:1/x"), 5, "cannot be reached"),
    ],
)
def test_what_cannot_be_served_is_one_sentence_and_an_exit_code(
    words: tuple[str, ...], code: int, sentence: str, tmp_path: Path
) -> None:
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "OMEGA_RETRY_SECONDS": "0"}
    ended = subprocess.run(
        [*_MODULE, *words], capture_output=True, text=True, env=env, timeout=60, check=False
    )
    assert ended.returncode == code
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
