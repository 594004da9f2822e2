"""Claims that use a feature, and verdicts that show it was used."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from omegacell.bench.throughput import features
from omegacell.bench.throughput.features import Draft
from omegacell.bench.throughput.plan import Combination, Feature
from omegacell.bench.throughput.verdicts import IncorrectResult, placed
from omegacell.cellstate.model import (
    Detection,
    Int64,
    Lease,
    MachineRows,
    Preemptible,
    Reason,
    Transaction,
    Verdict,
)

LEASE = Lease(holder_id=1, token=2, lease_seconds=1.0, expires_at=1.0)
SEEN = np.arange(100) * 10


def ints(*values: int) -> Int64:
    return np.array(values, dtype=np.int64)


def rows(*cpu_milli: int) -> MachineRows:
    count = len(cpu_milli)
    return MachineRows(
        machine_id=np.arange(count) + 1,
        version=np.ones(count, dtype=np.int64),
        claim_sequence=np.ones(count, dtype=np.int64),
        capacity=np.array([[cpu, 2**40, 0] for cpu in cpu_milli]),
        used=np.zeros((count, 3), dtype=np.int64),
        available=np.ones(count, dtype=np.bool_),
    )


def preemptible(*indexes: int) -> Preemptible:
    count = len(indexes)
    return Preemptible(
        machine_id=ints(*indexes) + 1,
        job_id=np.full(count, 7),
        first_index=ints(*indexes),
        attempt=np.ones(count, dtype=np.int64),
        tasks=np.ones(count, dtype=np.int64),
        priority=np.zeros(count, dtype=np.int64),
        amounts=np.zeros((count, 3), dtype=np.int64),
        gpu_milli=np.zeros(count, dtype=np.int64),
        devices=np.zeros(count, dtype=np.int64),
        custom=((),) * count,
        placed_at=(0.0,) * count,
    )


def verdict(transaction: Transaction, **fields: object) -> Verdict:
    """Everything accepted where it was claimed, but for `fields`."""
    claims = len(transaction.job_id)
    zeros = np.zeros(claims, dtype=np.int64)
    return replace(
        Verdict(
            txn_id=transaction.txn_id,
            accepted=transaction.slots,
            tasks=transaction.slots,
            reason=zeros,
            machine_id=transaction.machine_id,
            free=zeros,
            first_index=zeros,
            preempted=zeros,
            rival_txn=(None,) * claims,
            rival_scheduler=zeros,
            rows=rows(),
        ),
        **fields,  # type: ignore[arg-type]  # a test may set any of them
    )


def draft(feature: Feature) -> Draft:
    small, roomy = features.TASK_CPU_MILLI - 1, 1_000
    (one,) = features.drafts(
        feature, rows(small, roomy, small, roomy), claims=5, count=1, rng=np.random.default_rng(1)
    )
    return one


def test_claims_for_alternatives_are_for_machines_without_room_and_name_those_with() -> None:
    one = draft(Feature.ALTERNATIVES)
    assert set(one.machine_id.tolist()) <= {1, 3}
    assert sorted(one.alternatives.tolist()) == [2, 4]


def test_each_scheduler_has_victims_of_its_own_and_names_none_twice() -> None:
    found = [preemptible(0, 1, 2, 3), preemptible(4, 5, 6, 7)]
    own = [features.victim_claims(found, number=number, of=2) for number in range(2)]
    assert [sorted(one.victim_index.tolist()) for one in own] == [[0, 2, 4, 6], [1, 3, 5, 7]]
    drafts = features.victim_drafts(own[1], claims=2, count=2, rng=np.random.default_rng(1))
    assert sorted(index for one in drafts for index in one.victim_index.tolist()) == [1, 3, 5, 7]
    assert all((one.machine_id == one.victim_index + 1).all() for one in drafts)


def test_transaction_of_what_is_left_keeps_each_claim_with_its_victim() -> None:
    whole = features.victim_claims([preemptible(4, 5, 6)], number=0, of=1)
    transaction = whole.only(np.array([True, False, True])).transaction(LEASE, 9, seen=SEEN, tasks=1)
    assert transaction.machine_id.tolist() == [5, 7]
    assert transaction.claim_sequence.tolist() == [50, 70]
    assert transaction.victims.claim.tolist() == [0, 1]
    assert transaction.victims.first_index.tolist() == [4, 6]


def test_transaction_names_tasks_only_where_slots_hold_several() -> None:
    assert draft(Feature.NONE).transaction(LEASE, 9, seen=SEEN, tasks=1).tasks.tolist() == []
    assert draft(Feature.RANGES).transaction(LEASE, 9, seen=SEEN, tasks=10).tasks.tolist() == [10] * 5


def test_claim_refused_to_a_lone_scheduler_is_an_incorrect_result() -> None:
    combination = Combination(claims=5, detection=Detection.COARSE)
    transaction = draft(Feature.NONE).transaction(LEASE, 9, seen=SEEN, tasks=1)
    refused = verdict(
        transaction,
        accepted=ints(1, 0, 1, 1, 1),
        reason=ints(0, Reason.SEQUENCE, 0, 0, 0),
        free=ints(0, 4, 0, 0, 0),
    )
    with pytest.raises(IncorrectResult, match=r"claim 1 of .* SEQUENCE \(free 4\)"):
        placed(combination, transaction, refused)


def test_claim_refused_to_a_rival_is_left_to_be_tried_again() -> None:
    combination = Combination(claims=5, schedulers=2, detection=Detection.COARSE)
    transaction = draft(Feature.NONE).transaction(LEASE, 9, seen=SEEN, tasks=1)
    refused = verdict(
        transaction,
        accepted=ints(1, 0, 1, 1, 1),
        tasks=ints(1, 0, 1, 1, 1),
        reason=ints(0, Reason.SEQUENCE, 0, 0, 0),
    )
    assert placed(combination, transaction, refused).tolist() == [True, False, True, True, True]
    with pytest.raises(IncorrectResult, match="CPU"):
        placed(combination, transaction, replace(refused, reason=ints(0, Reason.CPU, 0, 0, 0)))


def test_claim_placed_without_its_feature_is_an_incorrect_result() -> None:
    transaction = draft(Feature.NONE).transaction(LEASE, 9, seen=SEEN, tasks=1)
    for feature, what in (
        (Feature.VICTIMS, "0 victims, expected 1"),
        (Feature.RANGES, "1 tasks, expected 10"),
        (Feature.ALTERNATIVES, "0 machines in place of its own, expected 1"),
    ):
        with pytest.raises(IncorrectResult, match=what):
            placed(Combination(claims=5, feature=feature), transaction, verdict(transaction))


def test_room_is_asked_for_by_machine_count() -> None:
    for feature in Feature:
        sizes = [features.room(feature, machines) for machines in (0, 2, 200)]
        assert all(less < more for less, more in pairwise(sizes)), feature
