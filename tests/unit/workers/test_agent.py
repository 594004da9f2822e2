"""The agent on a cell in memory: from a placement to its outcome, and through every kind of loss."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from omegacell.cellstate.errors import MachineInUse
from omegacell.cellstate.model import AttemptState, JobState, TaskKind, WorkerSpec
from omegacell.workers.hollow import HollowRunner
from tests.unit.workers.cell import SmallCell
from tests.unit.workers.tasks import PATIENCE_SECONDS, runs, text_of, until


def test_an_array_of_commands_runs_each_with_its_item(cell: SmallCell) -> None:
    cell.start_agent()
    status = cell.run("echo", "{item}", tasks=20, inputs=tuple(b"item-%d" % n for n in range(20)))
    assert (status.state, status.succeeded) == (JobState.SUCCEEDED, 20)
    assert [cell.outcome(status.job_id, n).stdout_tail for n in (0, 19)] == ["item-0\n", "item-19\n"]


def test_a_callable_gives_its_result(cell: SmallCell) -> None:
    cell.start_agent()
    data = cloudpickle.dumps(((20,), {}))
    status = cell.run(kind=TaskKind.FUNCTION, payload=cloudpickle.dumps(math.sqrt), inputs=(data,))
    assert cloudpickle.loads(cell.outcome(status.job_id).result) == ("ok", math.sqrt(20))


def test_ends_are_told_to_those_who_wait_and_to_schedulers_who_may_use_the_room(cell: SmallCell) -> None:
    cell.start_agent()
    cell.run("true")
    assert cell.hint.sent == ["done", "jobs"]


def test_a_start_is_reported_only_of_what_lasts(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent()
    gate = tmp_path / "gate"
    job_id = cell.submit("/bin/sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.02; done")
    cell.place(job_id)
    until(lambda: cell.store.placements(job_id)[0].running, "the start is reported")
    gate.touch()
    cell.end_of(job_id)


def test_cancellation_reaches_a_running_task(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent()
    note = tmp_path / "pid"
    job_id = cell.submit("/bin/sh", "-c", f"echo $$ > {note}; sleep 60")
    cell.place(job_id)
    until(lambda: text_of(note).endswith("\n"), "the task runs")
    cell.store.cancel(job_id)
    cell.hint.announce()
    assert cell.end_of(job_id).state is JobState.CANCELLED
    assert cell.outcome(job_id).state is AttemptState.CANCELLED
    assert not runs(int(text_of(note)))


def test_drained_tasks_end_as_preempted(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent()
    job_id = cell.submit("sleep", "60")
    cell.place(job_id)
    cell.store.drain("w-0")
    assert cell.outcome(job_id).state is AttemptState.PREEMPTED


def test_what_is_cancelled_before_the_agent_saw_it_never_runs(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent()
    cell.store.away = True
    note = tmp_path / "ran"
    job_id = cell.submit("touch", str(note))
    cell.place(job_id)
    cell.store.cancel(job_id)
    cell.store.away = False
    assert cell.end_of(job_id).state is JobState.CANCELLED
    assert not note.exists()


def test_an_outage_shorter_than_the_lease_loses_nothing(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent(lease_seconds=20.0)
    started, gate = tmp_path / "started", tmp_path / "gate"
    job_id = cell.submit("/bin/sh", "-c", f"touch {started}; while [ ! -e {gate} ]; do sleep 0.02; done")
    cell.place(job_id)
    until(started.exists, "the task runs")
    cell.store.away = True
    gate.touch()
    until(lambda: not _sleeping(cell), "the task ends")
    cell.store.away = False
    assert cell.end_of(job_id).state is JobState.SUCCEEDED
    assert cell.outcome(job_id).attempt == 1


def _sleeping(cell: SmallCell) -> bool:
    return not cell.agents[0][0].runner.idle(0.05)


def test_a_lease_that_ends_kills_every_task_and_the_agent_registers_again(
    cell: SmallCell, tmp_path: Path
) -> None:
    agent = cell.start_agent(lease_seconds=1.0)
    note = tmp_path / "pid"
    job_id = cell.submit("/bin/sh", "-c", f"echo $$ > {note}; sleep 60")
    cell.place(job_id)
    until(lambda: text_of(note).endswith("\n"), "the task runs")
    before = agent.machines[0]
    cell.store.away = True
    until(lambda: not runs(int(text_of(note))), "the task is killed")
    cell.store.away = False
    until(lambda: agent.machines[0].epoch > before.epoch, "registered again")
    assert agent.machines[0].machine_id == before.machine_id
    assert cell.outcome(job_id).state is AttemptState.LOST
    cell.store.cancel(job_id)
    assert cell.run("true").state is JobState.SUCCEEDED


def test_a_replaced_agents_tasks_are_killed_and_its_words_change_nothing(
    cell: SmallCell, tmp_path: Path
) -> None:
    agent = cell.start_agent()
    note = tmp_path / "pid"
    script = f"trap '' TERM; echo $$ > {note}; while :; do sleep 0.1; done"
    job_id = cell.submit("/bin/sh", "-c", script)
    cell.place(job_id)
    until(lambda: text_of(note).endswith("\n"), "the task runs")
    token = cell.store.workers()[0].token
    spec = WorkerSpec(name="w", host="elsewhere", boot_id="b", pid=1)
    lease = cell.store.register_worker(spec, lease_seconds=0.5, replace_token=token)
    until(lambda: not runs(int(text_of(note))), "the zombie's task is killed")
    assert [outcome.state for outcome in cell.store.outcomes(job_id)] == [AttemptState.LOST]
    cell.store.release_worker(lease.holder_id, lease.token)
    until(lambda: cell.store.machines()[0].up, "the agent comes back once it may")
    assert agent.worker_id == lease.holder_id
    cell.store.cancel(job_id)


def test_the_late_word_of_a_lost_lease_kills_nothing_of_the_next(
    cell: SmallCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = cell.start_agent(lease_seconds=2.0)
    first = cell.store.workers()[0].token
    sent, answered, renew = threading.Event(), threading.Event(), cell.store.renew_worker

    def renew_slowly(worker_id: int, token: int) -> float:
        if token == first:
            sent.set()
            answered.wait(PATIENCE_SECONDS)
        return renew(worker_id, token)

    monkeypatch.setattr(cell.store, "renew_worker", renew_slowly)
    assert sent.wait(PATIENCE_SECONDS)
    cell.store.release_worker(agent.worker_id, first)  # as if reaped
    until(lambda: cell.store.machines()[0].up, "the agent has registered again")
    note, gate = tmp_path / "note", tmp_path / "gate"
    job_id = cell.submit("/bin/sh", "-c", f"touch {note}; while [ ! -e {gate} ]; do sleep 0.02; done")
    cell.place(job_id)
    until(note.exists, "the task runs")
    answered.set()
    until(lambda: [one.name for one in threading.enumerate()].count("lease") == 1, "the old keeper has ended")
    gate.touch()
    assert cell.end_of(job_id).state is JobState.SUCCEEDED


def test_a_second_agent_of_the_same_name_waits_for_the_first(cell: SmallCell) -> None:
    cell.start_agent()
    lease = cell.store.workers()[0]
    spec = WorkerSpec(name="w", host="elsewhere", boot_id="b", pid=1)
    with pytest.raises(MachineInUse):
        cell.store.register_worker(spec, lease_seconds=1.0)
    assert cell.store.workers()[0].token == lease.token


def test_stopping_reports_what_had_ended_and_gives_the_rest_back(cell: SmallCell, tmp_path: Path) -> None:
    agent = cell.start_agent()
    note = tmp_path / "pid"
    done = cell.run("true")
    job_id = cell.submit("/bin/sh", "-c", f"echo $$ > {note}; sleep 60")
    cell.place(job_id)
    until(lambda: text_of(note).endswith("\n"), "the task runs")
    agent.stop()
    until(lambda: not cell.store.machines()[0].up, "the machine is given back")
    assert not runs(int(text_of(note)))
    assert done.state is JobState.SUCCEEDED
    assert cell.outcome(job_id).state is AttemptState.LOST
    assert not cell.store.workers()[0].alive


def _hollow(seconds: float) -> Any:
    return lambda handler: HollowRunner(seconds, handler)


def test_hollow_machines_run_thousands_of_tasks_without_a_process(cell: SmallCell) -> None:
    agent = cell.start_agent(machines=1000, make_runner=_hollow(0.0))
    jobs = [cell.submit("never-run", tasks=100) for _ in range(10)]
    for job_id, machine in zip(jobs, agent.machines, strict=False):
        cell.place(job_id, machine.machine_id)
    assert {cell.end_of(job_id).state for job_id in jobs} == {JobState.SUCCEEDED}
    assert threading.active_count() < 10


def test_hollow_tasks_last_as_long_as_their_job_expects(cell: SmallCell) -> None:
    cell.start_agent(make_runner=_hollow(math.inf))
    status = cell.run("never-run", expected_duration_seconds=0.2)
    outcome = cell.outcome(status.job_id)
    assert outcome.ended_at - outcome.started_at >= 0.19


def test_hollow_tasks_without_end_stop_when_asked(cell: SmallCell) -> None:
    cell.start_agent(make_runner=_hollow(math.inf))
    job_id = cell.submit("never-run", tasks=3)
    cell.place(job_id)
    until(lambda: all(held.running for held in cell.store.placements(job_id)), "all run")
    cell.store.cancel(job_id)
    assert cell.end_of(job_id).cancelled == 3
