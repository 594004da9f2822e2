"""Submitting: ids, keys, many jobs at once, and what a job looks like."""

from __future__ import annotations

from uuid import uuid4

import pytest

from omegacell.cellstate.errors import KeyConflict, NotFound
from omegacell.cellstate.model import JobState
from omegacell.cellstate.store import Store
from tests.contract.scene import Scene, submission


def test_a_new_job_is_pending_and_queued(scene: Scene) -> None:
    job_id = scene.submit(tasks=3, name="sweep", priority=7, labels={"team": "a"})
    status = scene.job(job_id)
    assert (status.state, status.task_count, status.next_index, status.placed) == (JobState.PENDING, 3, 0, 0)
    assert (status.name, status.priority, status.labels, status.namespace) == (
        "sweep",
        7,
        {"team": "a"},
        "default",
    )
    assert (status.submitted_at, status.first_attempt_at, status.ended_at) == (scene.clock.now(), 0.0, 0.0)
    assert scene.scheduler().claim_ids() == [job_id]


def test_ids_count_from_one_in_the_order_given(store: Store) -> None:
    submitted = store.submit([submission(name=name) for name in "abc"])
    assert [(answer.job_id, answer.created) for answer in submitted] == [(1, True), (2, True), (3, True)]
    assert [store.job(job_id).name for job_id in (1, 2, 3)] == ["a", "b", "c"]


def test_the_same_submission_id_is_stored_once(store: Store) -> None:
    again = submission(submission_id=uuid4())
    first, second, third = *store.submit([again]), *store.submit([again, submission()])
    assert (first.created, second.created, third.created) == (True, False, True)
    assert first.job_id == second.job_id != third.job_id


def test_the_same_submission_id_twice_in_a_call_is_stored_once(store: Store) -> None:
    again = submission()
    answers = store.submit([again, submission(), again])
    assert [(answer.job_id, answer.created) for answer in answers] == [(1, True), (2, True), (1, False)]


def test_the_same_key_and_specification_is_the_existing_job(store: Store) -> None:
    first = store.submit([submission(key="nightly", inputs=(b"a",))])[0]
    second = store.submit([submission(key="nightly", inputs=(b"a",))])[0]
    assert (second.job_id, second.created) == (first.job_id, False)


def test_a_key_is_known_also_after_its_job_ended(scene: Scene) -> None:
    job_id = scene.submit(key="nightly")
    assert scene.store.cancel(job_id).state is JobState.CANCELLED
    assert scene.submit(key="nightly") == job_id


def test_a_key_is_of_its_namespace_only(scene: Scene) -> None:
    assert scene.submit(key="nightly") != scene.submit(key="nightly", namespace="other")


def test_jobs_without_a_key_are_all_different(scene: Scene) -> None:
    assert scene.submit() != scene.submit()


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"priority": 5}, ("priority",)),
        ({"inputs": (b"b",)}, ("inputs",)),
        ({"retries": 2, "labels": {"x": "y"}, "name": "other"}, ("labels", "name", "retries")),
        ({"cpu": 500}, ("cpu_milli",)),
    ],
)
def test_the_same_key_with_another_specification_is_refused_and_names_the_fields(
    store: Store, changed: dict[str, object], fields: tuple[str, ...]
) -> None:
    plain: dict[str, object] = {"key": "nightly", "inputs": (b"a",)}
    store.submit([submission(**plain)])  # type: ignore[arg-type]  # a table of keyword arguments
    with pytest.raises(KeyConflict, match="nightly") as conflict:
        store.submit([submission(**(plain | changed))])  # type: ignore[arg-type]  # as above
    assert conflict.value.fields == fields


def test_inputs_that_only_join_to_the_same_bytes_are_different(store: Store) -> None:
    store.submit([submission(tasks=2, key="k", inputs=(b"ab", b"c"))])
    with pytest.raises(KeyConflict):
        store.submit([submission(tasks=2, key="k", inputs=(b"a", b"bc"))])


def test_a_key_conflict_stores_none_of_the_jobs(store: Store) -> None:
    store.submit([submission(key="k")])
    with pytest.raises(KeyConflict):
        store.submit([submission(name="innocent"), submission(key="k", priority=1)])
    assert [job.job_id for job in store.jobs()] == [1]


def test_a_key_twice_in_one_call_with_different_specifications_is_refused(store: Store) -> None:
    with pytest.raises(KeyConflict):
        store.submit([submission(key="k"), submission(key="k", priority=1)])
    assert store.jobs() == ()


def test_ten_thousand_jobs_in_one_call(store: Store) -> None:
    answers = store.submit([submission(name=f"job{number}") for number in range(10_000)])
    assert [answer.job_id for answer in answers] == list(range(1, 10_001))
    assert store.job(10_000).name == "job9999"


def test_jobs_are_listed_newest_first_by_state_and_label(scene: Scene) -> None:
    first, second = scene.submit(labels={"a": "1", "b": "2"}), scene.submit(labels={"a": "1"})
    third = scene.submit()
    scene.store.cancel(third)

    def listed(**wanted: object) -> list[int]:
        return [job.job_id for job in scene.store.jobs(**wanted)]  # type: ignore[arg-type]  # passed on

    assert listed() == [third, second, first]
    assert listed(limit=2) == [third, second]
    assert listed(labels={"a": "1"}) == [second, first]
    assert listed(labels={"a": "1", "b": "2"}) == [first]
    assert listed(states=[JobState.CANCELLED]) == [third]
    assert listed(states=[JobState.PENDING], labels={"a": "1"}, limit=1) == [second]


def test_an_unknown_job_is_not_found(store: Store) -> None:
    for ask in (store.job, store.cancel, store.explanation):
        with pytest.raises(NotFound, match="j77"):
            ask(77)


def test_inputs_are_given_by_index_range(scene: Scene) -> None:
    job_id = scene.submit(tasks=4, inputs=(b"a", b"", b"ccc", b"\x00d"))
    assert scene.store.inputs(job_id, 1, 2) == (b"", b"ccc")
    assert scene.store.inputs(job_id, 0, 4) == (b"a", b"", b"ccc", b"\x00d")
    assert scene.store.inputs(scene.submit(), 0, 1) == () == scene.store.inputs(99, 0, 1)


def test_definitions_say_how_to_run_and_leave_unknown_jobs_out(scene: Scene) -> None:
    plain = scene.submit(cpu=250, env={"A": "b"}, timeout_seconds=2.5)
    other = scene.submit(tasks=2, inputs=(b"a", b"b"), service=True)
    first, second = scene.store.definitions([other, plain, 99])
    assert (first.job_id, first.command, first.env, first.timeout_seconds) == (
        plain,
        ("true",),
        {"A": "b"},
        2.5,
    )
    assert (first.amounts.cpu_milli, first.has_inputs, first.service) == (250, False, False)
    assert (second.job_id, second.task_count, second.has_inputs, second.service) == (other, 2, True, True)


def test_a_key_used_again_from_another_place_is_the_same_job(scene: Scene) -> None:
    here = submission(key="nightly", surroundings={"PWD": "/here", "PATH": "/bin"})
    there = submission(key="nightly", surroundings={"PWD": "/there"})
    first, second = (scene.store.submit([one])[0] for one in (here, there))
    assert (second.job_id, second.created) == (first.job_id, False)
    (definition,) = scene.store.definitions([first.job_id])
    assert (definition.cwd, definition.env) == ("/here", {"PATH": "/bin"})
