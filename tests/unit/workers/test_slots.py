"""Slots of several commands: one after another, reported together, split when they last, stopped in the middle."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from omegacell.cellstate.model import AttemptState, Stop
from omegacell.workers.logs import log_paths
from omegacell.workers.runner import Report
from tests.unit.workers.tasks import Bench, command, definition, runs, shells, slot, text_of, until


def states_of(report: Report) -> list[tuple[int, AttemptState]]:
    """Index and state of each end."""
    return [(end.task_index, end.state) for end in report.ended]


def succeeded(*indexes: int) -> list[tuple[int, AttemptState]]:
    return [(index, AttemptState.SUCCEEDED) for index in indexes]


def test_a_slot_runs_its_tasks_one_after_another_and_reports_them_together(
    bench: Bench, tmp_path: Path
) -> None:
    evidence = tmp_path / "evidence"
    made = shells(f"echo $OMEGA_TASK_INDEX $OMEGA_ATTEMPT >> {evidence}", 4, index=3)
    report = bench.report(made)
    assert states_of(report) == succeeded(3, 4, 5, 6)
    assert {end.first_index for end in report.ended} == {3}
    assert (report.key, report.kept, report.given_back) == (made.key, (), 0)
    assert text_of(evidence).split("\n")[:-1] == ["3 1", "4 1", "5 1", "6 1"]
    assert all(
        one.ended_at <= two.started_at for one, two in zip(report.ended, report.ended[1:], strict=False)
    )


def test_each_command_of_a_slot_has_its_own_item_and_log(bench: Bench) -> None:
    made = slot(definition(command=["echo", "{item}"], has_inputs=True), 3, inputs=[b"a", b"b", b"c"])
    assert [end.stdout_tail for end in bench.report(made).ended] == ["a\n", "b\n", "c\n"]
    paths = [log_paths(bench.settings.log_directory, made.key.job_id, index, 1) for index in range(3)]
    assert [text_of(Path(path.stdout)) for path in paths] == ["a\n", "b\n", "c\n"]


def test_a_failure_in_the_middle_is_that_tasks_alone(bench: Bench) -> None:
    report = bench.report(shells("[ $OMEGA_TASK_INDEX != 1 ]", 3))
    assert states_of(report) == [
        (0, AttemptState.SUCCEEDED),
        (1, AttemptState.FAILED),
        (2, AttemptState.SUCCEEDED),
    ]


def test_a_command_that_is_missing_fails_to_start_for_every_task(bench: Bench) -> None:
    report = bench.report(slot(definition(command=["no-such-program-here"]), 5))
    assert states_of(report) == [(index, AttemptState.START_FAILED) for index in range(5)]


def test_a_timeout_is_each_tasks_own(bench: Bench) -> None:
    report = bench.report(shells("[ $OMEGA_TASK_INDEX != 0 ] || sleep 60", 2, timeout_seconds=0.05))
    assert states_of(report) == [(0, AttemptState.TIMED_OUT), (1, AttemptState.SUCCEEDED)]


def test_a_slot_that_lasts_reports_what_ended_and_goes_on_with_the_running_task_alone(
    bench: Bench, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    note = f"echo $OMEGA_TASK_INDEX >> {tmp_path}/ran"
    made = shells(f"{note}; [ $OMEGA_TASK_INDEX != 2 ] || until [ -e {gate} ]; do sleep 0.02; done", 5)
    first = bench.report(made)
    assert states_of(first) == succeeded(0, 1)
    (kept,) = first.kept
    assert (kept.first_index, kept.task_index, kept.attempt, first.given_back) == (0, 2, 1, 2)
    gate.touch()
    second = bench.next_report()
    assert states_of(second) == succeeded(2)
    assert (second.key, second.ended[0].first_index, second.kept) == (made.key, 2, ())
    assert text_of(tmp_path / "ran") == "0\n1\n2\n"


def test_a_slot_is_split_once(bench: Bench) -> None:
    began = time.monotonic()
    made = shells("sleep 0.5", 3)
    first, second = bench.report(made), bench.next_report()
    assert (first.ended, first.kept[0].task_index, first.given_back) == ((), 0, 2)
    assert states_of(second) == succeeded(0)
    assert time.monotonic() - began < 5


def test_a_single_task_is_never_split(bench: Bench) -> None:
    assert bench.report(command("sleep", "0.4")).kept == ()


@pytest.mark.parametrize(
    ("stop", "state"), [(Stop.CANCEL, AttemptState.CANCELLED), (Stop.PREEMPT, AttemptState.PREEMPTED)]
)
def test_a_stop_in_the_middle_ends_the_running_task_and_says_nothing_of_the_rest(
    bench: Bench, tmp_path: Path, stop: Stop, state: AttemptState
) -> None:
    note = tmp_path / "pid"
    made = shells(f"[ $OMEGA_TASK_INDEX != 1 ] || {{ echo $$ > {note}; sleep 60; }}", 4)
    bench.runner.start([made])
    until(lambda: text_of(note).endswith("\n"), "the second task runs")
    bench.runner.stop(made.key, stop)
    report = bench.next_report()
    if report.kept:  # it took so long that the slot was split before
        assert states_of(report) == succeeded(0)
        report = bench.next_report()
        assert states_of(report) == [(1, state)]
    else:
        assert states_of(report) == [(0, AttemptState.SUCCEEDED), (1, state)]
        assert report.given_back == 2
    assert not runs(int(text_of(note)))


def test_a_stop_reaches_a_split_slot_by_the_key_it_was_started_under(bench: Bench) -> None:
    made = shells("sleep 60", 3)
    assert bench.report(made).kept
    report = bench.stop(made, Stop.CANCEL)
    assert states_of(report) == [(0, AttemptState.CANCELLED)]


def test_a_killed_slot_begins_no_further_task(bench: Bench, tmp_path: Path) -> None:
    made = shells(f"echo $$ >> {tmp_path}/pids; sleep 60", 3)
    bench.runner.start([made])
    until(lambda: text_of(tmp_path / "pids").endswith("\n"), "the first task runs")
    bench.runner.kill([made.key])
    while bench.next_report().kept:
        pass
    assert bench.runner.idle(10)
    assert len(text_of(tmp_path / "pids").split()) == 1
