"""Python callables: results, exceptions, limits, output, and processes that die."""

from __future__ import annotations

import os
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from omegacell.cellstate.model import AttemptState, Ended, Stop, TaskKind
from omegacell.workers.logs import LogPaths, PoolOutput, log_paths
from tests.unit.workers.tasks import Bench, call, definition, runs, task, text_of, until

# As the client does with the user's own modules: what is defined here travels by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def value_of(end: Ended) -> Any:
    """What the callable returned."""
    assert end.state is AttemptState.SUCCEEDED, end
    kind, value = pickle.loads(end.result)
    assert kind == "ok"
    return value


def error_of(end: Ended) -> tuple[BaseException, str]:
    """What it raised, and the traceback's text."""
    kind, error, text = pickle.loads(end.result)
    assert kind == "error"
    return error, text


class NeedsTwo(Exception):
    """Pickles and does not unpickle."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_the_result_comes_back(bench: Bench) -> None:
    end = bench.run(call(lambda a, b: {"sum": a + b}, 2, 3))
    assert value_of(end) == {"sum": 5}
    assert end.exit_code == -1


def test_a_job_without_inputs_calls_with_no_arguments_and_tells_the_index(bench: Bench) -> None:
    payload = cloudpickle.dumps(lambda: os.environ["OMEGA_TASK_INDEX"])
    made = definition(kind=TaskKind.FUNCTION, payload=payload)
    assert sorted(value_of(end) for end in bench.run_all(task(made, index=4), task(made, index=5))) == [
        "4",
        "5",
    ]


def test_an_exception_comes_back_with_the_text_of_its_traceback(bench: Bench) -> None:
    def fails() -> None:
        raise ValueError("no such luck")

    end = bench.run(call(fails))
    error, text = error_of(end)
    assert (end.state, end.error) == (AttemptState.FAILED, "ValueError: no such luck")
    assert isinstance(error, ValueError)
    assert "in fails" in text
    assert "pool_process" not in text


def test_an_exception_that_does_not_unpickle_comes_back_as_its_text(bench: Bench) -> None:
    def fails() -> None:
        raise NeedsTwo(1, 2)

    error, text = error_of(bench.run(call(fails)))
    assert isinstance(error, RuntimeError)
    assert str(error) == "NeedsTwo: 1 and 2"
    assert "raise NeedsTwo(1, 2)" in text


def test_leaving_the_interpreter_is_a_failure_of_that_task(bench: Bench) -> None:
    end = bench.run(call(sys.exit, 3))
    assert (end.state, end.error) == (AttemptState.FAILED, "SystemExit: 3")


def test_a_result_over_the_limit_fails_with_its_size_and_the_setting(bench: Bench) -> None:
    end = bench.run(call(bytes, 200_000))
    assert end.state is AttemptState.FAILED
    assert "the limit is 100000 (OMEGA_RESULT_LIMIT_BYTES)" in end.error
    assert len(end.result) < 1000


def test_a_result_that_does_not_pickle_says_so(bench: Bench) -> None:
    end = bench.run(call(lambda: (n for n in range(3))))
    assert end.state is AttemptState.FAILED
    assert end.error.startswith("the result, a generator, does not pickle")


def test_a_callable_that_cannot_be_loaded_fails_to_start(bench: Bench) -> None:
    made = definition(kind=TaskKind.FUNCTION, payload=b"cno_such_module\nno_such_name\n.")
    end = bench.run(task(made))
    assert end.state is AttemptState.START_FAILED
    assert end.error == "ModuleNotFoundError: No module named 'no_such_module'"


def test_a_process_that_dies_fails_its_own_task_only(bench: Bench, tmp_path: Path) -> None:
    def outlive(gate: str) -> str:
        while not os.path.exists(gate):
            time.sleep(0.01)
        return "alive"

    gate = tmp_path / "gate"
    survivor, victim = call(outlive, str(gate)), call(os._exit, 3)
    bench.runner.start([survivor])
    end = bench.run(victim)
    gate.touch()
    assert value_of(bench.next_end()) == "alive"
    assert (end.state, end.exit_code) == (AttemptState.FAILED, 3)
    assert end.error == "its process ended before the callable returned: exit code 3"


def test_a_crash_names_the_signal_and_shows_what_was_written_before(bench: Bench) -> None:
    def crash() -> None:
        print("last words", flush=True)
        os.abort()

    end = bench.run(call(crash))
    assert (end.state, end.stdout_tail) == (AttemptState.FAILED, "last words\n")
    assert "killed by SIGABRT" in end.error
    assert "Fatal Python error: Aborted" in end.stderr_tail


def test_processes_are_used_again_by_other_jobs(bench: Bench) -> None:
    first, second = (value_of(bench.run(call(os.getpid))) for _ in range(2))
    assert first == second != os.getpid()


def test_jobs_with_another_environment_get_another_process(bench: Bench) -> None:
    def look() -> tuple[int, str]:
        return os.getpid(), os.environ.get("MODE", "")

    one, other = (value_of(bench.run(call(look, env={"MODE": mode}))) for mode in ("one", "other"))
    assert (one[1], other[1]) == ("one", "other")
    assert one[0] != other[0]


def test_output_goes_to_the_task_that_wrote_it(bench: Bench) -> None:
    def speak(word: str) -> None:
        print(word)
        os.system("echo child >&2")

    tasks = [call(speak, word) for word in ("one", "two")]
    ends = [bench.run(made) for made in tasks]
    silent = bench.run(call(len, "abc"))
    assert [end.stdout_tail for end in ends] == ["one\n", "two\n"]
    assert [end.stderr_tail for end in ends] == ["child\n", "child\n"]
    assert (silent.stdout_tail, silent.stderr_tail) == ("", "")
    paths = log_paths(bench.settings.log_directory, tasks[0].key.job_id, 0, 1)
    assert text_of(Path(paths.stdout)) == "one\n"


def test_output_can_be_followed_while_the_callable_runs(bench: Bench, tmp_path: Path) -> None:
    def speak_and_wait(gate: str) -> None:
        print("begun")
        while not os.path.exists(gate):
            time.sleep(0.01)
        print("done")

    gate = tmp_path / "gate"
    made = call(speak_and_wait, str(gate))
    stdout = Path(log_paths(bench.settings.log_directory, made.key.job_id, 0, 1).stdout)
    bench.runner.start([made])
    until(lambda: text_of(stdout) == "begun\n", "the output so far")
    gate.touch()
    assert bench.next_end().stdout_tail == "begun\ndone\n"
    assert bench.run(call(print, "next")).stdout_tail == "next\n"
    assert text_of(stdout) == "begun\ndone\n"


def test_a_timeout_ends_that_process_only(bench: Bench) -> None:
    end = bench.run(call(time.sleep, 60, timeout_seconds=0.5))
    assert (end.state, end.error) == (AttemptState.TIMED_OUT, "ran longer than its timeout of 0.5 s")
    assert value_of(bench.run(call(len, "abc"))) == 3


def test_cancellation_ends_it_grandchildren_included(bench: Bench, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    made = call(os.system, f"echo $$ > {note}; sleep 60")
    bench.runner.start([made])
    until(lambda: text_of(note).endswith("\n"), "the grandchild runs")
    bench.runner.stop(made.key, Stop.CANCEL)
    assert bench.next_end().state is AttemptState.CANCELLED
    until(lambda: not runs(int(text_of(note))), "the grandchild is gone")


def test_the_working_directory_is_the_jobs_for_every_task(bench: Bench, tmp_path: Path) -> None:
    def move() -> str:
        here = os.getcwd()
        os.chdir("/")
        return here

    assert [value_of(bench.run(call(move, cwd=str(tmp_path)))) for _ in range(2)] == [str(tmp_path)] * 2


def test_a_missing_working_directory_fails_to_start(bench: Bench, tmp_path: Path) -> None:
    end = bench.run(call(len, "abc", cwd=str(tmp_path / "gone")))
    assert end.state is AttemptState.START_FAILED
    assert "does not exist" in end.error


def test_a_callable_of_a_sibling_module_works_by_value(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sibling_of_script.py").write_text("FACTOR = 3\ndef triple(x):\n    return FACTOR * x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import sibling_of_script  # type: ignore[import-not-found]  # written above

    cloudpickle.register_pickle_by_value(sibling_of_script)
    made = call(sibling_of_script.triple, 14)
    cloudpickle.unregister_pickle_by_value(sibling_of_script)
    assert value_of(bench.run(made)) == 42


def test_the_submitters_paths_are_searched_last(bench: Bench, tmp_path: Path) -> None:
    def look() -> tuple[int, bool]:
        import mine  # type: ignore[import-not-found]  # written below
        import numpy as np

        return mine.VALUE, hasattr(np, "array")

    (tmp_path / "mine.py").write_text("VALUE = 7\n")
    (tmp_path / "numpy.py").write_text("raise RuntimeError('the wrong numpy')\n")
    assert value_of(bench.run(call(look, env={"OMEGA_SYS_PATH": str(tmp_path)}))) == (7, True)


def test_folders_named_like_ours_do_no_harm(bench: Bench, tmp_path: Path) -> None:
    for name in ("workers", "schedulers", "migrations", "cloudpickle"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not this one')\n")
    env = {"OMEGA_SYS_PATH": str(tmp_path)}
    assert value_of(bench.run(call(len, "abc", cwd=str(tmp_path), env=env))) == 3


def test_a_large_argument_reaches_a_process_that_is_still_starting(bench: Bench) -> None:
    assert value_of(bench.run(call(len, b"x" * 5_000_000))) == 5_000_000


def test_a_link_made_too_late_leaves_what_the_process_has_moved(tmp_path: Path) -> None:
    """The process has moved the output of a task that ended, and the agent does not know it yet."""
    output = PoolOutput(tmp_path / "pool")
    logs = LogPaths(stdout=str(tmp_path / "0.1.stdout"), stderr=str(tmp_path / "0.1.stderr"))
    (tmp_path / "pool").mkdir()
    for path in (output.paths.stdout, output.paths.stderr):
        Path(path).touch()
    began = time.time()
    Path(logs.stdout).write_text("one\n")
    Path(logs.stderr).write_text("of an earlier cell")
    os.utime(logs.stderr, (began - 60, began - 60))
    output.link(logs, began)
    assert Path(logs.stdout).read_text() == "one\n"
    assert Path(logs.stderr).samefile(output.paths.stderr)
