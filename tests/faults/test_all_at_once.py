"""Everything at once, from several processes: gangs, preemption, reservations, reports, cancellations, purges."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from omegacell.cellstate.errors import NotFound, TokenLost
from omegacell.cellstate.model import (
    AttemptState,
    ClaimedJob,
    CommitMode,
    Detection,
    Lease,
    Placement,
    Preemptible,
    Stop,
    Violation,
)
from tests.contract.scene import Scene, WorkerHand, machine_spec, submission, worker_spec
from tests.contract.wishes import Wish
from tests.faults.rivals import Arena, Rival, race

ROUNDS = 15
MACHINES = 6


def schedules(rival: Rival, name: str, machines: Sequence[int]) -> int:
    """Be a scheduler that does everything a scheduler may, at random; how many slots it got."""
    slots = 0
    hand = rival.scene.scheduler(name, lease_seconds=600.0)
    for number in range(ROUNDS):
        rival.together()
        if number == ROUNDS // 2:  # an incarnation that took over
            hand = rival.scene.scheduler(name, lease_seconds=600.0)
        jobs = hand.claim(limit=4)
        chosen = rival.rng.sample(list(machines), k=3)
        weaker = rival.store.preemptible(np.array(sorted(chosen), dtype=np.int64), below=1000)
        wishes = [
            Wish(job.job_id, machine, victims=_victims(rival, job, machine, weaker))
            for job in jobs
            for machine in chosen
        ]
        alternatives = {job.job_id: list(machines) for job in jobs if rival.rng.random() < 0.3}
        slots += int(hand.commit(*wishes, alternatives=alternatives).accepted.sum()) if wishes else 0
        for job in jobs:
            if job.commit is CommitMode.GANG and rival.rng.random() < 0.5:
                hand.reserve(
                    job.job_id,
                    *rival.rng.sample(list(machines), k=2),
                    seconds=rival.rng.choice((0.001, 30.0)),
                )
        rival.clock.advance(0.25)
        hand.settle(*(job.job_id for job in jobs), gave_up=rival.rng.random() < 0.05)
    hand.release()
    return slots


def _victims(rival: Rival, job: ClaimedJob, machine: int, weaker: Preemptible) -> tuple[Placement, ...]:
    found: list[Placement] = []
    for at in np.flatnonzero(weaker.machine_id == machine).tolist():
        if int(weaker.priority[at]) < job.priority and rival.rng.random() < 0.6:
            with contextlib.suppress(NotFound):
                held = rival.store.placements(int(weaker.job_id[at]))
                found += [one for one in held if one.first_index == int(weaker.first_index[at])]
    return tuple(found[:2])


def works(rival: Rival, names: Sequence[str], name: str) -> int:
    """Be a worker that ends at random what its machines hold, and starts anew now and then; the ends accepted."""
    hand, ends = _worker(rival, names, name), 0
    for number in range(ROUNDS):
        rival.together()
        rival.clock.advance(0.25)
        with contextlib.suppress(TokenLost):
            if number % 9 == 8:
                hand = _worker(rival, names, name)
            held = [one for holdings in hand.pull() for one in holdings.placements]
            hand.start(*(one for one in held if not one.stop))
            for one in held:
                state = rival.rng.choice(
                    (AttemptState.SUCCEEDED, AttemptState.SUCCEEDED, AttemptState.FAILED)
                )
                if one.preempted_by or one.stop is Stop.PREEMPT:
                    state = AttemptState.PREEMPTED
                elif one.stop is Stop.CANCEL:
                    state = AttemptState.CANCELLED
                if one.stop or rival.rng.random() < 0.5:
                    ends += sum(hand.end(one, state=state))
            rival.store.renew_worker(hand.lease.holder_id, hand.lease.token)
    return ends


def _worker(rival: Rival, names: Sequence[str], name: str) -> WorkerHand:
    lease: Lease = rival.store.register_worker(worker_spec(name), lease_seconds=600.0)
    hand = WorkerHand(rival.scene, lease)
    hand.bring(*(machine_spec(one) for one in names))
    return hand


def uses(rival: Rival, names: Sequence[str]) -> list[Violation]:
    """Be people: submit, cancel, drain, purge, reap and look; what was found broken on the way."""
    found: list[Violation] = []
    for number in range(ROUNDS):
        rival.together()
        rival.clock.advance(0.25)
        rival.store.submit([submission(**_job(rival)) for _ in range(3)])
        jobs = rival.store.jobs(limit=10)
        with contextlib.suppress(NotFound):
            rival.store.cancel(rival.rng.choice(jobs).job_id)
        name = rival.rng.choice(list(names))
        rival.store.drain(name, evict=rival.rng.random() < 0.5)
        rival.store.uncordon(name)
        rival.store.fold()
        rival.store.reap()
        if number % 5 == 4:
            rival.store.purge(older_than_seconds=1.0)
            found += rival.store.check()
    return found


def _job(rival: Rival) -> dict[str, Any]:
    rng = rival.rng
    commit = rng.choice(list(CommitMode))
    return {
        "tasks": rng.choice((1, 3, 8)),
        "cpu": rng.choice((500, 1500, 3000)),
        "priority": rng.choice((10, 100, 500)),
        "detection": rng.choice(list(Detection)),
        "commit": commit,
        "gang_min": 1 if commit is CommitMode.GANG else 0,
        "retries": rng.choice((0, 2)),
        "backoff_seconds": 0.0,
        "scheduler": "batch",
    }


def test_everything_at_once(scene: Scene, arena: Arena) -> None:
    names = [f"m{number}" for number in range(MACHINES)]
    brought = scene.worker(lease_seconds=0.25).bring(*map(machine_spec, names))
    machines = [one.machine_id for one in brought]
    scene.clock.advance(1.0)
    scene.store.reap()
    scene.store.submit([submission(priority=10) for _ in range(20)])
    half = MACHINES // 2
    first, second, *ended, violations = race(
        arena,
        partial(schedules, name="s1", machines=machines),
        partial(schedules, name="s2", machines=machines),
        partial(works, names=names[:half], name="w1"),
        partial(works, names=names[half:], name="w2"),
        partial(uses, names=names),
    )
    assert violations == []
    assert min(first, second, *ended) > 0  # everybody got to do something
    states = Counter(one.state for job in scene.store.jobs(limit=1000) for one in scene.outcomes(job.job_id))
    assert len(states) >= 3
