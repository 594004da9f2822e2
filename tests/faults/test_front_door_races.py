"""What people do with jobs, at the same time as schedulers, workers and reapers do theirs, from several processes."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import AttemptState, JobState
from tests.contract.scene import Scene, machine_spec, submission
from tests.contract.wishes import Wish
from tests.faults.rivals import Arena, Rival, race
from tests.faults.test_all_at_once import works

ROUNDS = 15
"""As many as `works` plays: all meet at every one."""
MACHINES = 4


def schedules(rival: Rival, name: str, machines: Sequence[int]) -> int:
    """Be a scheduler that places what it finds anywhere; how many tasks it placed."""
    placed = 0
    hand = rival.scene.scheduler(name, kind="batch", lease_seconds=600.0)
    for _ in range(ROUNDS):
        rival.together()
        for _ in range(3):
            jobs = hand.claim(limit=6)
            wishes = [Wish(job.job_id, rival.rng.choice(machines), slots=max(1, job.pending)) for job in jobs]
            placed += int(hand.commit(*wishes).tasks.sum()) if wishes else 0
            rival.clock.advance(0.1)
            hand.settle(*(job.job_id for job in jobs))
    hand.release()
    return placed


def grows_jobs(rival: Rival) -> Counter[str]:
    """Be programs with open jobs: add tasks, take some back, follow the ends, close; what came of it."""
    told: Counter[str] = Counter()
    for _ in range(ROUNDS):
        rival.together()
        job_id = rival.scene.open_job(lease_seconds=600.0, retries=1, backoff_seconds=0.0)
        known: set[int] = set()
        watermark = None
        for number in range(6):
            first = rival.store.append(job_id, 5 * number, [b"."] * 5) - 5
            assert rival.store.append(job_id, first, [b"."] * 5) == first + 5
            taken = rival.store.cancel_tasks(job_id, [(first - 3, 2), (first + 4, 9)])
            told["taken back"] += sum(count for _, count in taken)
            assert rival.store.renew_job(job_id, 600.0)
            new = rival.store.ended(job_id, watermark)
            watermark = new.watermark
            indexes = [one.task_index for one in new.outcomes]
            assert not known & set(indexes)
            assert len(set(indexes)) == len(indexes)  # each end once
            known |= set(indexes)
        told["followed"] += len(known)
        rival.store.close_job(job_id)
        assert known <= {one.task_index for one in rival.store.outcomes(job_id, final_only=True)}
    return told


def relates_jobs(rival: Rival) -> Counter[str]:
    """Be people whose jobs come after others: of their own call, and after any that there are."""
    told: Counter[str] = Counter()
    for _ in range(ROUNDS):
        rival.together()
        newest = rival.store.jobs(limit=12)
        parents = rival.rng.sample(newest, k=min(3, len(newest)))
        before = tuple(sorted(one.job_id for one in parents if not one.open))
        first, *_ = rival.store.submit(
            [
                submission(tasks=2, retries=1, backoff_seconds=0.0, max_failures=1),
                submission(after=before[:1], after_any=before[1:], earlier=(0,)),
                submission(earlier=(1,), earlier_any=(0,), max_running=1, tasks=3),
                submission(after_any=before),
            ]
        )
        if rival.rng.random() < 0.3:
            rival.store.cancel(first.job_id)
        rival.clock.advance(0.25)
        rival.store.reap()
        told["blocked"] += len(rival.store.jobs(states=[JobState.BLOCKED]))
    return told


def changes_jobs(rival: Rival) -> Counter[str]:
    """Be people who hold, let go, run again, scale and cancel; what was done how often."""
    told: Counter[str] = Counter()
    service = rival.scene.submit(service=True, tasks=3, scheduler="batch", cpu=100, backoff_seconds=0.0)
    for number in range(ROUNDS):
        rival.together()
        rival.store.submit(
            [submission(tasks=4, retries=0, max_failures=1) for _ in range(3)]
        )  # likely to fail
        rival.store.alter(service, replicas=rival.rng.choice((1, 3, 6)), priority=100 + number)
        for one in rival.store.jobs(limit=10):
            if one.job_id == service:
                continue
            rival.store.hold(one.job_id)
            rival.store.release(one.job_id)
        for one in rival.store.jobs(states=[JobState.FAILED], limit=10):
            with contextlib.suppress(SpecInvalid):  # another has been faster
                rival.store.retry_failed(one.job_id)
                told["retried"] += 1
        told["violations"] += len(rival.store.check()) if number % 5 == 4 else 0
    rival.store.cancel(service)
    return told


def test_people_and_their_jobs_all_at_once(scene: Scene, arena: Arena) -> None:
    names = [f"m{number}" for number in range(MACHINES)]
    brought = scene.worker(lease_seconds=0.25).bring(*map(machine_spec, names))
    machines = [one.machine_id for one in brought]
    scene.clock.advance(1.0)
    scene.store.reap()
    half = MACHINES // 2
    parties: list[Any] = [
        partial(schedules, name="s1", machines=machines),
        partial(schedules, name="s2", machines=machines),
        partial(works, names=names[:half], name="w1"),
        partial(works, names=names[half:], name="w2"),
        grows_jobs,
        relates_jobs,
        changes_jobs,
    ]
    *worked, grown, related, changed = race(arena, *parties)
    assert min(*worked) > 0
    assert min(grown["taken back"], grown["followed"], related["blocked"], changed["retried"]) > 0
    assert changed["violations"] == 0
    _let_all_end(scene, names)
    left = scene.store.jobs(states=[JobState.BLOCKED, JobState.PENDING, JobState.RUNNING], limit=1000)
    assert left == ()


def _let_all_end(scene: Scene, names: Sequence[str]) -> None:
    """A new worker and a new scheduler play on by themselves until nothing is left to do."""
    scene.clock.advance(1000.0)
    scene.store.reap()
    scheduler, worker = scene.scheduler("last", lease_seconds=1e6), scene.worker("last", lease_seconds=1e6)
    machines = [one.machine_id for one in worker.bring(*map(machine_spec, names))]
    for _ in range(200):
        jobs = scheduler.claim()
        if jobs:
            scheduler.commit(*(Wish(job.job_id, machine, slots=1) for job in jobs for machine in machines))
            scheduler.settle(*(job.job_id for job in jobs))
        held = [one for holdings in worker.pull() for one in holdings.placements]
        for one in held:
            worker.end(one, state=AttemptState.CANCELLED if one.stop else AttemptState.SUCCEEDED)
        scene.clock.advance(1.0)
        scene.store.reap()
        if not jobs and not held:
            return
