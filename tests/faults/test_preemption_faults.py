"""A fault between the commit that preempts and the winner's start: nothing is lost, nothing runs beside its victim."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from omegacell.cellstate.model import (
    Amounts,
    AttemptState,
    CommitMode,
    JobSpec,
    JobState,
    Submission,
    TaskKind,
)
from omegacell.cellstate.postgres import PostgresStore
from tests.processes import eventually, running, scheduler, worker

MEMBERS = 2


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a lost process is found out in test time."""
    monkeypatch.setenv("OMEGA_LEASE_SECONDS", "2")


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(database)
    yield store
    assert store.check() == ()
    store.close()


def submit(store: PostgresStore, name: str, script: str, **fields: object) -> int:
    """A job of MEMBERS shell scripts of one CPU each."""
    spec = JobSpec(
        name=name,
        kind=TaskKind.COMMAND,
        command=("sh", "-c", script),
        task_count=MEMBERS,
        amounts=Amounts(cpu_milli=1000),
        env={"PATH": os.environ["PATH"]},
        cwd="/",
        **fields,  # type: ignore[arg-type]  # JobSpec's own
    )
    return store.submit([Submission(submission_id=uuid4(), spec=spec)])[0].job_id


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_a_worker_lost_while_winners_wait_for_their_victims(
    store: PostgresStore, database: str, tmp_path: Path, fault: str
) -> None:
    """The victims ignore the polite signal, so that the fault falls between the commit and the start."""
    stubborn = (
        f"trap '' TERM; echo begun >> {tmp_path}/batch; while [ ! -e {tmp_path}/over ]; do sleep 0.05; done"
    )
    agent = worker(database, "w0", "--machines", str(MEMBERS), "--cpu", "1")
    with running(scheduler(database, "s0"), agent):
        batch = submit(store, "batch", stubborn, max_lost=20)
        eventually((tmp_path / "batch").exists, what="the batch runs")
        eventually(lambda: all(one.running for one in store.placements(batch)), what="both are reported")
        gang = submit(
            store, "gang", f"echo $OMEGA_TASK_INDEX >> {tmp_path}/gang", priority=500, commit=CommitMode.GANG,
            max_lost=20,
        )  # fmt: skip
        eventually(lambda: store.job(gang).placed == MEMBERS, what="the gang has the machines")
        assert len(store.preemptions(gang)) == MEMBERS
        assert not (tmp_path / "gang").exists()  # its victims are still there
        if fault == "killed":
            agent.kill()
        else:
            os.kill(agent.pid, signal.SIGSTOP)
        with running(worker(database, "w1", "--machines", str(MEMBERS), "--cpu", "1")):
            eventually(lambda: store.job(gang).state.final, seconds=60, what="the gang ends elsewhere")
            assert store.job(gang).state is JobState.SUCCEEDED
            (tmp_path / "over").touch()
            eventually(lambda: store.job(batch).state.final, seconds=60, what="the batch ends after it")
            if fault == "frozen":
                os.kill(agent.pid, signal.SIGCONT)
    status = store.job(batch)
    assert (status.state, status.succeeded, status.failed) == (JobState.SUCCEEDED, MEMBERS, 0)
    assert sorted((tmp_path / "gang").read_text().split()) == [str(member) for member in range(MEMBERS)]
    for job in (batch, gang):
        attempts = {outcome.state for outcome in store.outcomes(job)}
        assert {AttemptState.LOST, AttemptState.SUCCEEDED} <= attempts
        # Where the lost batch task was placed on the new worker before the gang's, the gang took its place again.
        assert attempts <= {AttemptState.LOST, AttemptState.SUCCEEDED, AttemptState.PREEMPTED}
