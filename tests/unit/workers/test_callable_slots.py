"""Slots of several callables in a warm process: batches, processes that die, splits, stops, devices."""

from __future__ import annotations

import os
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from omegacell.cellstate.model import AttemptState, Stop, TaskKind
from omegacell.workers.logs import log_paths
from omegacell.workers.runner import Report, Slot
from tests.unit.workers.tasks import Bench, call, calls, definition, runs, slot, text_of, until
from tests.unit.workers.test_slots import states_of, succeeded

# As the client does with the user's own modules: what is defined here travels by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def values_of(report: Report) -> list[Any]:
    """What the callables returned, in order."""
    assert {end.state for end in report.ended} == {AttemptState.SUCCEEDED}, report
    return [pickle.loads(end.result)[1] for end in report.ended]


def look(devices: tuple[int, ...], **fields: Any) -> Slot:
    """A slot of one task that tells its process and the devices that process was started with."""

    def seen() -> tuple[int, str, str]:
        return os.getpid(), os.environ.get("OMEGA_DEVICES", "-"), os.environ.get("CUDA_VISIBLE_DEVICES", "-")

    made = definition(kind=TaskKind.FUNCTION, payload=cloudpickle.dumps(seen), **fields)
    return slot(made, 1, devices=devices)


def wait_for(gate: str) -> None:
    while not os.path.exists(gate):
        time.sleep(0.01)


@pytest.fixture
def warm(bench: Bench) -> Bench:
    """A bench with a process that waits for its next slot."""
    bench.run(call(len, "abc"))
    return bench


def test_a_slot_runs_in_one_process_and_is_reported_together(warm: Bench) -> None:
    def who(number: int) -> tuple[int, int, str]:
        return os.getpid(), number, os.environ["OMEGA_TASK_INDEX"]

    report = warm.report(calls(who, *range(200)))
    values = values_of(report)
    assert [(number, index) for _, number, index in values] == [(n, str(n)) for n in range(200)]
    assert len({pid for pid, _, _ in values}) == 1
    assert [end.task_index for end in report.ended] == list(range(200))
    assert (report.kept, report.given_back) == ((), 0)
    assert all(end.started_at <= end.ended_at for end in report.ended)


def test_output_of_a_slot_goes_to_the_task_that_wrote_it(warm: Bench) -> None:
    made = calls(lambda word: print(word) if word else None, "one", "", "three")
    assert [end.stdout_tail for end in warm.report(made).ended] == ["one\n", "", "three\n"]
    paths = [log_paths(warm.settings.log_directory, made.key.job_id, index, 1) for index in range(3)]
    assert [text_of(Path(path.stdout)) for path in paths] == ["one\n", "", "three\n"]


def test_an_exception_in_the_middle_fails_that_task_alone(warm: Bench) -> None:
    report = warm.report(calls(lambda x: 1 // x, 1, 0, 2))
    assert [end.error for end in report.ended][1] == "ZeroDivisionError: integer division or modulo by zero"
    assert [end.state for end in report.ended][::2] == [AttemptState.SUCCEEDED] * 2


def test_a_process_that_dies_fails_the_task_it_ran_and_the_rest_runs_on_in_another(warm: Bench) -> None:
    def die_at(number: int) -> int:
        if number == 2:
            os._exit(3)
        return os.getpid()

    warm.runner.start([calls(die_at, *range(5))])
    report = warm.next_report()
    ends = list(report.ended)
    while report.kept:  # a process that starts slowly makes the slot last, which then is split
        report = warm.next_report()
        ends += report.ended
    assert [end.state for end in ends[:3]] == [*[AttemptState.SUCCEEDED] * 2, AttemptState.FAILED]
    assert (ends[2].exit_code, ends[2].error) == (
        3,
        "its process ended before the callable returned: exit code 3",
    )
    assert all(end.state is AttemptState.SUCCEEDED for end in ends[3:])


def test_every_task_that_kills_its_process_fails_and_none_else(bench: Bench) -> None:
    report = bench.report(calls(os._exit, 1, 2))
    ends = list(report.ended)
    while report.kept:
        report = bench.next_report()
        ends += report.ended
    assert [end.exit_code for end in ends] == [1, 2][: len(ends)]


def test_a_result_larger_than_the_socket_holds_does_not_stop_the_slot(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    try:
        bench.run(call(len, "abc"))
        report = bench.report(calls(bytes, 3_000_000, 1, 2_000_000))
        ends = list(report.ended)
        while report.kept:
            report = bench.next_report()
            ends += report.ended
        assert [len(pickle.loads(end.result)[1]) for end in ends] == [3_000_000, 1, 2_000_000][: len(ends)]
    finally:
        bench.runner.close()


def test_a_slot_that_lasts_is_split_exactly_where_it_stands(warm: Bench, tmp_path: Path) -> None:
    def work(number: int) -> int:
        with open(f"{tmp_path}/ran", "a") as file:
            file.write(f"{number}\n")
        if number == 3:
            wait_for(f"{tmp_path}/gate")
        return number

    first = warm.report(calls(work, *range(10)))
    assert states_of(first) == succeeded(0, 1, 2)
    assert (first.kept[0].task_index, first.given_back) == (3, 6)
    (tmp_path / "gate").touch()
    second = warm.next_report()
    assert states_of(second) == succeeded(3)
    assert second.ended[0].first_index == 3
    assert values_of(warm.report(calls(abs, -1, -2))) == [1, 2]
    assert text_of(tmp_path / "ran") == "0\n1\n2\n3\n"


def test_the_output_of_the_task_that_is_kept_can_be_followed(warm: Bench, tmp_path: Path) -> None:
    def speak(number: int) -> None:
        print("begun", number)
        wait_for(f"{tmp_path}/gate")

    made = calls(speak, 0, 1)
    assert warm.report(made).kept
    stdout = Path(log_paths(warm.settings.log_directory, made.key.job_id, 0, 1).stdout)
    until(lambda: text_of(stdout) == "begun 0\n", "the output so far")
    (tmp_path / "gate").touch()
    assert warm.next_end().stdout_tail == "begun 0\n"


def test_many_short_tasks_beyond_the_limit_are_split_without_running_one_twice(
    warm: Bench, tmp_path: Path
) -> None:
    def work(number: int) -> int:
        with open(f"{tmp_path}/ran", "a") as file:
            file.write(f"{number}\n")
        time.sleep(0.001)
        return number

    for _ in range(5):
        (tmp_path / "ran").unlink(missing_ok=True)
        report = warm.report(calls(work, *range(1000)))
        ends = list(report.ended)
        left = report.given_back
        while report.kept:
            report = warm.next_report()
            ends += report.ended
        assert [end.task_index for end in ends] == list(range(len(ends)))
        assert len(ends) + left == 1000
        assert left > 0
        assert [int(line) for line in text_of(tmp_path / "ran").split()] == list(range(len(ends)))


def test_a_stop_in_the_middle_keeps_the_results_so_far(warm: Bench, tmp_path: Path) -> None:
    def work(number: int) -> int:
        if number == 2:
            Path(f"{tmp_path}/reached").touch()
            time.sleep(60)
        return number

    made = calls(work, *range(5))
    warm.runner.start([made])
    until((tmp_path / "reached").exists, "the third task runs")
    warm.runner.stop(made.key, Stop.CANCEL)
    report = warm.next_report()
    ends = list(report.ended)
    if report.kept:
        ends += warm.next_report().ended
    assert [end.state for end in ends] == [*[AttemptState.SUCCEEDED] * 2, AttemptState.CANCELLED]


def test_a_timeout_ends_the_task_it_is_about_and_the_rest_runs_on(warm: Bench) -> None:
    def work(number: int) -> int:
        if number == 1:
            time.sleep(60)
        return number

    report = warm.report(calls(work, *range(3), timeout_seconds=0.1))
    ends = list(report.ended)
    while report.kept:
        report = warm.next_report()
        ends += report.ended
    assert [end.state for end in ends[:2]] == [AttemptState.SUCCEEDED, AttemptState.TIMED_OUT]
    assert all(end.state is AttemptState.SUCCEEDED for end in ends[2:])


def test_tasks_that_keep_to_their_timeout_run_on_however_long_the_slot_takes(warm: Bench) -> None:
    report = warm.report(calls(lambda _: time.sleep(0.03), *range(4), timeout_seconds=0.08))
    assert states_of(report) == succeeded(0, 1, 2, 3)


def test_devices_are_in_the_environment_from_the_processs_start(bench: Bench) -> None:
    end = bench.report(look((0, 2)))
    assert values_of(end)[0][1:] == ("0,2", "0,2")


def test_a_process_serves_the_devices_and_the_job_it_was_started_for(bench: Bench) -> None:
    def pid_of(made: Slot) -> int:
        return int(values_of(bench.report(made))[0][0])

    job = look((0,))
    again = slot(job.definition, 1, index=1, devices=(0,))
    first = pid_of(job)
    assert pid_of(again) == first
    elsewhere = pid_of(slot(job.definition, 1, index=2, devices=(1,)))
    assert elsewhere != first
    assert runs(first)
    assert pid_of(look((0,))) not in (first, elsewhere)
    until(lambda: not runs(first), "what was warm for another job on that device is gone")
    assert runs(elsewhere)


def test_without_devices_the_environment_says_nothing_of_them(bench: Bench) -> None:
    assert values_of(bench.report(look(())))[0][1] == "-"
