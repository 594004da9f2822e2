"""Jobs that come after others: when they may be placed, and when they never will be."""

from __future__ import annotations

from typing import Any

import pytest

from omegacell.cellstate.errors import KeyConflict, NotFound, SpecInvalid
from omegacell.cellstate.model import AttemptState, Dependency, JobState
from omegacell.cellstate.store import Store
from tests.contract.scene import Scene, SchedulerHand, WorkerHand, submission

BLOCKED, PENDING, CANCELLED = JobState.BLOCKED, JobState.PENDING, JobState.CANCELLED


@pytest.fixture
def run(worker: WorkerHand, scheduler: SchedulerHand) -> Any:
    """Place a job of one task and report how it ended."""

    def placed_and_ended(job_id: int, state: AttemptState = AttemptState.SUCCEEDED) -> None:
        scheduler.place(job_id, 1)
        worker.end_job(job_id, state)

    return placed_and_ended


@pytest.mark.parametrize("relation", ["after", "after_any"])
def test_a_job_that_comes_after_another_is_blocked_and_not_queued(scene: Scene, relation: str) -> None:
    parent = scene.submit()
    child = scene.submit(tasks=3, **{relation: (parent,)})
    status = scene.job(child)
    assert (status.state, status.blocked_by, status.waiting, status.reason) == (BLOCKED, 1, 3, "")
    assert scene.store.dependencies(child) == (
        Dependency(parent_job=parent, any_end=relation == "after_any"),
    )
    assert scene.scheduler().claim_ids() == [parent]
    assert [job.job_id for job in scene.store.jobs(states=[BLOCKED])] == [child]


def test_it_is_pending_once_the_last_of_its_parents_has_ended(
    scene: Scene, scheduler: SchedulerHand, run: Any
) -> None:
    first, second, third = (scene.submit() for _ in range(3))
    child = scene.submit(after=(first, third), after_any=(second,))
    run(third)
    assert (scene.job(child).state, scene.job(child).blocked_by) == (BLOCKED, 2)
    assert scene.store.dependencies(child) == (
        Dependency(parent_job=first, any_end=False),
        Dependency(parent_job=second, any_end=True),
    )
    run(second, AttemptState.FAILED)
    assert scene.states(child) == [BLOCKED]
    run(first)
    assert (scene.job(child).state, scene.job(child).blocked_by) == (PENDING, 0)
    assert scene.store.dependencies(child) == ()
    assert scheduler.claim_ids() == [child]


@pytest.mark.parametrize("ended_before", [False, True])
@pytest.mark.parametrize(
    ("relation", "ends", "state", "reason"),
    [
        ("after", AttemptState.SUCCEEDED, PENDING, ""),
        ("after", AttemptState.FAILED, CANCELLED, "j1, which it comes after, failed"),
        ("after", AttemptState.CANCELLED, CANCELLED, "j1, which it comes after, was cancelled"),
        ("after_any", AttemptState.SUCCEEDED, PENDING, ""),
        ("after_any", AttemptState.FAILED, PENDING, ""),
        ("after_any", AttemptState.CANCELLED, PENDING, ""),
    ],
)
def test_what_becomes_of_it_depends_on_how_its_parent_ended(
    scene: Scene,
    run: Any,
    *,
    relation: str,
    ends: AttemptState,
    state: JobState,
    reason: str,
    ended_before: bool,
) -> None:
    scene.submit()
    if ended_before:
        run(1, ends)
    child = scene.submit(**{relation: (1,)})
    if not ended_before:
        run(1, ends)
    assert (scene.job(child).state, scene.job(child).reason) == (state, reason)
    assert scene.scheduler("other").claim_ids() == ([child] if state is PENDING else [])


def test_one_that_will_never_start_has_ended_and_holds_nothing(scene: Scene, run: Any) -> None:
    parent, other = scene.submit(), scene.submit()
    child = scene.submit(tasks=3, after=(parent, other))
    scene.clock.advance(1.0)
    run(parent, AttemptState.FAILED)
    status = scene.job(child)
    assert (status.state, status.cancelled, status.never_placed) == (CANCELLED, 3, 3)
    assert (status.ended_at, status.blocked_by, status.first_attempt_at) == (scene.clock.now(), 0, 0.0)
    assert scene.store.dependencies(child) == () == scene.outcomes(child)
    run(other)
    assert scene.job(child) == status


def test_of_several_parents_that_did_not_succeed_the_lowest_is_named(scene: Scene, run: Any) -> None:
    first, second, third = (scene.submit() for _ in range(3))
    run(second)
    run(third, AttemptState.FAILED)
    scene.store.cancel(first)
    child = scene.submit(after=(first, second, third))
    assert scene.job(child).reason == "j1, which it comes after, was cancelled"


def test_a_parent_that_must_have_succeeded_and_whose_end_is_enough_must_have_succeeded(
    scene: Scene, run: Any
) -> None:
    bad, good = scene.submit(), scene.submit()
    cancelled, pending = (scene.submit(after=(one,), after_any=(one,)) for one in (bad, good))
    run(good)
    run(bad, AttemptState.FAILED)
    assert scene.states(cancelled, pending) == [CANCELLED, PENDING]


def test_a_parents_placements_are_waited_for(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    parent = scene.submit(tasks=2)
    child = scene.submit(after_any=(parent,))
    scheduler.place(parent, 1)
    scene.store.cancel(parent)
    assert scene.states(child) == [BLOCKED]
    worker.end_job(parent, AttemptState.CANCELLED)
    assert scene.states(child) == [PENDING]


def test_jobs_of_one_call_come_after_each_other_by_position(store: Store, scene: Scene) -> None:
    known = scene.submit()
    answers = store.submit(
        [
            submission(),
            submission(earlier=(0,)),
            submission(after=(known,), earlier=(1,), earlier_any=(0,)),
        ]
    )
    first, second, third = (answer.job_id for answer in answers)
    assert scene.states(first, second, third) == [PENDING, BLOCKED, BLOCKED]
    assert store.specification(second).after == (first,)
    assert (store.specification(third).after, store.specification(third).after_any) == (
        (known, second),
        (first,),
    )
    assert [one.parent_job for one in store.dependencies(third)] == [known, first, second]


def test_a_position_may_be_of_a_job_there_was_already(store: Store, scene: Scene) -> None:
    again = submission(key="prepare")
    (first,) = store.submit([again])
    store.cancel(first.job_id)
    prepared, child = store.submit([submission(key="prepare"), submission(earlier=(0,))])
    assert prepared.job_id == first.job_id
    assert scene.job(child.job_id).reason == "j1, which it comes after, was cancelled"


@pytest.mark.parametrize("position", [1, 2, -1])
def test_a_position_that_is_not_an_earlier_one_is_refused(store: Store, position: int) -> None:
    for relation in ("earlier", "earlier_any"):
        told: dict[str, Any] = {relation: (position,)}
        with pytest.raises(SpecInvalid):
            store.submit([submission(), submission(**told), submission()])
    assert store.jobs() == ()


@pytest.mark.parametrize("relation", ["after", "after_any"])
def test_an_unknown_parent_is_not_found_and_nothing_is_stored(scene: Scene, relation: str) -> None:
    parent = scene.submit()
    for unknown in (parent + 1, 99):  # the first is the id that it would get itself
        with pytest.raises(NotFound, match=f"j{unknown}"):
            scene.store.submit([submission(**{relation: (parent, unknown)})])  # type: ignore[arg-type]  # a spec's
    assert [job.job_id for job in scene.store.jobs()] == [parent]


def test_a_forgotten_parent_is_not_found(scene: Scene) -> None:
    parent = scene.submit()
    scene.store.cancel(parent)
    scene.clock.advance(60.0)
    scene.store.purge(older_than_seconds=1.0)
    with pytest.raises(NotFound, match=f"j{parent}"):
        scene.submit(after=(parent,))


def test_one_whose_parent_was_forgotten_goes_on(scene: Scene, scheduler: SchedulerHand, run: Any) -> None:
    parent = scene.submit()
    child = scene.submit(after=(parent,))
    run(parent)
    scene.clock.advance(5.0)
    assert scene.store.purge(older_than_seconds=1.0).jobs == 1
    run(child)
    assert (scene.states(child), scene.store.specification(child).after) == ([JobState.SUCCEEDED], (parent,))


def test_the_parents_are_part_of_what_a_key_stands_for(store: Store, scene: Scene) -> None:
    first, second = scene.submit(), scene.submit()
    child = scene.submit(key="k", after=(first,))
    assert scene.submit(key="k", after=(first,)) == child
    for other in ({}, {"after": (second,)}, {"after": (first, second)}):
        with pytest.raises(KeyConflict) as conflict:
            scene.submit(key="k", **other)
        assert conflict.value.fields == ("after",)
    with pytest.raises(KeyConflict) as conflict:
        scene.submit(key="k", after_any=(first,))
    assert conflict.value.fields == ("after", "after_any")


def test_a_parent_named_by_position_or_by_id_is_the_same_for_a_key(store: Store, scene: Scene) -> None:
    parent = submission(key="parent")
    child = store.submit([parent, submission(key="child", earlier=(0,))])[1].job_id
    assert scene.submit(key="child", after=(1,)) == child
    assert [one.created for one in store.submit([parent, submission(key="child", earlier=(0,))])] == [
        False
    ] * 2


def test_a_blocked_job_is_cancelled_at_once_and_so_is_what_comes_after_it(scene: Scene, run: Any) -> None:
    parent = scene.submit()
    child = scene.submit(tasks=2, after=(parent,))
    grandchild = scene.submit(after=(child,))
    anyway = scene.submit(after_any=(child,))
    status = scene.store.cancel(child)
    assert (status.state, status.never_placed, status.reason) == (CANCELLED, 2, "cancelled by request")
    assert scene.states(parent, grandchild, anyway) == [PENDING, CANCELLED, PENDING]
    assert scene.job(grandchild).reason == "j2, which it comes after, was cancelled"
    run(parent)
    assert scene.states(child) == [CANCELLED]


def test_a_chain_is_followed_one_by_one(scene: Scene, scheduler: SchedulerHand, run: Any) -> None:
    first, second, third = 1, 2, 3
    scene.store.submit([submission(), submission(earlier=(0,)), submission(earlier=(1,))])
    run(first)
    assert scene.states(second, third) == [PENDING, BLOCKED]
    run(second)
    assert scheduler.claim_ids() == [third]


def test_a_chain_of_a_thousand_ends_with_its_first(store: Store, scene: Scene) -> None:
    chain = [submission(), *(submission(earlier=(number,)) for number in range(999))]
    job_ids = [answer.job_id for answer in store.submit(chain)]
    store.cancel(job_ids[0])
    assert {job.state for job in store.statuses(job_ids)} == {CANCELLED}
    assert scene.job(1000).reason == "j999, which it comes after, was cancelled"


def test_one_that_ends_lets_all_start_that_come_after_it(store: Store, scene: Scene, run: Any) -> None:
    store.submit([submission(), *(submission(earlier=(0,)) for _ in range(500))])
    run(1)
    assert {job.state for job in store.statuses(range(2, 502))} == {PENDING}


def test_a_fan_in_of_parents_that_end_in_one_report(
    store: Store, scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    parents = [submission(cpu=0) for _ in range(500)]
    store.submit([*parents, submission(earlier=tuple(range(500)))])
    scheduler.claim(limit=1000)
    scheduler.commit(*((job_id, 1, 1) for job_id in range(1, 501)))
    assert scene.job(501).blocked_by == 500
    worker.end(*worker.pull()[0].placements)
    assert scene.states(501) == [PENDING]
    assert scheduler.claim_ids() == [501]
