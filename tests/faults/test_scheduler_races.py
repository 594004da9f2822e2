"""Races of schedulers, each a process of its own: one winner, one clean conflict, and nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from omegacell.cellstate.model import Detection, Placement, Reason, Stop, Transaction, Verdict
from tests.contract.scene import Scene, SchedulerHand, machine_spec
from tests.contract.wishes import Wish, answers, rivals, transaction_of
from tests.faults.rivals import Arena, Rival, race

ROUNDS = 24


def commits(rival: Rival, transactions: Sequence[Transaction]) -> list[Verdict]:
    """Commit a transaction a round."""
    verdicts = []
    for transaction in transactions:
        rival.together()
        verdicts.append(rival.store.commit(transaction))
    return verdicts


def claimed_by_each(scene: Scene, schedulers: Sequence[SchedulerHand], **fields: Any) -> list[list[int]]:
    """A job a round for each scheduler, held by it, of each detection in turn."""
    jobs: list[list[int]] = []
    for hand in schedulers:
        detections = [list(Detection)[number % 2] for number in range(ROUNDS)]
        jobs.append([scene.submit(detection=detection, **fields) for detection in detections])
        assert hand.claim_ids(limit=ROUNDS) == jobs[-1]
    return jobs


def round_by_round(
    first: Sequence[Transaction], second: Sequence[Transaction], arena: Arena
) -> list[tuple[Verdict, Verdict, tuple[UUID, int]]]:
    """Of each round the winner's verdict, the loser's, and who won by what."""
    told = race(arena, partial(commits, transactions=first), partial(commits, transactions=second))
    rounds = []
    for one, other, *sent in zip(*told, first, second, strict=True):
        assert sorted((one.accepted[0], other.accepted[0])) == [0, 1]
        won = 0 if one.accepted[0] else 1
        by = (sent[won].txn_id, sent[won].scheduler_id)
        rounds.append(((one, other)[won], (one, other)[1 - won], by))
    assert len({by[1] for _, _, by in rounds}) == 2  # each came first at some time
    return rounds


def conflicts(scene: Scene, rounds: Sequence[tuple[Verdict, Verdict, tuple[UUID, int]]]) -> None:
    """The counters say what the verdicts said."""
    for status in scene.store.schedulers():
        won = sum(by[1] == status.scheduler_id for _, _, by in rounds)
        assert (status.transactions_succeeded, status.transactions_failed) == (won, ROUNDS - won)
        assert (status.claims, status.claims_refused, status.placements) == (ROUNDS, ROUNDS - won, won)


def test_two_schedulers_that_preempt_the_same_victims(scene: Scene, arena: Arena) -> None:
    worker = scene.worker()
    machines = [one.machine_id for one in worker.bring(*(machine_spec(f"m{n}") for n in range(ROUNDS)))]
    low = scene.scheduler("low", kind="low")
    victim = scene.submit(tasks=2 * ROUNDS, cpu=2000, priority=10, scheduler="low")
    low.claim()
    low.commit(*((victim, machine, 2) for machine in machines))
    low.release()
    held: dict[int, list[Placement]] = {machine: [] for machine in machines}
    for placement in scene.store.placements(victim):
        held[placement.machine_id].append(placement)
    hands = [scene.scheduler("s1"), scene.scheduler("s2")]
    jobs = claimed_by_each(scene, hands, cpu=4000, priority=500)
    sequences = {one.machine_id: one.claim_sequence for one in scene.store.machines()}
    sent = [
        [
            transaction_of(
                hand.lease, [Wish(job, machine, seen=sequences[machine], victims=tuple(held[machine]))]
            )
            for job, machine in zip(mine, machines, strict=True)
        ]
        for hand, mine in zip(hands, jobs, strict=True)
    ]
    for number, (winner, loser, by) in enumerate(round_by_round(sent[0], sent[1], arena)):
        coarse = number % 2 == list(Detection).index(Detection.COARSE)
        assert winner.preempted.tolist() == [2]
        ((slots, reason, _),) = answers(loser)
        assert (slots, reason) == (0, Reason.SEQUENCE if coarse else Reason.VICTIM_GONE)
        assert rivals(loser) == [by]
        assert loser.preempted.tolist() == [0]
    placements = scene.store.placements(victim)
    winners = {
        one.machine_id: one.job_id for mine in jobs for job in mine for one in scene.store.placements(job)
    }
    assert [(one.stop, one.preempted_by) for one in placements] == [
        (Stop.PREEMPT, winners[one.machine_id]) for one in placements
    ]
    assert len(scene.store.preemptions(victim)) == len(placements) == 2 * ROUNDS
    assert [machine.used.cpu_milli for machine in scene.store.machines()] == [4000] * ROUNDS


def test_two_schedulers_that_claim_the_same_share_of_a_device(scene: Scene, arena: Arena) -> None:
    worker = scene.worker()
    brought = worker.bring(*(machine_spec(f"m{n}", devices=2) for n in range(ROUNDS)))
    machines = [one.machine_id for one in brought]
    hands = [scene.scheduler("s1"), scene.scheduler("s2")]
    jobs = claimed_by_each(scene, hands, cpu=100, gpu=600)
    sent = [
        [
            transaction_of(hand.lease, [Wish(job, machine, seen=1, devices=(1,))])
            for job, machine in zip(mine, machines, strict=True)
        ]
        for hand, mine in zip(hands, jobs, strict=True)
    ]
    rounds = round_by_round(sent[0], sent[1], arena)
    for number, (_, loser, by) in enumerate(rounds):
        coarse = number % 2 == list(Detection).index(Detection.COARSE)
        assert answers(loser) == [(0, Reason.SEQUENCE, 2) if coarse else (0, Reason.DEVICE, 400)]
        assert rivals(loser) == [by]
    assert [machine.devices for machine in scene.store.machines()] == [(0, 600)] * ROUNDS
    conflicts(scene, rounds)
