"""Why a job is where it is, in words."""

from __future__ import annotations

import re
import threading
import time

import pytest

import omegacell as omega
from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import AttemptState
from omegacell.client.cell import Cell
from tests.contract.scene import Scene
from tests.unit.client.playing import play


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


def test_a_blocked_job_names_what_it_waits_for(cell: Cell) -> None:
    first = cell.submit(name="prepare", command=["x"])
    others = [cell.submit(command=["x"]) for _ in range(2)]
    told = cell.submit(name="y", command=["x"], after=[first, *others]).explain().sentences
    assert told[1:] == (f"It waits for {first.id} (prepare) to succeed, and for 2 others.",)
    assert "y) is blocked: 0 of 1 tasks are placed, 1 waits" in told[0]
    ended = cell.submit(command=["x"], after_any=first).explain()
    assert f"It waits for {first.id} (prepare) to end." in ended.sentences


def test_a_job_that_was_cancelled_with_its_parent_says_so(cell: Cell, scene: Scene) -> None:
    parent = cell.submit(command=["x"])
    child = cell.submit(name="y", command=["x"], after=parent)
    play(scene, parent.job_id, state=AttemptState.FAILED)
    assert f"cancelled ({parent.id}, which it comes after, failed)" in str(child.explain())


def test_a_held_job_says_how_it_is_let_go(cell: Cell) -> None:
    handle = cell.submit(command=["x"], held=True)
    assert f"let it go on with: omega release {handle.id}." in str(handle.explain())
    assert "No live scheduler" not in str(handle.explain())
    handle.release()
    assert "It is held" not in str(handle.explain())


def test_limits_are_told_once_they_matter(cell: Cell, scene: Scene) -> None:
    handle = cell.submit(command=["x"], count=5, max_running=2, max_failures=3)
    worker, scheduler = scene.worker(), scene.scheduler()
    scheduler.claim()
    scheduler.commit((handle.job_id, worker.machine(), 2))
    assert "No more than 2 tasks of it may be placed at once (max_running)." in handle.explain().sentences
    worker.end_job(handle.job_id, AttemptState.FAILED)
    told = handle.explain().sentences
    assert "2 of its tasks failed for good; with 3 it ends (max_failures)." in told
    assert not [one for one in told if "max_running" in one]


@pytest.mark.parametrize("clock", [ManualClock(time.time())])
def test_a_deadline_is_told(cell: Cell, clock: ManualClock) -> None:
    told = str(cell.submit(command=["x"], deadline="10h").explain())
    found = re.search(r"Its deadline passes in (\d+) s\.", told)
    assert found
    assert 0 < int(found[1]) <= 36_000  # that clock stands since the tests were collected


def test_a_service_tells_how_many_replicas_run(cell: Cell, scene: Scene) -> None:
    web = cell.apply(
        name="web", command=["serve"], replicas=3, ports={"http": None}, health=omega.HealthCheck(path="/")
    )
    worker, scheduler = scene.worker(), scene.scheduler(kind="service")
    first, _ = scheduler.place(web.job_id, worker.machine(), 2)
    worker.start(first)
    told = web.explain().sentences
    assert "is running: 2 of 3 replicas are placed, 1 waits" in told[0]
    assert "1 of 3 replicas run; 1 is placed and has not passed the health check yet." in told


def test_a_gang_that_can_never_fit_says_so(cell: Cell, scene: Scene) -> None:
    worker = scene.worker()
    worker.machine("m1", cpu=4000, zone="a")
    worker.machine("m2", cpu=3000, zone="b")
    big = cell.submit(command=["x"], count=8, commit="gang")
    told = "It is a gang of which 8 tasks must run at once, and the machines that it may use hold 7 even when they"
    assert told in str(big.explain())
    assert "It is a gang of which" not in str(cell.submit(command=["x"], count=7, commit="gang").explain())
    zoned = cell.submit(command=["x"], count=5, commit="gang", gang_min=4, constraints=["zone = b"])
    assert "4 tasks must run at once, and the machines that it may use hold 3" in str(zoned.explain())
    kept_apart = cell.submit(command=["x"], count=3, commit="gang", anti_affinity={"machine": 1})
    assert "hold 2 even" in str(kept_apart.explain())
    shares = cell.submit(command=["x"], count=2, commit="gang", resources=omega.Resources(gpu=0.5))
    assert "hold 0 even" in str(shares.explain())


def test_an_open_job_says_that_it_may_grow(cell: Cell, scene: Scene) -> None:
    job_id = scene.submit(tasks=0, open=True)
    assert "It is open: its program may add tasks to it" in str(cell.job(job_id).explain())
    cell.cancel(job_id)
    assert "It is open" not in str(cell.job(job_id).explain())
