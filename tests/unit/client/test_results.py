"""What tasks gave, and what stands in the place of what they did not give."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import CancelledError

import pytest

import omegacell as omega
from omegacell.cellstate.model import AttemptState, JobState
from omegacell.client.cell import Cell
from tests.contract.scene import Scene
from tests.unit.client.playing import ok, play, play_each


def test_results_stand_in_index_order(cell: Cell, scene: Scene) -> None:
    handle = cell.map(abs, [-1, -2, -3])
    play(scene, handle.job_id, result=ok(7))
    assert handle.wait().state is JobState.SUCCEEDED
    assert handle.results() == [7, 7, 7]


def test_a_commands_result_is_what_it_wrote(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(command=["echo", "hello"])
    play(scene, handle.job_id, exit_code=0, stdout_tail="hello\n")
    assert handle.result() == "hello\n"


def test_failed_tasks_raise_together_or_stand_as_errors_or_are_left_out(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(name="x", command=["false"], count=2)
    play(
        scene,
        handle.job_id,
        state=AttemptState.FAILED,
        exit_code=3,
        error="exit code 3",
        stderr_tail="why\nbad luck\n",
    )
    assert handle.wait().state is JobState.FAILED
    with pytest.raises(omega.TasksFailed) as caught:
        handle.results()
    assert caught.value.failed == (0, 1)
    assert [one.exit_code for one in caught.value.outcomes] == [3, 3]
    assert f"2 of 2 tasks of job {handle.id} (x) gave no result: 0, 1" in str(caught.value)
    assert f"task {handle.id}.0 failed: exit code 3: bad luck" in str(caught.value)
    assert [type(one) for one in handle.results(errors="return")] == [omega.TasksFailed] * 2
    assert handle.results(errors="skip") == []
    with pytest.raises(omega.SpecInvalid, match="errors='ignore'"):
        handle.results(errors="ignore")  # type: ignore[arg-type]  # what an untyped caller may write


def test_a_callables_exception_comes_back_with_its_traceback(cell: Cell, scene: Scene) -> None:
    handle = cell.call(int, "x")
    raised = pickle.dumps(("error", ValueError("no number"), "Traceback: line 7"))
    play(scene, handle.job_id, state=AttemptState.FAILED, result=raised, error="ValueError: no number")
    with pytest.raises(ValueError, match="no number") as caught:
        handle.result()
    assert "line 7" in str(caught.value.__cause__)


def test_a_timeout_and_a_lost_task_have_errors_of_their_own(cell: Cell, scene: Scene) -> None:
    late = cell.submit(command=["x"])
    play(scene, late.job_id, state=AttemptState.TIMED_OUT)
    lost = cell.submit(command=["x"], on_lost="fail")
    play(scene, lost.job_id, state=AttemptState.LOST)
    with pytest.raises(TimeoutError, match="ran into its timeout"):
        late.result()
    with pytest.raises(omega.TaskLost):
        lost.result()


def test_a_cancelled_job_ends_and_gives_cancelled_errors(cell: Cell) -> None:
    handle = cell.submit(command=["x"], count=2)
    assert handle.cancel().state is JobState.CANCELLED
    assert [type(one) for one in handle.results(errors="return")] == [CancelledError] * 2


def test_result_is_for_jobs_of_one_task(cell: Cell) -> None:
    handle = cell.submit(command=["x"], count=2)
    handle.cancel()
    with pytest.raises(omega.SpecInvalid, match=r"has 2 tasks, expected one; use results\(\)"):
        handle.result()


def test_waiting_ends_with_the_timeout_or_with_the_job(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(name="x", command=["true"])
    with pytest.raises(TimeoutError, match=rf"job {handle.id} \(x\) is still pending after 0 s"):
        handle.wait(timeout=0)
    seen: list[omega.JobStatus] = []
    playing = threading.Thread(target=play, args=(scene, handle.job_id))
    playing.start()
    assert handle.wait(progress=seen.append).state is JobState.SUCCEEDED
    playing.join()
    assert seen[-1].state is JobState.SUCCEEDED


def test_progress_goes_to_standard_error_as_lines_without_a_terminal(
    cell: Cell, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = cell.submit(name="x", command=["true"])
    play(scene, handle.job_id)
    handle.wait(progress=True)
    assert capsys.readouterr().err == f"{handle.id} x: 1/1 ended: 1 succeeded\n"


def test_a_waiting_time_is_told_in_round_figures(cell: Cell) -> None:
    with pytest.raises(TimeoutError, match=r"still pending after 0\.01 s$"):
        cell.submit(command=["x"]).wait(timeout=0.0099999)


def test_of_a_hundred_tasks_three_fail_and_the_others_keep_their_results(cell: Cell, scene: Scene) -> None:
    handle = cell.map(abs, range(100), name="sweep")
    failing = dict.fromkeys((7, 40, 99), AttemptState.FAILED)
    play_each(
        scene,
        handle.job_id,
        failing,
        exit_code=-1,
        error="ValueError: no luck",
        stderr_tail="Traceback\nno luck\n",
    )
    status = handle.wait()
    assert (status.state, status.succeeded, status.failed) == (JobState.FAILED, 97, 3)
    with pytest.raises(omega.TasksFailed, match=rf"3 of 100 tasks of job {handle.id} \(sweep\)") as caught:
        handle.results()
    assert caught.value.failed == (7, 40, 99)
    assert [one.task_index for one in caught.value.outcomes] == [7, 40, 99]
    assert caught.value.stderr_tail == "Traceback\nno luck\n"
    expected = [index for index in range(100) if index not in failing]
    assert handle.results(errors="skip") == expected
    stand = handle.results(errors="return")
    assert len(stand) == 100
    assert [index for index, one in enumerate(stand) if isinstance(one, omega.TasksFailed)] == [7, 40, 99]


def test_what_failed_is_tried_again_and_the_job_ends_well(cell: Cell, scene: Scene, heard: list[str]) -> None:
    handle = cell.map(abs, range(10))
    play_each(scene, handle.job_id, {3: AttemptState.FAILED})
    heard.clear()
    assert cell.job(handle.id).retry_failed().state is JobState.PENDING
    assert "jobs" in heard
    play_each(scene, handle.job_id, {})
    assert handle.results() == list(range(10))
    assert [one.attempt for one in handle.outcomes()] == [1, 1, 1, 2, 1, 1, 1, 1, 1, 1]
    assert len(handle.outcomes(final_only=False)) == 11
    with pytest.raises(omega.SpecInvalid, match="expected a failed one"):
        cell.submit(command=["x"]).retry_failed()


def test_the_failures_of_a_job_that_reached_its_limit_say_why(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(command=["x"], count=5, max_running=2, max_failures=2)
    play_each(scene, handle.job_id, dict.fromkeys(range(5), AttemptState.FAILED), error="exit code 1")
    status = handle.wait()
    assert (status.state, status.reason, status.never_placed) == (
        JobState.FAILED,
        "max_failures=2 was reached",
        3,
    )
    kinds = [type(one) for one in handle.results(errors="return")]
    assert kinds == [omega.TasksFailed, omega.TasksFailed, CancelledError, CancelledError, CancelledError]


def test_a_map_over_nothing_has_succeeded_at_once(cell: Cell) -> None:
    handle = cell.map(abs, [], name="none", labels={"a": "b"})
    status = handle.wait(timeout=0)
    assert (status.state, status.task_count, status.name) == (JobState.SUCCEEDED, 0, "none")
    assert handle.results() == []
