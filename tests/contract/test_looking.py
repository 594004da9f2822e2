"""Looking at jobs: many at once, what was submitted, and what is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from omegacell.cellstate.errors import KeyConflict, NotFound
from omegacell.cellstate.model import AntiAffinity, AttemptState, Constraint, Health, Operator
from omegacell.cellstate.store import Store
from tests.contract.scene import Scene, SchedulerHand, WorkerHand, submission


def test_several_jobs_are_seen_in_one_look_by_id(scene: Scene) -> None:
    first, second, third = (scene.submit() for _ in range(3))
    found = scene.store.statuses([third, 99, first, third])
    assert found == (scene.job(first), scene.job(third))
    assert scene.store.statuses([]) == () == scene.store.statuses([77])
    assert scene.store.statuses(range(1, 100)) == tuple(map(scene.job, (first, second, third)))


def test_a_specification_is_given_back_as_it_was_submitted(store: Store) -> None:
    told = submission(
        tasks=3,
        memory=2**30,
        gpu=500,
        custom={"licence": 1000},
        name="whole",
        env={"A": "b"},
        labels={"team": "a"},
        surroundings={"PWD": "/here"},
        constraints=(Constraint(attribute="zone", operator=Operator.IN, values=("a", "b")),),
        anti_affinity=(AntiAffinity(attribute="machine", limit=1),),
        max_running=2,
        max_failures=3,
        deadline_seconds=60.0,
        ports=(("admin", 0), ("http", 8080)),
        health=Health(http_port="http", http_path="/well", failures=2, command=("check", "it")),
        key="k",
    )
    (submitted,) = store.submit([told])
    assert store.specification(submitted.job_id) == told.spec


def test_a_payload_is_part_of_the_specification(store: Store) -> None:
    told = submission(payload=b"\x00pickled")
    (submitted,) = store.submit([told])
    assert store.specification(submitted.job_id) == told.spec


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_running", 2),
        ("max_failures", 2),
        ("deadline_seconds", 2.0),
        ("ports", (("http", 0),)),
        ("health", Health(command=("true",))),
        ("open", True),
    ],
)
def test_what_else_a_job_may_say_is_part_of_what_its_key_stands_for(
    scene: Scene, name: str, value: Any
) -> None:
    plain, other = scene.submit(key="plain"), scene.submit(key="other", **{name: value})
    assert scene.submit(key="other", **{name: value}) == other
    for key, fields in (("plain", {name: value}), ("other", {})):
        with pytest.raises(KeyConflict) as conflict:
            scene.submit(key=key, **fields)
        assert conflict.value.fields == (name,)
    assert [job.job_id for job in scene.store.jobs()] == [other, plain]


def test_a_lease_or_a_hold_is_no_part_of_what_a_key_stands_for(scene: Scene) -> None:
    job_id = scene.submit(key="k")
    assert scene.submit(key="k", held=True, lease_seconds=5.0) == job_id
    assert (scene.job(job_id).held, scene.store.renew_job(job_id, 5.0)) == (False, False)


def test_a_definition_says_on_which_ports_and_how_a_replica_is_asked(scene: Scene) -> None:
    health = Health(command=("check",), interval_seconds=0.5)
    job_id = scene.submit(service=True, ports=(("http", 0),), health=health)
    plain, service = scene.store.definitions([job_id, scene.submit()])[::-1]
    assert (service.ports, service.health, service.health.checked) == ((("http", 0),), health, True)
    assert (plain.ports, plain.health.checked) == ((), False)


_ASKS: dict[str, Callable[[Store], object]] = {
    "job": lambda store: store.job(77),
    "specification": lambda store: store.specification(77),
    "dependencies": lambda store: store.dependencies(77),
    "append": lambda store: store.append(77, 0, [b""]),
    "close_job": lambda store: store.close_job(77),
    "renew_job": lambda store: store.renew_job(77, 1.0),
    "cancel_tasks": lambda store: store.cancel_tasks(77, [(0, 1)]),
    "ended": lambda store: store.ended(77, None),
    "hold": lambda store: store.hold(77),
    "release": lambda store: store.release(77),
    "retry_failed": lambda store: store.retry_failed(77),
    "alter": lambda store: store.alter(77, priority=1),
}


@pytest.mark.parametrize("ask", _ASKS.values(), ids=_ASKS)
def test_an_unknown_job_is_not_found_whatever_is_asked(store: Store, ask: Callable[[Store], object]) -> None:
    with pytest.raises(NotFound, match="j77"):
        ask(store)


def test_a_job_waits_until_it_runs_and_counts_its_second_attempts_apart(
    scene: Scene, worker: WorkerHand, scheduler: SchedulerHand
) -> None:
    job_id = scene.submit(tasks=6)
    first, second, _third = scheduler.place(job_id, 1, 3)
    worker.end(first, state=AttemptState.PREEMPTED)
    worker.end(second)
    status = scene.job(job_id)
    assert (status.waiting, status.waiting_retry, status.placed, status.succeeded) == (3, 1, 1, 1)
