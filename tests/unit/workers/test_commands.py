"""Commands: how they start, end, time out and are stopped, and what they see and leave."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from omegacell.cellstate.model import AttemptState, Stop
from omegacell.workers.logs import log_paths
from tests.unit.workers.tasks import PYTHON, Bench, command, definition, runs, shell, task, text_of, until


def test_a_command_that_exits_with_zero_has_succeeded(bench: Bench) -> None:
    end = bench.run(command("true"))
    assert (end.state, end.exit_code, end.error) == (AttemptState.SUCCEEDED, 0, "")


def test_another_exit_code_is_a_failure_that_names_it(bench: Bench) -> None:
    end = bench.run(shell("exit 7"))
    assert (end.state, end.exit_code, end.error) == (AttemptState.FAILED, 7, "exit code 7")


def test_a_command_that_a_signal_ended_shows_the_shells_exit_code(bench: Bench) -> None:
    end = bench.run(shell("kill -SEGV $$"))
    assert (end.state, end.exit_code) == (AttemptState.FAILED, 128 + signal.SIGSEGV)
    assert end.error == "killed by SIGSEGV (signal 11)"


def test_a_command_that_is_not_found_fails_to_start_with_one_sentence(bench: Bench) -> None:
    end = bench.run(command("no-such-program-here"))
    assert (end.state, end.exit_code) == (AttemptState.START_FAILED, -1)
    assert end.error == (
        "command 'no-such-program-here' was not found on machine m0; give its path or set PATH in env"
    )


def test_a_file_that_is_not_executable_fails_to_start(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("hello")
    end = bench.run(command(str(tmp_path / "plain.txt")))
    assert end.state is AttemptState.START_FAILED
    assert "may not be executed" in end.error


def test_a_missing_working_directory_fails_to_start(bench: Bench, tmp_path: Path) -> None:
    end = bench.run(command("true", cwd=str(tmp_path / "gone")))
    assert end.state is AttemptState.START_FAILED
    assert "gone' does not exist on machine m0" in end.error


@pytest.mark.parametrize("item", ["a\0b", "x" * 3_000_000])
def test_an_item_that_no_process_can_be_given_fails_to_start(bench: Bench, item: str) -> None:
    end = bench.run(command("echo", "{item}", item=item))
    assert end.state is AttemptState.START_FAILED


def test_an_item_that_is_no_text_fails_to_start(bench: Bench) -> None:
    made = definition(command=["echo", "{item}"], has_inputs=True)
    end = bench.run(task(made, b"\xff\xfe"))
    assert end.state is AttemptState.START_FAILED
    assert "not UTF-8" in end.error


def test_item_is_put_into_every_argument_and_the_environment(bench: Bench) -> None:
    end = bench.run(shell('echo "{item} $OMEGA_ITEM $1"', item="0.1"))
    assert end.stdout_tail == "0.1 0.1 \n"


def test_braces_of_a_job_without_items_are_left_alone(bench: Bench) -> None:
    assert bench.run(command("echo", "{item}", "{x}")).stdout_tail == "{item} {x}\n"


def test_a_task_sees_who_it_is(bench: Bench) -> None:
    script = "echo $OMEGA_TASK_INDEX $OMEGA_ATTEMPT $OMEGA_MACHINE $OMP_NUM_THREADS"
    made = definition(command=["/bin/sh", "-c", script], cpu_milli=2500)
    end = bench.run(task(made, index=3, attempt=2))
    assert end.stdout_tail == "3 2 m0 2\n"


def test_the_jobs_environment_wins_and_the_agents_settings_stay_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMEGA_DSN", "postgresql://secret@db/cell")
    monkeypatch.setenv("RAY_JOB_ID", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    bench = Bench(tmp_path)
    try:
        script = "echo ${OMEGA_DSN-none} ${RAY_JOB_ID-none} ${CUDA_VISIBLE_DEVICES-none} $OMP_NUM_THREADS"
        end = bench.run(shell(script, env={"OMP_NUM_THREADS": "9"}))
    finally:
        bench.runner.close()
    assert end.stdout_tail == "none none none 9\n"


def test_path_of_the_job_finds_its_program_and_pwd_follows_the_directory(
    bench: Bench, tmp_path: Path
) -> None:
    program = tmp_path / "my-own-program"
    program.write_text('#!/bin/sh\necho "$PWD"\n')
    program.chmod(0o755)
    end = bench.run(command("my-own-program", env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, cwd=str(tmp_path)))
    assert end.stdout_tail == f"{tmp_path}\n"


def test_stdout_and_stderr_have_a_file_each_and_their_ends_are_in_the_report(bench: Bench) -> None:
    made = shell("seq 1 2000; echo oops >&2; exit 1")
    end = bench.run(made)
    paths = log_paths(bench.settings.log_directory, made.key.job_id, 0, 1)
    assert len(end.stdout_tail) == 1000
    assert end.stdout_tail.endswith("\n1999\n2000\n")
    assert end.stderr_tail == "oops\n"
    assert text_of(Path(paths.stdout)).startswith("1\n2\n")


def test_files_without_output_do_not_stay(bench: Bench) -> None:
    made = command("true")
    bench.run(made)
    paths = log_paths(bench.settings.log_directory, made.key.job_id, 0, 1)
    assert not Path(paths.stdout).exists()
    assert not Path(paths.stderr).exists()


def test_output_that_the_store_cannot_keep_is_made_printable(bench: Bench) -> None:
    end = bench.run(shell(r"printf 'a\000b\377c'"))
    assert end.stdout_tail == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def test_a_task_has_no_descriptor_but_its_own_three(bench: Bench) -> None:
    end = bench.run(shell("ls /proc/$$/fd"))
    assert end.stdout_tail.split() == ["0", "1", "2"]


def test_a_timeout_of_a_month_lets_tasks_end(bench: Bench) -> None:
    assert bench.run(command("sleep", "0.2", timeout_seconds=31 * 86400.0)).state is AttemptState.SUCCEEDED


def test_a_timeout_terminates_first(bench: Bench) -> None:
    end = bench.run(shell("trap 'echo bye; exit 0' TERM; sleep 60 & wait", timeout_seconds=0.3))
    assert (end.state, end.exit_code, end.stdout_tail) == (AttemptState.TIMED_OUT, 0, "bye\n")
    assert end.error == "ran longer than its timeout of 0.3 s"


def test_a_timeout_kills_what_does_not_obey(bench: Bench) -> None:
    end = bench.run(shell("trap '' TERM; while :; do sleep 0.1; done", timeout_seconds=0.2))
    assert (end.state, end.exit_code) == (AttemptState.TIMED_OUT, 128 + signal.SIGKILL)


@pytest.mark.parametrize(
    ("stop", "state"), [(Stop.CANCEL, AttemptState.CANCELLED), (Stop.PREEMPT, AttemptState.PREEMPTED)]
)
def test_a_stop_reaches_grandchildren(bench: Bench, tmp_path: Path, stop: Stop, state: AttemptState) -> None:
    note = tmp_path / "pid"
    made = shell(f"(sh -c 'echo $$ > {note}; exec sleep 60') & wait")
    bench.runner.start([made])
    until(lambda: text_of(note).endswith("\n"), "the grandchild runs")
    bench.runner.stop(made.key, stop)
    assert bench.next_end().state is state
    until(lambda: not runs(int(text_of(note))), "the grandchild is gone")


def test_what_a_command_leaves_in_its_group_ends_with_it(bench: Bench, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    bench.run(shell(f"sleep 60 & echo $! > {note}"))
    until(lambda: not runs(int(text_of(note))), "the leftover is gone")


def test_stopping_what_has_ended_changes_nothing(bench: Bench) -> None:
    made = command("true")
    assert bench.run(made).state is AttemptState.SUCCEEDED
    bench.runner.stop(made.key, Stop.CANCEL)
    assert bench.run(command("true")).state is AttemptState.SUCCEEDED


def test_many_commands_run_at_once_without_a_thread_each(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"while [ ! -e {gate} ]; do sleep 0.02; done"
    bench.runner.start([shell(script) for _ in range(40)])
    until(lambda: _children_of(os.getpid()) > 40, "all run at once, and the guard")
    assert len(os.listdir("/proc/self/task")) < 20
    gate.touch()
    assert {bench.next_end().state for _ in range(40)} == {AttemptState.SUCCEEDED}


def _children_of(pid: int) -> int:
    return len(
        [
            child
            for thread in os.listdir(f"/proc/{pid}/task")
            for child in text_of(Path(f"/proc/{pid}/task/{thread}/children")).split()
        ]
    )


def test_the_runner_goes_on_when_the_guard_dies(bench: Bench) -> None:
    first = bench.runner.guard_pid
    os.kill(first, signal.SIGKILL)
    until(lambda: bench.runner.guard_pid != first, "another guard")
    assert bench.run(command(PYTHON, "-c", "print(1)")).stdout_tail == "1\n"
