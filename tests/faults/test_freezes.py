"""SIGSTOP of a worker and of a scheduler, past their leases and not, and what they do when they go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from omegacell.cellstate.clock import boottime
from omegacell.cellstate.model import Amounts, AttemptState, JobSpec, JobState, Submission, TaskKind
from omegacell.cellstate.postgres import PostgresStore
from omegacell.workers.lease import MARGIN_FRACTION
from tests.processes import Running, eventually, running, scheduler, worker

LEASE_SECONDS = 4.0
SLACK_SECONDS = 0.3
"""From the renewal to the freeze: for the guard to wake and kill within what the test then expects."""

HEARTS = ("command", "grandchild", "escaped")
"""A task's own process, one it started, and one of those that made itself a session of its own."""


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a frozen process is found out in test time."""
    monkeypatch.setenv("OMEGA_LEASE_SECONDS", str(LEASE_SECONDS))


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(database)
    yield store
    store.close()


@contextmanager
def frozen(process: Running) -> Iterator[float]:
    """The process stands still; since when, by CLOCK_BOOTTIME."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield boottime()
    finally:
        os.kill(process.pid, signal.SIGCONT)


def submit(store: PostgresStore, script: str, *, tasks: int = 1) -> int:
    spec = JobSpec(
        name="evidence",
        kind=TaskKind.COMMAND,
        command=("/bin/sh", "-c", script),
        task_count=tasks,
        amounts=Amounts(cpu_milli=1000),
        env={"PATH": os.environ["PATH"]},
        cwd="/",
    )
    return store.submit([Submission(submission_id=uuid4(), spec=spec)])[0].job_id


def beating(folder: Path) -> str:
    """A script whose processes each write the time since boot to a file of theirs, over and over.

    Its second attempt writes the time once, and ends.
    """

    def beat(name: str) -> str:
        return f"while :; do cat /proc/uptime >> {folder}/{name}; sleep 0.02; done"

    return (
        f"if [ $OMEGA_ATTEMPT != 1 ]; then cat /proc/uptime >> {folder}/again; exit 0; fi;"
        f"sh -c '{beat('grandchild')}' & setsid sh -c '{beat('escaped')}' & {beat('command')}"
    )


def beats(folder: Path, name: str) -> list[float]:
    """When that process was alive."""
    path = folder / name
    lines = path.read_text().splitlines() if path.exists() else []
    return [float(line.split()[0]) for line in lines]


def finished(store: PostgresStore, job: int) -> None:
    eventually(lambda: store.job(job).state.final, seconds=60, what=f"job j{job} ends")
    assert store.job(job).state is JobState.SUCCEEDED


def just_renewed(store: PostgresStore, worker_id: int) -> None:
    """Wait for a renewal, and a little longer."""

    def expiry() -> float:
        return next(one.expires_at for one in store.workers() if one.worker_id == worker_id)

    before = expiry()
    eventually(lambda: expiry() > before, what="the lease is renewed")
    renewed = boottime()
    eventually(lambda: boottime() > renewed + SLACK_SECONDS, what="time passes")


def test_a_frozen_worker_has_nothing_running_past_its_lease_minus_the_margin_and_works_on_later(
    store: PostgresStore, database: str, tmp_path: Path
) -> None:
    workers = {name: worker(database, name, "--machines", "1", "--cpu", "2") for name in ("w0", "w1")}
    with running(scheduler(database, "s0"), *workers.values()):
        job = submit(store, beating(tmp_path))
        eventually(lambda: all(beats(tmp_path, heart) for heart in HEARTS), what="every process runs")
        (placed,) = store.placements(job)
        machine = next(one for one in store.machines() if one.machine_id == placed.machine_id)
        just_renewed(store, machine.worker_id)
        with frozen(workers[machine.name]) as since:
            finished(store, job)
        last_beats = {heart: beats(tmp_path, heart)[-1] for heart in HEARTS}
        assert max(last_beats.values()) <= since + LEASE_SECONDS * (1 - MARGIN_FRACTION), last_beats
        assert min(beats(tmp_path, "again")) > since + LEASE_SECONDS * (1 - MARGIN_FRACTION) - SLACK_SECONDS
        assert max(last_beats.values()) < min(beats(tmp_path, "again"))

        def serves_again() -> bool:
            found = next(one for one in store.machines() if one.machine_id == machine.machine_id)
            return found.up and found.epoch > machine.epoch

        eventually(serves_again, what="the worker has registered again")
        (other,) = workers.keys() - {machine.name}
        store.drain(other)
        next_job = submit(store, "exit 0")
        finished(store, next_job)
        assert [one.machine_id for one in store.outcomes(next_job)] == [machine.machine_id]
    outcomes = [(one.attempt, one.state, one.final) for one in store.outcomes(job)]
    assert outcomes == [(1, AttemptState.LOST, False), (2, AttemptState.SUCCEEDED, True)]
    assert {heart: beats(tmp_path, heart)[-1] for heart in HEARTS} == last_beats
    assert store.check() == ()


def test_a_worker_frozen_for_less_than_its_lease_loses_nothing(
    store: PostgresStore, database: str, tmp_path: Path
) -> None:
    only = worker(database, "w0", "--machines", "1", "--cpu", "2")
    with running(scheduler(database, "s0"), only):
        script = f"touch {tmp_path}/begun; until [ -e {tmp_path}/gate ]; do sleep 0.02; done; touch {tmp_path}/done"
        job = submit(store, script)
        eventually((tmp_path / "begun").exists, what="the task runs")
        just_renewed(store, store.workers()[0].worker_id)
        with frozen(only):
            (tmp_path / "gate").touch()
            eventually((tmp_path / "done").exists, what="the task ends while its agent stands still")
        finished(store, job)
    assert [(one.attempt, one.state) for one in store.outcomes(job)] == [(1, AttemptState.SUCCEEDED)]
    assert store.check() == ()


def test_a_frozen_scheduler_commits_nothing_when_it_goes_on(
    store: PostgresStore, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMEGA_LEASE_SECONDS", "2")
    tasks, evidence = 10, tmp_path / "evidence"
    thinker = scheduler(database, "s0", "--think-job", "2")
    with running(thinker, worker(database, "w0", "--machines", "1", "--cpu", "2")):
        job = submit(store, f"echo $OMEGA_TASK_INDEX >> {evidence}", tasks=tasks)
        eventually(lambda: store.job(job).claimed_by != 0, what="the scheduler thinks about the job")
        (before,) = store.schedulers()
        with frozen(thinker), running(scheduler(database, "s1")):
            finished(store, job)

            def itself() -> tuple[int, int]:
                found = next(one for one in store.schedulers() if one.name == "s0")
                return found.token, found.placements

            token, placements = itself()
            assert token <= before.token
            assert placements == 0
        eventually(lambda: itself()[0] > before.token, what="the scheduler has registered again")
        assert itself()[1] == 0
        assert store.job(job).succeeded == tasks
        assert sorted(int(line) for line in evidence.read_text().split()) == list(range(tasks))
        next_job = submit(store, "exit 0")
        finished(store, next_job)
        assert itself()[1] == 1
    assert [one.attempt for one in store.outcomes(job)] == [1] * tasks
    assert store.check() == ()
