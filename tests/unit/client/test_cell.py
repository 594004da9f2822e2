"""The client against a cell in memory."""

from __future__ import annotations

import io
import os
import pickle
import re
import threading
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest

import omegacell as omega
from omegacell.cellstate.model import AttemptState, JobState
from omegacell.client.cell import Cell
from omegacell.client.logs import Follower
from omegacell.client.waiting import Pauses
from tests.contract.scene import Scene
from tests.contract.wishes import Wish


def play(scene: Scene, job_id: int, **fields: Any) -> None:
    """Place and end every task of a job; `fields` are those of the reports."""
    worker = scene.worker()
    scheduler = scene.scheduler()
    machine = worker.machine(cpu=10**6)
    scheduler.claim()
    scheduler.commit((job_id, machine, scene.job(job_id).task_count))
    worker.end_job(job_id, **fields)


def ok(value: object) -> bytes:
    return pickle.dumps(("ok", value))


def test_submit_stores_a_job_and_hints(cell: Cell, heard: list[str]) -> None:
    handle = cell.submit(name="x", command=["true"], count=3)
    assert handle.id == f"j{handle.job_id}"
    assert (handle.created, handle.status.task_count, heard) == (True, 3, ["jobs"])


def test_a_job_may_be_given_as_object_mapping_or_fields(cell: Cell) -> None:
    same = [
        cell.submit(omega.Job(command=["true"])),
        cell.submit({"command": ["true"]}),
        cell.submit(command=["true"]),
    ]
    assert {one.status.name for one in same} == {"true"}


def test_the_submitters_surroundings_travel_with_the_job(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/here")
    handle = cell.submit(command=["x"], env={"PATH": "/mine", "A": "b"})
    other = cell.submit(command=["x"])
    definition, plain = cell.store.definitions([handle.job_id, other.job_id])
    assert definition.cwd == str(tmp_path)
    assert definition.env["PATH"] == "/mine"
    assert plain.env["PATH"] == "/here"
    assert "OMEGA_SYS_PATH" not in plain.env


def test_surroundings_that_are_no_unicode_stay_behind(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/\udcff")
    (definition,) = cell.store.definitions([cell.submit(command=["x"]).job_id])
    assert "PATH" not in definition.env


def test_a_callable_carries_the_users_part_of_sys_path(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    handle = cell.call(len, "abc")
    definition = cell.store.definitions([handle.job_id])[0]
    paths = definition.env["OMEGA_SYS_PATH"].split(os.pathsep)
    assert paths[0] == str(tmp_path)
    assert not [path for path in paths if "site-packages" in path or path.endswith("lib-dynload")]


def test_submit_many_stores_all_or_none(cell: Cell) -> None:
    handles = cell.submit_many([omega.Job(command=["true"]) for _ in range(3)])
    assert [one.job_id for one in handles] == sorted(one.job_id for one in handles)
    with pytest.raises(omega.PolicyError):
        cell.submit_many([omega.Job(command=["true"]), omega.Job(command=["true"], scheduler="none")])
    assert len(cell.jobs()) == 3


def test_the_same_key_is_the_same_job(cell: Cell) -> None:
    first = cell.submit(command=["true"], key="k")
    again = cell.submit(command=["true"], key="k")
    assert (again.job_id, again.created) == (first.job_id, False)
    with pytest.raises(omega.KeyConflict) as caught:
        cell.submit(command=["false"], name="true", key="k")
    assert caught.value.fields == ("command",)


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


def test_a_job_is_found_again_by_its_id(cell: Cell) -> None:
    handle = cell.submit(command=["true"])
    for written in (handle.id, handle.job_id, str(handle.job_id)):
        assert cell.job(written).job_id == handle.job_id


@pytest.mark.parametrize("written", ["", "x1", "j", "j0", "j1.2", -1, 0, True, "j99999999999999999999", None])
def test_what_is_no_job_id_is_refused(cell: Cell, written: Any) -> None:
    with pytest.raises(omega.SpecInvalid, match="is no job id; expected for instance j4711"):
        cell.job(written)


def test_an_unknown_job_or_machine_is_not_found(cell: Cell) -> None:
    for look in (lambda: cell.job("j99"), lambda: cell.cancel(99), lambda: cell.drain("nowhere")):
        with pytest.raises(omega.NotFound, match=r"j99|nowhere"):
            look()


def test_jobs_are_listed_by_state_and_label(cell: Cell) -> None:
    cell.submit(command=["x"], labels={"a": "1"})
    other = cell.submit(command=["x"], labels={"a": "2"})
    cell.cancel(other.id)
    assert [one.job_id for one in cell.jobs(labels={"a": "2"})] == [other.job_id]
    assert [one.job_id for one in cell.jobs(state="cancelled")] == [other.job_id]
    with pytest.raises(omega.SpecInvalid, match="state 'done' is unknown"):
        cell.jobs(state="done")
    with pytest.raises(omega.SpecInvalid, match="limit=0"):
        cell.jobs(limit=0)


def test_an_unknown_policy_or_scheduler_kind_stores_nothing(cell: Cell, scene: Scene) -> None:
    for fields in ({"policy": "nearest"}, {"scheduler": "nightly"}, {"policy": "no.such:Thing"}):
        with pytest.raises(omega.PolicyError):
            cell.submit(command=["true"], **fields)
    assert cell.jobs() == ()
    scene.scheduler("mine", kind="nightly")
    cell.submit(
        command=["true"], scheduler="nightly", policy="omegacell.schedulers.policies.best_fit:BestFit"
    )
    assert len(cell.jobs()) == 1


def test_a_function_that_does_not_pickle_stores_nothing(cell: Cell) -> None:
    lock = threading.Lock()

    def locked() -> None:
        lock.acquire()

    with pytest.raises(
        omega.SpecInvalid, match=r"^function .*locked does not pickle: .*lock.*; pass what it needs"
    ):
        cell.call(locked)
    with pytest.raises(omega.SpecInvalid, match="does not pickle"):
        cell.call(print, lock)
    assert cell.jobs() == ()


def test_applying_a_service_again_is_no_change_and_a_changed_one_is_refused(cell: Cell) -> None:
    web = omega.Service(name="web", command=["serve"], replicas=3)
    first = cell.apply(web)
    assert (cell.apply(web).job_id, cell.apply(web).created) == (first.job_id, False)
    with pytest.raises(omega.KeyConflict, match=f"cancel job {first.id}, then apply") as caught:
        cell.apply(omega.Service(name="web", command=["serve"], replicas=4))
    assert caught.value.fields == ("task_count",)
    first.cancel()
    second = cell.apply(omega.Service(name="web", command=["serve"], replicas=4))
    assert second.job_id != first.job_id
    assert cell.apply(omega.Service(name="web", command=["serve"], replicas=4)).job_id == second.job_id


def test_a_service_may_be_given_as_object_mapping_or_fields(cell: Cell) -> None:
    fields: dict[str, Any] = {"name": "web", "command": ["serve"], "replicas": 3}
    same = [cell.apply(omega.Service(**fields)), cell.apply(fields), cell.apply(**fields)]
    assert len({one.job_id for one in same}) == 1


@pytest.mark.parametrize(
    ("written", "fields", "says"),
    [
        (None, {"command": ["x"]}, "service has no name"),
        (omega.Job(command=["x"]), {}, r"cannot be applied; use submit\(\)"),
        (omega.Service(name="a", command=["x"]), {"replicas": 2}, "both given"),
        ({1: 2}, {}, "field 1 is no text"),
        (3, {}, "3 cannot be applied; expected a Service"),
    ],
)
def test_what_is_no_service_is_refused(cell: Cell, written: Any, fields: Any, says: str) -> None:
    with pytest.raises(omega.SpecInvalid, match=says):
        cell.apply(written, **fields)


def test_what_is_no_job_is_refused_with_what_to_use(cell: Cell) -> None:
    with pytest.raises(omega.SpecInvalid, match=r"function print .* use cell\.call\(print, \.\.\.\)"):
        cell.submit(print, 1)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(omega.SpecInvalid, match=r"but 2 were given; use submit_many\(\)"):
        cell.submit({"command": ["x"]}, {"command": ["x"]})
    with pytest.raises(omega.SpecInvalid, match="items is empty; map needs at least one item"):
        cell.map(abs, [])
    assert cell.jobs() == ()


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("json:JSONDecoder", "has neither place"),
        ("__main__:Mine", "schedulers cannot import; put it into a module"),
    ],
)
def test_a_policy_that_schedulers_could_not_use_is_refused(cell: Cell, policy: str, says: str) -> None:
    with pytest.raises(omega.PolicyError, match=says):
        cell.submit(command=["x"], policy=policy)
    assert cell.jobs() == ()


def test_a_policy_is_given_by_name(cell: Cell) -> None:
    with pytest.raises(omega.SpecInvalid, match='expected a name such as "best_fit", or "package'):
        cell.submit(command=["x"], policy=Scene)


def test_a_cell_shows_where_it_is_without_its_password(scene: Scene) -> None:
    dsn = "postgresql://me:secret@127.0.0.1:5432/omega"
    cell = Cell(scene.store, pauses=Pauses(0.01), dsn=dsn)
    assert (cell.dsn, repr(cell)) == (dsn, "<Cell 127.0.0.1:5432/omega>")
    assert Cell(scene.store, pauses=Pauses(0.01)).dsn == ""


def test_services_and_jobs_are_not_confused(cell: Cell) -> None:
    with pytest.raises(omega.SpecInvalid, match="service 'web' cannot be submitted; use apply"):
        cell.submit(omega.Service(name="web", command=["x"]))  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(omega.SpecInvalid, match="both given"):
        cell.submit(omega.Job(command=["x"]), name="y")


def test_a_job_of_a_kind_that_nobody_serves_says_so(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(name="x", command=["true"])
    assert "No live scheduler serves kind 'batch'" in str(handle.explain())
    play(scene, handle.job_id)
    assert str(handle.explain()) == f"Job {handle.id} (x) succeeded: of 1 tasks 1 succeeded."


def test_a_task_that_runs_again_is_explained_by_its_last_attempt(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(name="x", command=["boom"], retries=3, backoff="1h", backoff_max="1h")
    play(
        scene,
        handle.job_id,
        state=AttemptState.FAILED,
        exit_code=4,
        error="exit code 4",
        stderr_tail="a\nno luck\n",
    )
    said = str(handle.explain())
    assert re.search(
        r"Attempt 1 of task 0 failed with exit code 4 \(no luck\); it runs again in \d+ s\.", said
    )
    assert "No attempt" not in said


def test_a_failed_job_names_three_failed_tasks_and_their_logs(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(name="x", command=["boom"], count=5)
    play(scene, handle.job_id, state=AttemptState.FAILED, exit_code=3, error="exit code 3")
    said = handle.explain().sentences
    assert said[1] == f"Task 0 failed with exit code 3; see: omega logs {handle.id}.0."
    assert len(said) == 4


def test_explaining_waits_for_the_first_attempt_where_a_scheduler_lives(cell: Cell, scene: Scene) -> None:
    scheduler = scene.scheduler()
    handle = cell.submit(name="x", command=["true"])

    def attempt() -> None:
        scheduler.claim()
        scheduler.settle(handle.job_id, explanation='{"attempt":1,"scheduler":"s","pending":1}')

    attempting = threading.Timer(0.05, attempt)
    attempting.start()
    assert "Attempt 1 (by s) placed 0 tasks and left 1 waiting." in str(handle.explain())
    attempting.join()


def test_logs_are_those_of_the_last_attempt(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(command=["x"])
    with pytest.raises(omega.NotFound, match="has not run yet"):
        handle.logs()
    play(scene, handle.job_id, stdout_tail="out", stderr_tail="err")
    assert (handle.logs().stdout, handle.logs().stderr, handle.logs().running) == ("out", "err", False)
    with pytest.raises(
        omega.NotFound, match=rf"task {handle.id}\.1 does not exist; job {handle.id} has 1 tasks"
    ):
        handle.logs(1)


def test_a_waiting_time_is_told_in_round_figures(cell: Cell) -> None:
    with pytest.raises(TimeoutError, match=r"still pending after 0\.01 s$"):
        cell.submit(command=["x"]).wait(timeout=0.0099999)


def test_logs_that_are_as_long_as_what_is_kept_say_so(
    cell: Cell, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMEGA_LOG_TAIL_BYTES", "4")
    handle = cell.submit(command=["x"])
    play(scene, handle.job_id, stdout_tail="tail", stderr_tail="err")
    (missing,) = handle.logs().missing
    assert missing.startswith("of standard output only the last 4 bytes were kept (OMEGA_LOG_TAIL_BYTES")


def test_a_follower_shows_every_attempt_in_order(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(command=["x"], retries=1, backoff=0)
    out, err, said = io.BytesIO(), io.BytesIO(), list[str]()
    follower = Follower(handle.store, handle.job_id, out, err, said.append)
    worker, scheduler = scene.worker(), scene.scheduler()
    machine = worker.machine()
    for attempt in (1, 2):
        scheduler.claim()
        scheduler.commit((handle.job_id, machine, 1))
        follower.follow(handle.status)
        worker.end_job(handle.job_id, AttemptState.FAILED, stdout_tail=f"{attempt}\n", error="exit code 1")
    follower.finish()
    follower.finish()
    assert (out.getvalue(), err.getvalue()) == (b"1\n2\n", b"")
    assert said == ["attempt 1 failed: exit code 1; runs again"]


def test_machines_are_drained_and_uncordoned_by_name(cell: Cell, scene: Scene) -> None:
    scene.worker().machine("m1")
    assert not cell.drain("m1").schedulable
    assert cell.uncordon("m1").schedulable
    assert [one.name for one in cell.machines()] == ["m1"]
    assert cell.check() == ()


def test_both_sides_of_a_preemption_tell_of_it(cell: Cell, scene: Scene) -> None:
    scheduler, machine = scene.scheduler(), scene.worker().machine()
    low = cell.submit(name="low", command=["x"], count=4)
    victims = scheduler.place(low.job_id, machine, 4)
    high = cell.submit(name="high", command=["x"], priority=900)
    scheduler.claim()
    scheduler.commit(Wish(high.job_id, machine, victims=victims))
    assert low.preemptions() == high.preemptions()
    assert [(one.winner_job, one.victim_job) for one in low.preemptions()] == [(high.job_id, low.job_id)]
    assert f"It took the place of 1 task of lower priority: 1 of {low.id}." in str(high.explain())
    assert f"Tasks of it gave way to jobs of higher priority once: 1 to {high.id}." in str(low.explain())
    assert [one.preempted_by for one in low.placements()] == [high.job_id, 0, 0, 0]


def test_a_reservation_is_told_while_it_lasts(cell: Cell, scene: Scene) -> None:
    scheduler, machine = scene.scheduler(), scene.worker().machine()
    gang = cell.submit(command=["x"], count=4, commit="gang")
    scheduler.claim()
    key = scheduler.lease.holder_id, scheduler.lease.token
    scene.store.reserve(*key, gang.job_id, np.array([machine]), seconds=30)
    scheduler.settle(gang.job_id, explanation='{"attempt":1,"scheduler":"s","pending":4}')
    (reservation,) = cell.reservations()
    assert (reservation.job_id, reservation.machine_id) == (gang.job_id, machine)
    assert re.search(r"1 machine is reserved for it, for \d+ s at most\.", str(gang.explain()))
    scene.clock.advance(60)
    assert cell.reservations() == ()


def test_purge_forgets_what_ended_longer_ago(cell: Cell, scene: Scene) -> None:
    ended, running = cell.submit(command=["x"]), cell.submit(command=["x"], name="y")
    ended.cancel()
    scene.clock.advance(3600)
    assert cell.purge(older_than="2h").jobs == 0
    assert cell.purge(older_than=600) == omega.Purged(jobs=1, partitions=0)
    with pytest.raises(omega.NotFound):
        ended.preemptions()
    assert running.status.state is JobState.PENDING
    with pytest.raises(omega.SpecInvalid, match="older_than='long' is no duration"):
        cell.purge(older_than="long")
