"""How a job reads: its state with what else is to be known, what it waits for, where it answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omegacell.cellstate.model import Dependency, Endpoint, JobState, JobStatus
from omegacell.cli import job_view, replies

STATUS = JobStatus(
    job_id=7,
    name="seven",
    namespace="default",
    labels={},
    scheduler="batch",
    priority=100,
    service=False,
    state=JobState.PENDING,
    task_count=1,
    next_index=0,
    placed=0,
    waiting_retry=0,
    succeeded=0,
    failed=0,
    cancelled=0,
    never_placed=0,
    attempts=0,
    cancel_requested=False,
    claimed_by=0,
    reason="",
    submitted_at=1.0,
    first_attempt_at=0.0,
    first_placed_at=0.0,
    ended_at=0.0,
)


@pytest.mark.parametrize(
    ("status", "reads"),
    [
        (STATUS, "pending"),
        (replace(STATUS, state=JobState.BLOCKED, blocked_by=2, held=True), "blocked, held"),
        (
            replace(STATUS, state=JobState.RUNNING, cancel_requested=True, open=True),
            "running, being cancelled",
        ),
        (replace(STATUS, state=JobState.RUNNING, open=True), "running, open"),
        (replace(STATUS, state=JobState.RUNNING, open=True, service=True), "running"),
        (replace(STATUS, state=JobState.CANCELLED, held=True, cancel_requested=True), "cancelled"),
    ],
)
def test_a_state_has_what_else_is_to_be_known_beside_it(status: JobStatus, reads: str) -> None:
    assert job_view.state(status) == reads


def test_one_job_in_full_tells_parents_replicas_and_ports(capsys: pytest.CaptureFixture[str]) -> None:
    job_view.show_job(
        job_view.JobInFull(
            status=replace(STATUS, service=True, replicas=3, max_running=2),
            waits_for=(Dependency(parent_job=3, any_end=False), Dependency(parent_job=5, any_end=True)),
            preempted=(),
            reserved=(),
            on_devices=(),
            endpoints=(Endpoint(task_index=0, name="http", address="10.0.0.7", port=31000, machine_id=1),),
            machines={},
        )
    )
    shown = dict(line.strip().split("  ", 1) for line in capsys.readouterr().out.splitlines())
    found = {name: shown[name].strip() for name in ("waits for", "replicas", "at most placed", "answers at")}
    assert found == {
        "waits for": "j3 to succeed, j5 to end",
        "replicas": "3",
        "at most placed": "2",
        "answers at": "http 10.0.0.7:31000",
    }


def test_a_long_list_of_ports_or_parents_is_cut() -> None:
    many = [Endpoint(task_index=n, name="http", address="h", port=n, machine_id=1) for n in range(21)]
    assert job_view.endpoints(many).endswith("http h:19, ...")


def test_a_told_job_has_every_field_of_its_status() -> None:
    told = replies.job(STATUS)
    assert (told.id, told.job_id, told.name) == ("j7", 7, "seven")
