"""Transactions that are no transactions: SpecInvalid in front of every store, and nothing is applied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import TASKS_PER_SLOT, Transaction, Victims
from tests.contract.scene import Scene, transaction
from tests.contract.wishes import Wish


@pytest.mark.parametrize("slots", [0, -1])
def test_a_claim_for_no_slots_is_misuse(scene: Scene, slots: int) -> None:
    machine_id = scene.worker().machine()
    job_id = scene.submit(tasks=2)
    scheduler = scene.scheduler()
    scheduler.claim()
    with pytest.raises(SpecInvalid, match="slots"):
        scheduler.commit((job_id, machine_id, 1), (job_id, machine_id, slots))
    assert scene.store.placements(job_id) == ()


def test_claims_of_a_job_that_do_not_stand_together_are_misuse(scene: Scene) -> None:
    machine_id = scene.worker().machine()
    job_id, other = scene.submit(tasks=2), scene.submit()
    scheduler = scene.scheduler()
    scheduler.claim()
    with pytest.raises(SpecInvalid, match="together"):
        scheduler.commit((job_id, machine_id, 1), (other, machine_id, 1), (job_id, machine_id, 1))


@pytest.mark.parametrize("name", ["job_id", "machine_id", "slots", "claim_sequence"])
def test_arrays_of_different_lengths_are_misuse(scene: Scene, name: str) -> None:
    lease = scene.scheduler().lease
    whole = transaction(lease, [(1, 1, 1, 1), (1, 1, 1, 1)])
    torn: Transaction = replace(whole, **{name: getattr(whole, name)[:1]})
    with pytest.raises(SpecInvalid, match="equal"):
        scene.store.commit(torn)


def test_arrays_that_may_be_empty_are_as_long_as_the_others_or_empty(scene: Scene) -> None:
    whole = transaction(scene.scheduler().lease, [(1, 1, 1, 1), (1, 1, 1, 1)])
    one = np.array([1], dtype=np.int64)
    for name, torn in (("tasks", replace(whole, tasks=one)), ("devices", replace(whole, devices=one))):
        with pytest.raises(SpecInvalid, match=name):
            scene.store.commit(torn)


@pytest.mark.parametrize("tasks", [0, -1, TASKS_PER_SLOT + 1])
def test_a_slot_of_no_tasks_or_of_too_many_is_misuse(scene: Scene, tasks: int) -> None:
    with pytest.raises(SpecInvalid, match="tasks"):
        scene.scheduler().commit(Wish(1, 1, tasks=tasks))


def test_devices_of_a_claim_for_several_slots_are_misuse(scene: Scene) -> None:
    with pytest.raises(SpecInvalid, match="devices"):
        scene.scheduler().commit(Wish(1, 1, 2, devices=(0, 1)))


@pytest.mark.parametrize(("slots", "claim"), [(2, 0), (1, 1), (1, -1)])
def test_victims_of_several_slots_or_of_no_claim_are_misuse(scene: Scene, slots: int, claim: int) -> None:
    whole = transaction(scene.scheduler().lease, [(1, 1, slots, 1)])
    one = np.array([1], dtype=np.int64)
    victims = Victims(claim=np.array([claim], dtype=np.int64), job_id=one, first_index=one, attempt=one)
    with pytest.raises(SpecInvalid, match="victim"):
        scene.store.commit(replace(whole, victims=victims))


def test_victims_that_do_not_stand_by_claim_in_its_order_are_misuse(scene: Scene) -> None:
    whole = transaction(scene.scheduler().lease, [(1, 1, 1, 1), (1, 1, 1, 1)])
    three = np.array([1, 2, 3], dtype=np.int64)
    for order in ([1, 0, 0], [0, 1, 0]):
        claim = np.array(order, dtype=np.int64)
        victims = Victims(claim=claim, job_id=three, first_index=three, attempt=three)
        with pytest.raises(SpecInvalid, match="victim"):
            scene.store.commit(replace(whole, victims=victims))


def test_alternatives_of_a_claim_for_several_slots_are_misuse(scene: Scene) -> None:
    with pytest.raises(SpecInvalid, match="alternative"):
        scene.scheduler().commit(Wish(1, 1, 2), alternatives={1: [2]})
