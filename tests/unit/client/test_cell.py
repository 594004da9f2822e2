"""The client against a cell in memory."""

from __future__ import annotations

import os
import re
import sys
import threading
from typing import Any

import numpy as np
import pytest

import omegacell as omega
from omegacell.cellstate.model import JobState
from omegacell.client.cell import Cell
from omegacell.client.waiting import Pauses
from tests.contract.scene import Scene
from tests.contract.wishes import Wish


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
    assert definition.env["OMEGA_PYTHON"] == sys.executable
    assert definition.env["OMEGA_PYTHON_VERSION"] == ".".join(map(str, sys.version_info[:2]))
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


def test_what_is_no_job_is_refused_with_what_to_use(cell: Cell) -> None:
    with pytest.raises(omega.SpecInvalid, match=r"function print .* use cell\.call\(print, \.\.\.\)"):
        cell.submit(print, 1)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(omega.SpecInvalid, match=r"but 2 were given; use submit_many\(\)"):
        cell.submit({"command": ["x"]}, {"command": ["x"]})
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
