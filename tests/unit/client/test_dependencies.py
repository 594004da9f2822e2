"""Which job comes after which: by id, handle, Job or name, in whatever order they are written."""

from __future__ import annotations

import time
from typing import Any

import pytest

import omegacell as omega
from omegacell.cellstate.model import Dependency, JobState
from omegacell.client.cell import Cell
from omegacell.client.dependencies import ordered
from omegacell.client.files import parse_jobs
from tests.contract.scene import Scene
from tests.unit.client.playing import play


def job(name: str, *after: Any, **fields: Any) -> omega.Job:
    return omega.Job(name=name, command=["x"], after=after, **fields)


def test_parents_come_first_and_the_rest_keeps_its_order() -> None:
    steps = ordered([job("a", "c"), job("b"), job("c", "d"), job("d")])
    assert [one.position for one in steps] == [1, 3, 2, 0]
    assert [one.after.positions for one in steps] == [(), (), (1,), (2,)]


def test_a_parent_is_given_by_id_by_handle_by_job_or_by_name(cell: Cell) -> None:
    earlier = [cell.submit(command=["x"]) for _ in range(3)]
    first = omega.Job(command=["/bin/prepare"])
    handles = cell.submit_many(
        [job("last", earlier[0], earlier[1].id, earlier[2].job_id, first, "prepare"), first]
    )
    waits_for = [*(one.job_id for one in earlier), handles[1].job_id]
    assert [one.parent_job for one in handles[0].dependencies()] == waits_for
    assert handles[0].specification().after == tuple(waits_for)
    assert handles[0].job_id > handles[1].job_id
    assert (handles[0].status.state, handles[0].status.blocked_by) == (JobState.BLOCKED, 4)


def test_after_any_asks_for_an_end_of_whichever_kind(cell: Cell, scene: Scene) -> None:
    first = cell.submit(command=["x"])
    child = cell.submit(command=["x"], after_any=first)
    assert child.dependencies() == (Dependency(parent_job=first.job_id, any_end=True),)
    first.cancel()
    assert child.status.state is JobState.PENDING
    play(scene, child.job_id)
    assert child.wait(1).state is JobState.SUCCEEDED


def test_jobs_of_a_file_come_after_each_other_by_name(cell: Cell) -> None:
    last, first = cell.submit_many(
        parse_jobs(
            "- {name: report, command: [x], after: [sweep]}\n- {name: sweep, command: [x], count: 3}", "f"
        )
    )
    assert [one.parent_job for one in last.dependencies()] == [first.job_id]


@pytest.mark.parametrize(
    ("jobs", "says"),
    [
        ([job("a", "a")], "jobs wait for each other: a -> a; let one of them not come after the next"),
        (
            [job("x"), job("a", "b"), job("b", "c"), job("c", "x", "a")],
            "wait for each other: a -> b -> c -> a;",
        ),
        (
            [job(f"n{n}", f"n{(n + 1) % 30}") for n in range(30)],
            "n0 -> n1 -> n2 -> n3 -> n4 -> n5 -> n6 -> n7 -> ... 21",
        ),
        (
            [job("a", "b")],
            "after of job 'a' names 'b', but no job of this call has that name; expected one of them",
        ),
        ([job("a", "b"), job("b"), job("b")], "names 'b', but 2 jobs of this call have that name"),
        (
            [job("a", job("b"))],
            "holds job 'b', which is not submitted by this call; submit both with submit_many()",
        ),
    ],
)
def test_what_cannot_be_ordered_is_refused_and_stores_nothing(
    cell: Cell, jobs: list[omega.Job], says: str
) -> None:
    with pytest.raises(omega.SpecInvalid) as caught:
        cell.submit_many(jobs)
    assert says in str(caught.value)
    assert cell.jobs() == ()


def test_an_unknown_parent_is_not_found(cell: Cell) -> None:
    with pytest.raises(omega.NotFound, match="j99"):
        cell.submit(command=["x"], after="j99")
    assert cell.jobs() == ()


def test_long_chains_and_wide_fans_are_ordered_in_no_time() -> None:
    began = time.monotonic()
    chain = [job(f"n{n}", *([f"n{n + 1}"] if n < 999 else [])) for n in range(1000)]
    assert [one.position for one in ordered(chain)] == list(range(999, -1, -1))
    fan = [job("last", *(f"n{n}" for n in range(10_000))), *(job(f"n{n}") for n in range(10_000))]
    assert ordered(fan)[-1].position == 0
    assert time.monotonic() - began < 20


def test_a_held_job_is_placed_after_its_release(cell: Cell, scene: Scene, heard: list[str]) -> None:
    handle = cell.submit(command=["x"], held=True)
    scheduler = scene.scheduler()
    assert (handle.status.held, scheduler.claim_ids()) == (True, [])
    heard.clear()
    assert not handle.release().held
    assert ("jobs" in heard, scheduler.claim_ids()) == (True, [handle.job_id])
    assert handle.hold().held


def test_single_tasks_are_cancelled_by_their_indexes(cell: Cell) -> None:
    handle = cell.submit(command=["x"], count=10)
    assert handle.cancel(3).cancelled == 1
    assert handle.cancel(tasks=[7, 3, 8]).cancelled == 3
    assert handle.cancel(range(8, 10)).cancelled == 4
    assert handle.cancel([]).state is JobState.PENDING
    for wrong in ("3", 2.5, [-1], [True]):
        with pytest.raises(omega.SpecInvalid, match=r"^tasks"):
            handle.cancel(wrong)  # type: ignore[arg-type]  # what an untyped caller may write
