"""kill -9 of a scheduler, a worker and PostgreSQL while a job runs on real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from omegacell import migrations
from omegacell.cellstate.model import Amounts, AttemptState, JobSpec, JobState, Submission, TaskKind
from omegacell.cellstate.postgres import PostgresStore
from omegacell.embedded_postgres import EmbeddedPostgres
from tests.processes import Running, eventually, running, scheduler, worker

TASKS = 40


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a lost process is found out in test time."""
    monkeypatch.setenv("OMEGA_LEASE_SECONDS", "2")


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(database)
    yield store
    store.close()


def submit(store: PostgresStore, evidence: Path, *, seconds: float = 0.2) -> int:
    """A job whose tasks write their index to a file each time they run."""
    command = ("sh", "-c", f"sleep {seconds}; echo $OMEGA_TASK_INDEX >> {evidence}")
    spec = JobSpec(
        name="evidence",
        kind=TaskKind.COMMAND,
        command=command,
        task_count=TASKS,
        amounts=Amounts(cpu_milli=1000),
        env={"PATH": os.environ["PATH"]},
        cwd="/",
        max_lost=50,
    )
    return store.submit([Submission(submission_id=uuid4(), spec=spec)])[0].job_id


def under_way(store: PostgresStore, job: int) -> None:
    eventually(lambda: store.job(job).succeeded >= 4, what="some tasks have ended, most have not")


def ends_well(store: PostgresStore, job: int, evidence: Path) -> None:
    """The job succeeds, every task ran and has one final outcome, and the invariants hold."""
    eventually(lambda: store.job(job).state.final, seconds=60, what=f"job j{job} ends")
    status = store.job(job)
    assert status.state is JobState.SUCCEEDED
    finals = store.outcomes(job, final_only=True)
    assert [outcome.task_index for outcome in finals] == list(range(TASKS))
    assert {outcome.state for outcome in finals} == {AttemptState.SUCCEEDED}
    assert {int(line) for line in evidence.read_text().split()} == set(range(TASKS))
    assert store.check() == ()


def workers(database: str) -> tuple[Running, ...]:
    return tuple(worker(database, f"w{number}", "--machines", "1", "--cpu", "2") for number in range(2))


def test_a_killed_scheduler(store: PostgresStore, database: str, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    victim, other = scheduler(database, "s0"), scheduler(database, "s1")
    with running(victim, other, *workers(database)):
        job = submit(store, evidence)
        under_way(store, job)
        victim.kill()
        ends_well(store, job, evidence)


def test_the_only_scheduler_killed_while_it_holds_jobs_and_started_anew(
    store: PostgresStore, database: str, tmp_path: Path
) -> None:
    evidence = tmp_path / "evidence"
    victim = scheduler(database, "s0", "--think-job", "600")
    with running(victim, *workers(database)):
        job = submit(store, evidence, seconds=0.05)
        eventually(lambda: store.job(job).claimed_by != 0, what="the scheduler thinks about the job")
        victim.kill()
        with running(scheduler(database, "s0")):
            ends_well(store, job, evidence)


def test_a_killed_worker(store: PostgresStore, database: str, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    victim, other = workers(database)
    with running(scheduler(database, "s0"), victim, other):
        job = submit(store, evidence)
        under_way(store, job)
        eventually(
            lambda: all(machine.placements for machine in store.machines()), what="both workers run tasks"
        )
        victim.kill()
        ends_well(store, job, evidence)
    lost = [outcome for outcome in store.outcomes(job) if outcome.state is AttemptState.LOST]
    assert lost
    assert not any(outcome.final for outcome in lost)


def test_a_killed_postgresql(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    with EmbeddedPostgres.temporary() as server:
        migrations.upgrade(server.dsn)
        store = PostgresStore(server.dsn)
        with running(scheduler(server.dsn, "s0"), *workers(server.dsn)):
            job = submit(store, evidence)
            under_way(store, job)
            os.kill(server.postmaster_pid, signal.SIGKILL)
            ends_well(store, job, evidence)
        counts = store.job(job)
        assert (counts.succeeded, counts.failed, counts.cancelled) == (TASKS, 0, 0)
        store.close()
